--- Same seed, any number of threads: the same bytes.
-- @module conjugate.selftest.determinism
local cj = require "conjugate"

-- Three training steps of a small network; the sum and one element tell bytes apart well enough.
local function trained(threads)
  local before = cj.threads()
  cj.threads(threads)
  cj.seed(5)
  local net = cj.models.convnet { channels = 1, size = 28, classes = 10 }
  local optimizer = cj.optim.adam(net, { lr = 1e-3 })
  local x, y = cj.rand { 37, 1, 28, 28 }, cj.arange(0, 37):to("int64"):fill_(3)
  for _ = 1, 3 do
    optimizer:zero_grad()
    cj.cross_entropy(net(x), y):backward()
    optimizer:step()
  end
  cj.threads(before)
  return net
end

local function gap(a, b)
  local most = 0
  local others = b:parameters()
  for i, p in ipairs(a:parameters()) do
    most = math.max(most, (p:detach() - others[i]:detach()):abs():max():item())
  end
  return most
end

return function(report)
  local state = cj.random.state()
  local one = trained(1)
  report("training with 1 and 2 threads differs by", gap(one, trained(2)), 0)
  report("training twice differs by", gap(one, trained(1)), 0)
  cj.seed(5)
  local first = cj.rand { 4 }
  cj.seed(5)
  report("random numbers of one seed differ by", (first - cj.rand { 4 }):abs():max():item(), 0)
  cj.random.restore(state)
end
