--- Gaussian blur, composed of operators, so that gradients go through it.
-- @module conjugate.attacks.kinds.blur
local check = require "conjugate.check"
local ops = require "conjugate.ops"
local core = require "conjugate.core"

-- Weights of a Gaussian at -r..r, r = ceil(3 sigma), with sum 1.
local function kernel(sigma, dtype, sizes)
  local r, weights, sum = math.ceil(3 * sigma), {}, 0
  for i = -r, r do
    weights[#weights + 1] = math.exp(-0.5 * (i / sigma) ^ 2)
    sum = sum + weights[#weights]
  end
  for i, w in ipairs(weights) do weights[i] = w / sum end
  return core.tensor(weights, dtype):reshape(sizes(#weights)), r
end

--- Blurs images with a Gaussian of standard deviation sigma, each channel by itself; outside the
-- image there are zeros, so sums are kept except at the border.
-- @function blur
-- @tparam Tensor x floats [..., H, W]
-- @tparam number sigma in pixels, 0..80; 0 gives x
-- @treturn Tensor like x
-- @raise "blur: expected a float tensor [..., H, W] for x, got ..."
-- @usage local smooth = cj.blur(g, 1.0)
return function(x, sigma)
  check.tensor("blur", "x", x, "float")
  check.number("blur", "sigma", sigma, 0, 80)
  local d = x:dim()
  if d < 2 then check.fail("blur", "expected x of sizes [..., H, W], got %s", check.describe(x)) end
  if sigma == 0 then return x end
  local down, r = kernel(sigma, x.dtype, function(n) return { 1, 1, n, 1 } end)
  local across = kernel(sigma, x.dtype, function(n) return { 1, 1, 1, n } end)
  local flat = x:contiguous():reshape { -1, 1, x:size(d - 1), x:size(d) }
  local y = ops.conv2d(flat, down, nil, { padding = { r, 0 } })
  y = ops.conv2d(y, across, nil, { padding = { 0, r } })
  return y:reshape(x.shape)
end
