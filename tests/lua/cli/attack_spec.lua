-- `conjugate attack` and what it leaves in the folder of --out.
local assert = require "luassert"
local cj = require "conjugate"
local checkpoint = require "conjugate.run.checkpoint"
local folder = require "support.folder"
local html = require "support.html"
local json = require "conjugate.run.json"
local kill = require "support.kill"

describe("conjugate attack", function()
  local dir
  setup(function()
    dir = folder.make()
    cj.seed(2)
    local net = cj.models.convnet { channels = 1, size = 28 }
    assert(checkpoint.save(dir .. "/net.safetensors", net, { data = { name = "mini" }, seed = 2 }))
  end)
  teardown(function() folder.remove(dir) end)

  local function attack(...)
    return kill.run(kill.command { "attack", "--checkpoint", dir .. "/net.safetensors", "--limit",
      "40", "--quiet", ... })
  end

  it("writes a page, a summary and the records of every sample", function()
    local out = dir .. "/runs/x"
    local code, text = attack("--attack", "fgsm", "--attack", "pgd", "--eps", "8/255", "--out", out,
      "--json", "--seed", "5")
    assert.equal(0, code, text)
    local answer = assert(json.decode(text))
    local summary = assert(json.decode(folder.read(out .. "/summary.json")))
    for _, key in ipairs { "ta", "ra_worst", "ra_paper", "n", "data", "seed", "checkpoint" } do
      assert.is_truthy(answer[key] ~= nil, key)
      assert.same(answer[key], summary[key], key)
    end
    assert.equal(5, summary.seed)
    local page = folder.read(out .. "/report.html")
    assert.is_nil(html.fault(page))
    assert.is_truthy(page:find("<dt>seed</dt><dd>5</dd>", 1, true))
    assert.is_truthy(page:find("net.safetensors", 1, true))
    local _, lines = folder.read(out .. "/records.csv"):gsub("\n", "")
    assert.equal(2 * 40 + 1, lines)
    local _, more = folder.read(out .. "/records.jsonl"):gsub("\n", "")
    assert.equal(2 * 40, more)
  end)

  it("says so when the folder cannot be made", function()
    local code, text = attack("--attack", "fgsm", "--eps", "0.1", "--out", "/dev/null/x")
    assert.equal(1, code)
    assert.is_truthy(text:find("/dev/null", 1, true))
  end)

  it("judges a robust accuracy with --battery, in its words and in its exit code", function()
    local out = dir .. "/battery"
    local words = { "--battery", "--eps", "0.1", "--steps", "4", "--queries", "20", "--set",
      "draws=2", "--transfer", dir .. "/net.safetensors", "--out", out }
    local code, text = attack("--json", unpack(words))
    local answer = assert(json.decode(text), text)
    local good = answer.verdict == "trustworthy" or answer.verdict == "incomplete"
    assert.equal(good and 0 or 1, code)
    assert.equal(not good, answer.failed)
    assert.equal(10, #answer.checks)
    assert.equal(2, answer.draws)
    assert.equal(answer.verdict, json.decode(folder.read(out .. "/summary.json")).verdict)
    assert.is_nil(html.fault(folder.read(out .. "/report.html")))
    for _, c in ipairs(answer.checks) do assert.is_not.equal("skipped", c.status, c.key) end
  end)

  it("says what --battery needs", function()
    local code, text = attack "--battery"
    assert.equal(1, code)
    assert.is_truthy(text:find("give --eps", 1, true))
    code, text = attack("--battery", "--eps", "0.1", "--attack", "pgd")
    assert.equal(1, code)
    assert.is_truthy(text:find("leave --attack out", 1, true))
    code, text = attack("--battery", "--eps", "0.1", "--transfer", dir .. "/none.safetensors")
    assert.equal(1, code)
    assert.is_truthy(text:find("none.safetensors", 1, true))
  end)
end)
