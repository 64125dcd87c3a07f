local assert = require "luassert"
local cj = require "conjugate"
local cli = require "conjugate.cli"
local command = require "conjugate.cli.ifa"
local json = require "conjugate.run.json"

local function parse(...)
  return cli.parser("ifa", command):pparse { ... }
end

describe("conjugate ifa", function()
  local folder

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    local train, test = assert(cj.data.load "mini")
    cj.data.register {
      name = "tiny-ifa",
      load = function() return train:take(24), test:take(12) end,
    }
  end)
  teardown(function() os.execute("rm -rf '" .. folder .. "'") end)

  local small = {
    "--data", "tiny-ifa", "--steps", "3", "--chunk", "12", "--gan-epochs", "1", "--gan-width", "1",
    "--no-pictures", "--quiet", "--seed", "4",
  }
  local function run(...)
    local words = { ... }
    for _, word in ipairs(small) do words[#words + 1] = word end
    local ok, options = parse(unpack(words))
    assert.is_true(ok, options)
    return command.run(options)
  end

  it("trains, follows, compares, and says where the files are", function()
    local result, text = run("--epochs", "1,2", "--batch", "8", "--out", folder .. "/a")
    assert.equal(2, #result.results)
    assert.equal(2, result.epochs)
    assert.is_string(json.encode(result))
    for _, words in ipairs { "CL ", "ACL ", "RA(X_n)", "24 of 24 images", "summary.json" } do
      assert.truthy(text:find(words, 1, true), words)
    end
  end)

  it("takes the network of a checkpoint, with the epochs it has behind it", function()
    local path = folder .. "/a/classifier/epoch-0001.safetensors"
    local result = run("--checkpoint", path, "--out", folder .. "/b")
    assert.equal("convnet", result.model)
    assert.equal(1, result.epochs)
  end)

  it("gives nil and a message for a checkpoint that is not there", function()
    local result, why = run("--checkpoint", folder .. "/none.safetensors", "--out", folder .. "/c")
    assert.is_nil(result)
    assert.truthy(why:find "none.safetensors")
  end)

  it("refuses epochs that are no whole numbers", function()
    local ok, why = parse("--epochs", "1,x")
    assert.is_false(ok)
    assert.truthy(tostring(why):find "whole numbers")
  end)
end)
