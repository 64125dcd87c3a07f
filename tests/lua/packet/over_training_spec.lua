-- scripts/experiments/packets_over_training.lua on a few digits.
local assert = require "luassert"
local folder = require "support.folder"
local json = require "conjugate.run.json"
local kill = require "support.kill"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

describe("packets over training", function()
  local dir
  setup(function() dir = folder.make() end)
  teardown(function() folder.remove(dir) end)

  local function experiment()
    return kill.run(kill.command { "run", "scripts/experiments/packets_over_training.lua",
      "--data", "mini", "--models", "convnet", "--seeds", "2", "--epochs", "0,1", "--samples",
      "192", "--faces", "2", "--centres", "20", "--points", "64", "--limit", "40",
      "--train_limit", "300", "--out", dir .. "/run", "--quiet" })
  end

  it("are measured for every epoch and seed, compared with RA, and continued", function()
    local code, text = experiment()
    assert.equal(0, code, text)
    local record = assert(json.decode(read(dir .. "/run/convnet-2/epoch-0001.json")))
    assert.equal(10, #record.packets.data_ce)
    local result = assert(json.decode(read(dir .. "/run/results.json")))
    assert.equal(12, #result.epochs) -- six packets, two epochs
    assert.equal(48, #result.taus) -- eight quantities each
    for _, row in ipairs(result.epochs) do
      if row.refused < 20 then assert.is_true(row.P >= row.bound) end
    end
    local before = read(dir .. "/run/results.json")
    os.remove(dir .. "/run/convnet-1/epoch-0001.json")
    assert.equal(0, (experiment()))
    assert.equal(before, read(dir .. "/run/results.json"))
  end)
end)
