--- Checks of what an attack gives, and runs of one in parts, in another order, on other threads.
local assert = require "luassert"
local cj = require "conjugate"
local core = require "conjugate.core"

local M = {}

--- The bytes of a tensor.
function M.bytes(t)
  return t:contiguous():bytes()
end

--- The tensor has the bytes it had before.
function M.check_bytes(before, t, what)
  assert.is_true(before == M.bytes(t), what .. " changed")
end

--- Rows of a tensor, by places from 1.
function M.rows_of(t, list)
  return core.attack_rows(t, cj.tensor(list, "int64"))
end

--- Sum of a list.
function M.total(list)
  local sum = 0
  for _, v in ipairs(list) do sum = sum + v end
  return sum
end

--- The bytes of all parameters and buffers.
function M.state_bytes(net)
  local parts = {}
  for _, pair in ipairs(net:state_dict()) do parts[#parts + 1] = pair[1] .. M.bytes(pair[2]) end
  return table.concat(parts)
end

--- The network as a function, which is not compiled.
function M.eager(net)
  return function(x)
    return net(x)
  end
end

--- Largest difference of two tensors.
function M.largest_change(a, b)
  return (a - b):abs():max():item()
end

-- l0 counts elements changed by more than 1e-6.
local function norms_of(delta)
  local norms = { l0 = 0, l1 = 0, l2 = 0, linf = 0 }
  for _, d in ipairs(delta) do
    local size = math.abs(d)
    norms.l0 = norms.l0 + (size > 1e-6 and 1 or 0)
    norms.l1, norms.l2 = norms.l1 + size, norms.l2 + d * d
    norms.linf = math.max(norms.linf, size)
  end
  norms.l2 = math.sqrt(norms.l2)
  return norms
end

--- ||x_adv - x|| <= eps(1 + 1e-6) + 1e-7, values in the box, and the record says what is there.
function M.feasible(r, x, norm, eps, low, high)
  assert.same(x.shape, r.x_adv.shape)
  assert.equal(x.dtype, r.x_adv.dtype)
  local delta = (r.x_adv:to "float64" - x:to "float64"):reshape { r.n, -1 }:table()
  local values = r.x_adv:reshape({ r.n, -1 }):table()
  for i = 1, r.n do
    local norms = norms_of(delta[i])
    for _, v in ipairs(values[i]) do assert.is_true(v >= low and v <= high and v == v) end
    assert.equal(norms.l0, r.l0[i])
    assert.near(norms.l1, r.l1[i], 1e-5 * (1 + norms.l1))
    assert.near(norms.l2, r.l2[i], 1e-5)
    assert.near(norms.linf, r.linf[i], 1e-6)
    if norm then assert.is_true(norms[norm] <= eps * (1 + 1e-6) + 1e-7) end
  end
end

--- The record says what the model says of x, x_adv and the labels y (a list).
function M.truthful(r, model, x, y)
  local pred = model(r.x_adv):predict():table()
  assert.same(model(x):predict():table(), r.pred_clean)
  assert.same(pred, r.pred_adv)
  assert.same(y, r.label)
  local counts = { ALREADY = 0, SUCCESS = 0, FAIL = 0, NAN = 0 }
  for i = 1, r.n do
    local target = r.target[i] >= 0 and r.target[i]
    local hit = target and pred[i] == target or not target and pred[i] ~= y[i]
    if r.status[i] ~= "ALREADY" then assert.equal(hit and "SUCCESS" or "FAIL", r.status[i]) end
    if pred[i] ~= y[i] then assert.is_true(r.broken[i]) end
    counts[r.status[i]] = counts[r.status[i]] + 1
  end
  assert.same(counts, r.counts)
end

local columns = {
  "label", "target", "pred_clean", "pred_adv", "status", "broken", "iters", "forwards", "backwards",
  "zeros", "loss_first", "loss_best", "loss_adv", "l0", "l1", "l2", "linf",
}

--- All there is to know about each sample, as text.
function M.outcomes(r)
  local list = {}
  for i = 1, r.n do
    local parts = {}
    for k, column in ipairs(columns) do
      local v = r[column][i]
      parts[k] = column .. " " .. (type(v) == "number" and ("%.17g"):format(v) or tostring(v))
    end
    list[i] = table.concat(parts, "\n") .. M.bytes(r.x_adv:select(1, i))
  end
  return list
end

--- The outcomes when the attack is called for `size` samples at a time.
function M.in_parts(attack, model, x, y, size)
  local list = {}
  for from = 1, x:size(1), size do
    local rows = math.min(size, x:size(1) - from + 1)
    local r = attack(model, x:narrow(1, from, rows), y:narrow(1, from, rows),
      { seed = 3, index = from - 1 })
    for _, outcome in ipairs(M.outcomes(r)) do list[#list + 1] = outcome end
  end
  return list
end

--- The outcomes when the samples come in another order, put back in theirs.
function M.shuffled(attack, model, x, y)
  local n, order, index, list = x:size(1), {}, {}, {}
  for i = 1, n do order[i] = (i * 7) % n + 1 end
  for i, place in ipairs(order) do index[i] = place - 1 end
  local r = attack(model, M.rows_of(x, order), M.rows_of(y, order),
    { seed = 3, index = cj.tensor(index, "int64"), batch = 4 })
  for i, outcome in ipairs(M.outcomes(r)) do list[order[i]] = outcome end
  return list
end

--- Calls f with that number of threads.
function M.with_threads(count, f)
  local was = cj.threads()
  cj.threads(count)
  local ok, message = pcall(f)
  cj.threads(was)
  if not ok then error(message, 0) end
end

return M
