local assert = require "luassert"
local checkpoint = require "conjugate.run.checkpoint"
local cj = require "conjugate"
local files = require "conjugate.run.files"
local folder = require "support.folder"

describe("checkpoint", function()
  local dir, path

  before_each(function()
    dir = folder.make()
    path = dir .. "/model.safetensors"
  end)
  after_each(function() folder.remove(dir) end)

  it("rebuilds the network with its values, in evaluation mode", function()
    local net = cj.models.resnet { channels = 1, size = 28, classes = 10, n = 1 }
    assert(checkpoint.save(path, net, { seed = 7, data = { name = "mini" } }))
    local again, about = checkpoint.load(path)
    assert.is_false(again.training)
    assert.equal(7, about.seed)
    assert.equal("mini", about.data.name)
    local x = cj.rand { 2, 1, 28, 28 }
    net:eval()
    assert.same(net(x):table(), again(x):table())
  end)

  it("gives the same bytes for the same content", function()
    local net = cj.models.convnet { channels = 1, size = 28, classes = 10 }
    assert(checkpoint.save(path, net, { seed = 7 }))
    assert(checkpoint.save(dir .. "/b", net, { seed = 7 }))
    assert.equal(folder.read(path), folder.read(dir .. "/b"))
  end)

  it("answers a message for files that are missing, damaged or of another kind", function()
    local cases = {
      { nil, "model.safetensors" }, { "rubbish", "model.safetensors" },
    }
    for _, case in ipairs(cases) do
      if case[1] then folder.write(path, case[1]) end
      local net, message = checkpoint.load(path)
      assert.is_nil(net)
      assert.is_truthy(message:find(case[2], 1, true))
    end
    assert(files.write_tensors(path, { { "w", cj.ones { 2 } } }, {}))
    local net, message = checkpoint.load(path)
    assert.is_nil(net)
    assert.is_truthy(message:find("no description of its model", 1, true))
  end)

  it("answers a message when the tensors do not fit the model", function()
    local model = '{"model": "convnet", "channels": 1, "size": 28, "classes": 10}'
    assert(files.write_tensors(path, { { "w", cj.ones { 2 } } }, { model = model }))
    local net, message = checkpoint.load(path)
    assert.is_nil(net)
    assert.is_truthy(message:find("conv1.weight", 1, true))
  end)
end)
