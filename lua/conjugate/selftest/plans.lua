--- Plans against the networks they were compiled from: logits and input gradients.
-- @module conjugate.selftest.plans
local cj = require "conjugate"

local MODELS = {
  { "convnet" }, { "ygcnn" }, { "resnet", { n = 1 } }, { "googlenet" },
  { "pix2pix_generator", { width = 4 } }, { "pix2pix_discriminator", {}, 2 },
}

-- Largest difference, as a share of the largest element.
local function gap(a, b)
  return (a - b):abs():max():item() / b:abs():max():item()
end

local function own_gradient(net, x, gz)
  local leaf = x:clone()
  leaf.requires_grad = true
  local z = net(leaf)
  return cj.grad((z * gz):sum(), { leaf })[1], z:detach()
end

local function check_model(report, name, net, x, exact)
  local plan = cj.compile(net, x, { exact = exact })
  local gz = cj.randn(net(x).shape)
  local gx, z = plan:gradient(x, gz)
  local own_gx, own_z = own_gradient(net, x, gz)
  local how, bound = exact and "direct" or "Winograd", exact and 1e-5 or 1e-4
  report(("%s, %s: logits differ by"):format(name, how), gap(z, own_z), 0, bound)
  report(("%s, %s: input gradients differ by"):format(name, how), gap(gx, own_gx), 0, bound)
  plan:release()
end

return function(report)
  local state = cj.random.state()
  cj.seed(3)
  for _, model in ipairs(MODELS) do
    local name, options, channels = model[1], model[2], model[3] or 1
    local net, x = cj.models[name](options), cj.rand { 5, channels, 28, 28 }
    net:eval()
    for _, exact in ipairs { true, false } do check_model(report, name, net, x, exact) end
  end
  cj.random.restore(state)
end
