--- The networks and modes of `scripts/bench`, and what a cell (a network in a mode) costs.
--
-- A classifier is trained and attacked through the cross entropy of its logits. So that all seven
-- networks go the same way, the outputs of the Pix2Pix networks are taken as logits too: 784 pixels
-- of the generator, 9 patches of the discriminator. That adds nothing one could measure.
local cj = require "conjugate"

local M = {}

M.MODES = { "inference", "pgd", "ifa", "train" }

-- batch: images a step; images: of one call of an attack or of predict; outputs: of one image;
-- settle: passes in training mode before weights are kept, because spectral norms come from an
-- iteration, and before it has settled outputs are so large that gradients vanish. Heavy networks
-- take smaller batches, so that all is measured in half an hour.
M.NETWORKS = {
  { name = "convnet", batch = 128, images = 512 },
  { name = "ygcnn", batch = 128, images = 128 },
  { name = "resnet", options = { n = 3 }, batch = 128, images = 128 },
  {
    name = "pix2pix_discriminator", batch = 128, images = 512, channels = 2, outputs = 9,
    settle = 20,
  },
  { name = "pix2pix_generator", batch = 64, images = 64, outputs = 784 },
  { name = "resnet18", batch = 64, images = 64 },
  { name = "googlenet", options = { scale = "full" }, batch = 32, images = 32 },
}

-- Steps of one attack. The paper's PGD has 4. The cost of a walk is proportional to its steps, so
-- a few of the 200 tell it.
local STEPS = { inference = 1, train = 1, pgd = 4, ifa = 10 }

--- A network by its name.
-- @string name
-- @treturn table an entry of NETWORKS
function M.network(name)
  for _, network in ipairs(M.NETWORKS) do
    if network.name == name then return network end
  end
  error(("bench: there is no network %q"):format(name), 0)
end

--- Steps that one image makes in one call.
-- @tparam table network
-- @string mode
-- @treturn number
function M.steps(network, mode)
  if mode == "ifa" and network.batch < 128 then return 4 end
  return STEPS[mode]
end

--- Makes the network with the weights that its seed gives.
-- @tparam table network
-- @treturn Module
function M.make(network)
  cj.seed(1)
  return cj.models[network.name](network.options)
end

--- The file of a network's weights and data.
-- @tparam table network
-- @treturn string
function M.file(network)
  return ("build/bench/%s.safetensors"):format(network.name)
end

--- Writes weights and data where both sides read them.
-- @tparam table network
function M.write(network)
  local net, n = M.make(network), network.images
  local x = (cj.rand { n, network.channels or 1, 28, 28 } * 256):to "uint8":to "float32" / 255
  net:train()
  cj.no_grad(function()
    for _ = 1, network.settle or 0 do net(x) end
  end)
  local entries = {
    { "input", x },
    { "label", (cj.rand { n } * (network.outputs or 10)):to "int64" },
  }
  for _, pair in ipairs(net:state_dict()) do entries[#entries + 1] = pair end
  assert(cj.io.save_tensors(M.file(network), entries))
end

-- What the layers do for one image, counted as direct convolution; a multiply-add is two.
local function layer_flops(net, channels)
  local list, plain = {}, {}
  local counts = {
    conv2d = function(_, w, y) return 2 * y:numel() * w:numel() / w:size(1) end,
    conv_transpose2d = function(x, w) return 2 * x:numel() * w:numel() / w:size(1) end,
    linear = function(_, w) return 2 * w:numel() end,
  }
  for name, count in pairs(counts) do
    plain[name] = cj[name]
    cj[name] = function(x, w, ...)
      local y = plain[name](x, w, ...)
      list[#list + 1] = count(x, w, y)
      return y
    end
  end
  net:eval()
  cj.no_grad(function() net(cj.zeros { 1, channels, 28, 28 }) end)
  for name, f in pairs(plain) do cj[name] = f end
  return list
end

--- Operations of one image: in one forward pass, and in one call of each mode.
--
-- The gradients of inputs and of weights cost what forward costs. Training needs no gradient of
-- the first layer's input. Attacks end with one more forward pass, on what they return.
-- @tparam table network
-- @treturn table mode -> operations of an image in one call
function M.flops(network)
  local forward, layers = 0, layer_flops(M.make(network), network.channels or 1)
  for _, count in ipairs(layers) do forward = forward + count end
  local attack = function(mode) return (2 * M.steps(network, mode) + 1) * forward end
  return {
    inference = forward, train = 3 * forward - layers[1], pgd = attack "pgd", ifa = attack "ifa",
  }
end

return M
