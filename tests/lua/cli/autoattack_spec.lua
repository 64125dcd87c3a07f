local folder = require "support.folder"
local json = require "conjugate.run.json"
local kill = require "support.kill"

describe("conjugate attack --attack autoattack", function()
  local dir
  setup(function()
    dir = folder.make()
    local code, text = kill.run(kill.command {
      "train", "--data", "mini", "--limit", "640", "--epochs", "1", "--quiet",
      "--out", dir .. "/net",
    })
    assert.equal(0, code, text)
  end)
  teardown(function() folder.remove(dir) end)

  local function attack(...)
    return kill.run(kill.command {
      "attack", "--checkpoint", dir .. "/net/model.safetensors", "--attack", "autoattack",
      "--eps", "0.05", "--set", "queries=20", "--limit", "30", "--out", dir .. "/aa", ...
    })
  end

  it("keeps a journal in its folder, goes on from it, and says who broke what", function()
    local code, text = attack("--steps", "5", "--batch", "20")
    assert.equal(0, code, text)
    assert.is_truthy(text:find("not the standard version: steps = 5, queries = 20", 1, true), text)
    local summary = json.decode(folder.read(dir .. "/aa/summary.json"))
    assert.is_true(summary.ra_worst <= summary.ta)
    local records = folder.read(dir .. "/aa/records.csv")
    assert.is_truthy(records:find(",by\n", 1, true))
    local journal = folder.read(dir .. "/aa/autoattack/journal.jsonl")
    assert.equal(30, select(2, journal:gsub('"attack": "none"', "")))
    folder.write(dir .. "/aa/autoattack/journal.jsonl", journal:sub(1, 3000))
    code, text = attack("--steps", "5", "--batch", "20", "--quiet")
    assert.equal(0, code, text)
    assert.equal(journal, folder.read(dir .. "/aa/autoattack/journal.jsonl"))
    assert.equal(records, folder.read(dir .. "/aa/records.csv"))
  end)

  it("refuses to go on with other options", function()
    local code, text = attack("--steps", "6")
    assert.equal(1, code)
    assert.is_truthy(text:find("steps is 5, asked for 6", 1, true), text)
  end)
end)
