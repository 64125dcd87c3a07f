--- Holds plans against the tape: the same function, compiled and called.
local assert = require "luassert"
local cj = require "conjugate"

local M = {}

--- Largest difference as a share of the largest element of `want`.
function M.gap(got, want)
  local scale = want:abs():max():item()
  local gap = (got:to(want.dtype) - want):abs():max():item()
  return scale > 0 and gap / scale or gap
end

--- Asserts that two tensors agree to a share of the largest element.
function M.near(tolerance, want, got, what)
  assert.same(want.shape, got.shape, what)
  assert.equal(want.dtype, got.dtype, what)
  local gap = M.gap(got, want)
  assert.is_true(gap <= tolerance, ("%s: differs by %.3g of the largest, allowed are %.3g")
    :format(what, gap, tolerance))
end

--- Results and gradient of a function without a plan.
function M.eager(f, x, gz)
  local leaf = x:detach():clone()
  leaf.requires_grad = true
  local z = f(leaf)
  gz = gz or cj.randn(z.shape, z.dtype, 5)
  local gx = z.requires_grad and cj.grad(z, leaf, { gradient = gz }) or cj.zeros(x.shape, x.dtype)
  return z:detach(), gx, gz
end

--- Share of the images whose gradients differ by more than a tolerance: where a unit is so near
-- zero that rounding decides, or a window has two winners, one image's gradient is another one.
function M.undecided(tolerance, want, got)
  local scale, count = want:abs():max():item(), 0
  for i = 1, want:size(1) do
    local gap = (want:narrow(1, i, 1) - got:narrow(1, i, 1)):abs():max():item()
    if gap > tolerance * scale or gap ~= gap then count = count + 1 end
  end
  return count / want:size(1)
end

--- Asserts that a plan of f gives what f gives, forward and back.
-- @tparam function|Module f
-- @tparam Tensor x
-- @tparam number tolerance share of the largest element
-- @tparam[opt] table o `gradient`: another tolerance for gradients; `undecided`: share of the
--   images that may miss it (0); `what`; other options of cj.compile
-- @treturn Plan
function M.agrees(f, x, tolerance, o)
  o = o or {}
  local what = o.what or tostring(f)
  local plan = cj.compile(f, x, { exact = o.exact, images = o.images })
  local z, gx, gz = M.eager(f, x)
  M.near(tolerance, z, plan(x), what)
  local planned, again = plan:gradient(x, gz)
  if o.undecided then
    local share = M.undecided(o.gradient or tolerance, gx, planned)
    assert.is_true(share <= o.undecided, ("%s, gradient: %.2f undecided"):format(what, share))
  else
    M.near(o.gradient or tolerance, gx, planned, what .. ", gradient")
  end
  M.near(tolerance, z, again, what)
  return plan
end

--- Copies of all parameters' gradients, or of all buffers, by name.
function M.gradients(net)
  local out = {}
  for _, pair in ipairs(net:named_parameters()) do
    out[pair[1]] = pair[2].grad and pair[2].grad:clone() or false
  end
  return out
end

function M.buffers(net)
  local out = {}
  for _, pair in ipairs(net:named_buffers()) do out[pair[1]] = pair[2]:clone() end
  return out
end

--- One training step, by a plan and without one, from the same state: asserts that they agree.
-- @tparam Module net
-- @tparam function f inputs -> loss, ...
-- @tparam table inputs
-- @tparam number tolerance share of the largest element of each tensor
-- @tparam[opt] table o `exact`; `floor`: gradients below this share of the largest of all are noise
function M.trains(net, f, inputs, tolerance, o)
  o = o or {}
  local plans = require "conjugate.plan"
  local dict = net:state_dict()
  local saved, generator = {}, cj.random.state()
  for i, pair in ipairs(dict) do saved[i] = { pair[1], pair[2]:detach():clone() } end
  local plan = assert(plans.training(net, f, inputs, { exact = o.exact }))
  assert.same(generator, cj.random.state())
  for i, pair in ipairs(dict) do assert.same(saved[i][2]:table(), pair[2]:detach():table()) end
  net:zero_grad()
  local loss = plan(unpack(inputs))
  plan:backward()
  local got, kept, drawn = M.gradients(net), M.buffers(net), cj.random.state()
  net:load_state_dict(saved)
  cj.random.restore(generator)
  net:zero_grad()
  local own = f(unpack(inputs))
  own:backward()
  assert.same(drawn, cj.random.state())
  M.near(tolerance, own:detach(), loss, "loss")
  local all = 0
  local want = M.gradients(net)
  for _, g in pairs(want) do
    if g then all = math.max(all, g:abs():max():item()) end
  end
  for name, g in pairs(want) do
    assert.equal(not g, not got[name], name)
    if g and g:abs():max():item() > (o.floor or 0) * all then
      M.near(tolerance, g, got[name], name)
    end
  end
  for name, b in pairs(M.buffers(net)) do
    M.near(tolerance, b:to "float64", kept[name]:to "float64", name)
  end
  return plan
end

return M
