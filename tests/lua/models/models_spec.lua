local assert = require "luassert"
local cj = require "conjugate"
local golden = require "support.golden"
local models = cj.models

local function weights(net)
  local list = {}
  for i, p in ipairs(net:parameters()) do list[i] = p:detach():reshape { -1 }[1] end
  return list
end

local cases = golden.read "models"

-- Is this count checked in golden_spec already? Large networks are built once only.
local function golden_has(name, options, expected)
  for _, case in ipairs(cases) do
    if case.config.model == name and case.config.channels == options.channels
      and case.count == expected then
      return true
    end
  end
  return false
end

describe("models", function()
  for _, model in ipairs(models.list()) do
    for _, count in ipairs(model.counts) do
      local options, expected = count[1], count[2]
      local text = ("%s for %dx%dx%d%s"):format(model.name, options.channels, options.size,
        options.size, options.n and ", n = " .. options.n or options.scale and ", " .. options.scale
        or "")
      if not golden_has(model.name, options, expected) then
        it(("%s: %d parameters"):format(text, expected), function()
          local net = models[model.name](options)
          assert.equal(expected, net:num_parameters())
          assert.equal(model.name, net.config.model)
        end)
      end
    end

    it(model.name .. " is rebuilt from its config, and the seed gives the same weights", function()
      local options = { channels = 1, size = 28, n = model.name == "resnet" and 1 or nil }
      if model.name == "resnet18" then return end -- the same code as resnet, a hundred times larger
      cj.seed(11)
      local net = models[model.name](options)
      cj.seed(11)
      local same = models.build(net.config)
      assert.same(net.config, same.config)
      assert.same(weights(net), weights(same))
      assert.not_same(weights(net), weights(models.build(net.config)))
      same:load_state_dict(net:state_dict())
      assert.same(weights(net), weights(same))
      assert.is_string(model.what .. model.source)
      assert.matches("^" .. model.name .. " for 1x28x28", tostring(net))
    end)
  end

  it("give logits for every class", function()
    local x = cj.rand { 2, 3, 32, 32 }
    for _, name in ipairs { "convnet", "resnet", "googlenet" } do
      local n = name == "resnet" and 1 or nil
      local net = models[name] { channels = 3, size = 32, classes = 7, n = n }
      assert.same({ 2, 7 }, net:eval()(x).shape)
    end
  end)

  it("take their sizes from a data set", function()
    local set = { images = cj.zeros({ 2, 3, 32, 32 }, "uint8"), classes = 5 }
    local net = models.convnet { data = set }
    assert.same({ model = "convnet", channels = 3, size = 32, classes = 5 }, net.config)
    local generator = models.pix2pix_generator { data = set, width = 2 }
    assert.same({ 1, 3, 32, 32 }, generator:eval()(cj.rand { 1, 3, 32, 32 }).shape)
  end)

  it("normalise pixels in their first layer when asked to", function()
    cj.seed(1)
    local plain = models.convnet {}
    cj.seed(1)
    local net = models.convnet { normalize = { mean = { 0.1 }, std = { 0.3 } } }
    local x = cj.rand { 1, 1, 28, 28 }
    local difference = net(x) - plain((x - 0.1) / 0.3)
    assert.near(0, difference:abs():max():item(), 1e-4)
    assert.equal(44426, models.build(net.config):num_parameters())
  end)

  it("refuse pictures of the wrong size in their own name", function()
    local net = models.convnet {}
    local wrong = {
      { net, cj.zeros { 2, 3, 28, 28 }, "convnet: expected sizes [B, 1, 28, 28] for x, got [2, 3" },
      { net, cj.zeros { 2, 1, 32, 32 }, "convnet: expected sizes [B, 1, 28, 28] for x, got [2, 1" },
      { net, cj.zeros({ 2, 1, 28, 28 }, "uint8"), "convnet: expected a float tensor for x, got a" },
      { net, 3, "convnet: expected a float tensor for x, got 3" },
      { models.resnet { n = 1 }, cj.zeros { 28, 28 }, "resnet: expected sizes [B, 1, H, W] for x" },
      { models.pix2pix_discriminator {}, cj.zeros { 1, 1, 28, 28 },
        "pix2pix_discriminator: expected sizes [B, 2, H, W] for x, got [1, 1" },
    }
    for _, case in ipairs(wrong) do
      local ok, message = pcall(case[1], case[2])
      assert.is_false(ok)
      assert.matches(case[3], message, 1, true)
    end
  end)

  it("refuse wrong options, each by name", function()
    local wrong = {
      { 'convnet: there is no option "klasses" %(did you mean "classes"', models.convnet,
        { klasses = 3 } },
      { "convnet: .* of at least 16 for size, got 8", models.convnet, { size = 8 } },
      { "convnet: .* for channels", models.convnet, { channels = 0 } },
      { "ygcnn: .* at least 2 for classes, got 1", models.ygcnn, { classes = 1 } },
      { "resnet: .* for n, got 0", models.resnet, { n = 0 } },
      { 'googlenet: expected one of "small", "full" for scale', models.googlenet,
        { scale = "half" } },
      { 'pix2pix_generator: there is no option "classes"', models.pix2pix_generator,
        { classes = 3 } },
      { "convnet: expected a data set for data", models.convnet, { data = {} } },
      { 'build: there is no model "convent" %(did you mean "convnet"', models.build,
        { model = "convent" } },
      { "build: expected a table for config", models.build, 3 },
    }
    for _, case in ipairs(wrong) do
      assert.error_matches(function() case[2](case[3]) end, case[1])
    end
  end)

  it("generate perturbations within the range, and of the picture's size", function()
    cj.seed(4)
    local net = models.pix2pix_generator { channels = 1, size = 28, width = 2, range = 0.25 }
    local y = net(cj.rand { 2, 1, 28, 28 })
    assert.same({ 2, 1, 28, 28 }, y.shape)
    assert.is_true(y:abs():max():item() <= 0.25)
    assert.same({ 2, 1, 20, 33 }, net(cj.rand { 2, 1, 20, 33 }).shape)
  end)

  it("judge patches of picture and perturbation", function()
    local net = models.pix2pix_discriminator { channels = 1, size = 28, width = 4 }
    assert.same({ 2, 1, 3, 3 }, net(cj.rand { 2, 2, 28, 28 }).shape)
    net = models.pix2pix_discriminator { channels = 3, size = 32, width = 4 }
    assert.same({ 2, 1, 4, 4 }, net(cj.rand { 2, 6, 32, 32 }).shape)
  end)
end)
