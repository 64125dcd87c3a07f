--- Laws that every attack keeps, and models whose answers are known.
local assert = require "luassert"
local cj = require "conjugate"
local core = require "conjugate.core"

local M = {}

-- --- models -------------------------------------------------------------------------------------

--- The affine golden model: K = 3, D = 4, x = (1/2, 1/2, 1/2, 1/2), label 0.
function M.golden(dtype)
  local w = cj.tensor({ { 2, -1, 0, 1 }, { 0, 1, 2, -1 }, { -1, 2, 1, 2 } }, dtype)
  local b = cj.tensor({ 0, -0.5, -1.55 }, dtype)
  local function model(x)
    return cj.linear(x, w, b)
  end
  return model, cj.full({ 1, 4 }, 0.5, dtype), { 0 }
end

--- An affine model of two classes: margin z_0 - z_1 = w . x + b.
function M.two_classes(w, b, dtype)
  local rows = { {}, {} }
  for i, v in ipairs(w) do rows[1][i], rows[2][i] = v / 2, -v / 2 end
  local weight, bias = cj.tensor(rows, dtype), cj.tensor({ b / 2, -b / 2 }, dtype)
  return function(x)
    return cj.linear(x, weight, bias)
  end
end

--- A small real network of K = 5 classes for images [B, 1, 6, 6], with batch norm and dropout, in
-- train mode, and n images with labels: its own answers, but two labels are wrong.
function M.network(n, dtype)
  cj.seed(11)
  local nn = cj.nn
  local net = nn.sequential {
    nn.conv2d(1, 6, 3), nn.batch_norm2d(6), nn.tanh(), nn.dropout(0.5), nn.flatten(),
    nn.linear(96, 5),
  }
  if dtype then net:to(dtype) end
  local x = cj.random.rand({ n, 1, 6, 6 }, dtype, 5)
  net:eval()
  local y = cj.predict(net, x):table()
  net:train()
  for i = 2, math.min(n, 5), 3 do y[i] = (y[i] + 1) % 5 end
  return net, x, cj.tensor(y, "int64")
end

--- A model that counts its calls: callable, with `samples`.
function M.counting(model)
  local counted = { samples = 0 }
  return setmetatable(counted, {
    __call = function(_, x)
      counted.samples = counted.samples + x:size(1)
      return model(x)
    end,
  })
end

-- --- small parts --------------------------------------------------------------------------------

local function bytes(t)
  return t:contiguous():bytes()
end

local function rows_of(t, list)
  return core.attack_rows(t, cj.tensor(list, "int64"))
end

local function total(list)
  local sum = 0
  for _, v in ipairs(list) do sum = sum + v end
  return sum
end

local function state_bytes(net)
  local parts = {}
  for _, pair in ipairs(net:state_dict()) do parts[#parts + 1] = pair[1] .. bytes(pair[2]) end
  return table.concat(parts)
end

local function norm_of(r, norm, i)
  return r[norm][i]
end

--- ||x_adv - x|| <= eps(1 + 1e-6) + 1e-7, values in the box, and the record says what is there.
function M.feasible(r, x, norm, eps, low, high)
  assert.same(x.shape, r.x_adv.shape)
  assert.equal(x.dtype, r.x_adv.dtype)
  local delta = (r.x_adv:to "float64" - x:to "float64"):reshape { r.n, -1 }:table()
  local values = r.x_adv:reshape({ r.n, -1 }):table()
  for i = 1, r.n do
    local l1, l2, linf = 0, 0, 0
    for _, d in ipairs(delta[i]) do
      l1, l2, linf = l1 + math.abs(d), l2 + d * d, math.max(linf, math.abs(d))
    end
    for _, v in ipairs(values[i]) do assert.is_true(v >= low and v <= high and v == v) end
    assert.near(l1, r.l1[i], 1e-5 * (1 + l1))
    assert.near(math.sqrt(l2), r.l2[i], 1e-5)
    assert.near(linf, r.linf[i], 1e-6)
    if norm then assert.is_true(norm_of(r, norm, i) <= eps * (1 + 1e-6) + 1e-7) end
  end
end

-- --- the laws -----------------------------------------------------------------------------------

local laws = {}

-- 1. Norm, box, type, sizes, finite; the input, the model and its mode are as before.
function laws.leaves_all_else_alone(spec)
  local net, x, y = M.network(9)
  local before, state = bytes(x), state_bytes(net)
  local attack = spec.make(spec.options)
  local r = attack(net, x, y)
  M.feasible(r, x, spec.ball, spec.options.eps, spec.low or 0, spec.high or 1)
  assert.equal(before, bytes(x))
  assert.equal(state, state_bytes(net))
  for _, entry in ipairs(net:named_modules()) do assert.is_true(entry[2].training) end
  for _, p in ipairs(net:parameters()) do assert.is_nil(p.grad) end
  assert.is_true(core.grad_enabled())
end

-- 2. No radius or no steps: x itself.
function laws.does_nothing_without_budget(spec)
  local net, x, y = M.network(5)
  assert.equal(bytes(x), bytes(spec.with { eps = 0 } (net, x, y).x_adv))
  if spec.steps then
    local r = spec.with { steps = 0 } (net, x, y)
    assert.equal(bytes(x), bytes(r.x_adv))
    assert.equal(0, total(r.backwards))
  end
end

local function same_records(a, b, order)
  for i = 1, b.n do
    local j = order and order[i] or i
    for _, column in ipairs { "status", "pred_clean", "pred_adv", "iters", "backwards", "broken",
      "target" } do
      assert.equal(a[column][j], b[column][i], column)
    end
    -- one pass more where rounding made an earlier iterate the best of two that are equal
    assert.near(a.forwards[j], b.forwards[i], 1)
    assert.near(a.loss_adv[j], b.loss_adv[i], 1e-4)
  end
end

-- 3. The same seed gives the same bytes; threads, batch size and order do not matter.
function laws.depends_on_the_sample_alone(spec)
  local net, x, y = M.network(9)
  local attack = spec.make(spec.options)
  local r = attack(net, x, y, { seed = 3 })
  assert.equal(bytes(r.x_adv), bytes(attack(net, x, y, { seed = 3 }).x_adv))
  local was = cj.threads()
  for _, threads in ipairs { 1, 3 } do
    cj.threads(threads)
    assert.equal(bytes(r.x_adv), bytes(attack(net, x, y, { seed = 3 }).x_adv))
  end
  cj.threads(was)
  for _, batch in ipairs { 1, 7, 64 } do
    same_records(r, attack(net, x, y, { seed = 3, batch = batch }))
  end
  local order = { 7, 2, 9, 1, 3, 8, 6, 5, 4 }
  local index = {}
  for i, place in ipairs(order) do index[i] = place - 1 end
  same_records(r, attack(net, rows_of(x, order), rows_of(y, order),
    { seed = 3, index = cj.tensor(index, "int64"), batch = 4 }), order)
end

-- 4. Reordered classes: labels and targets are reordered, nothing else. (Random targets are drawn
-- by number, so they are left out.)
function laws.knows_classes_by_their_logits_only(spec)
  if spec.options.target == "random" then return end
  local net, x, y = M.network(9)
  net:eval()
  local order, place = { 4, 3, 5, 1, 2 }, {} -- new class k is old class order[k]
  for k, old in ipairs(order) do place[old] = k end
  local list = cj.tensor(order, "int64")
  local function renamed(input)
    return core.apply("transpose", cj.index_select(net(input), 2, list), 0, 1):transpose(1, 2)
  end
  local labels = {}
  for i, label in ipairs(y:table()) do labels[i] = place[label + 1] - 1 end
  local a, b = spec.make(spec.options)(net, x, y), spec.make(spec.options)(renamed, x, labels)
  for i = 1, a.n do
    assert.equal(a.status[i], b.status[i])
    assert.equal(place[a.pred_adv[i] + 1] - 1, b.pred_adv[i])
    if a.target[i] >= 0 then assert.equal(place[a.target[i] + 1] - 1, b.target[i]) end
  end
  assert.near(0, (a.x_adv - b.x_adv):abs():max():item(), spec.options.raw and 1e-4 or 1e-5)
end

-- 5. A constant added to all logits changes nothing; doubling them changes nothing for the margin.
function laws.ignores_what_softmax_ignores(spec)
  local net, x, y = M.network(7, "float64")
  net:eval()
  local function shifted(input)
    return net(input) - 1000
  end
  local a, b = spec.make(spec.options)(net, x, y), spec.make(spec.options)(shifted, x, y)
  same_records(a, b)
  assert.near(0, (a.x_adv - b.x_adv):abs():max():item(), 1e-9)
  if not spec.losses or spec.options.raw then return end
  local function doubled(input)
    return net(input) * 2
  end
  for _, loss in ipairs { "margin", "dlr" } do
    local attack = spec.with { loss = loss }
    local one, two = attack(net, x, y), attack(doubled, x, y)
    assert.near(0, (one.x_adv - two.x_adv):abs():max():item(), 1e-9)
    assert.same(one.status, two.status)
  end
end

-- 6. The verdict is what a fresh pass over x_adv says.
function laws.tells_the_truth(spec)
  local net, x, y = M.network(9)
  local r = spec.make(spec.options)(net, x, y)
  net:eval()
  local pred, clean = cj.predict(net, r.x_adv):table(), cj.predict(net, x):table()
  for i = 1, r.n do
    assert.equal(pred[i], r.pred_adv[i])
    assert.equal(clean[i], r.pred_clean[i])
    assert.equal(y[i], r.label[i])
    local target = r.target[i] >= 0 and r.target[i]
    local hit = target and pred[i] == target or not target and pred[i] ~= y[i]
    if r.status[i] ~= "ALREADY" then assert.equal(hit and "SUCCESS" or "FAIL", r.status[i]) end
    if pred[i] ~= y[i] then assert.is_true(r.broken[i]) end
  end
end

-- 7. The counters are those of the model.
function laws.counts_its_calls(spec)
  local net, x, y = M.network(9)
  net:eval()
  local counted = M.counting(net)
  local r = spec.make(spec.options)(counted, x, y)
  assert.equal(counted.samples, total(r.forwards))
  assert.equal(counted.samples, r.forwards_total)
  assert.is_true(total(r.backwards) > 0)
  assert.is_true(total(r.backwards) <= r.backwards_total)
  assert.equal(total(r.backwards), total(r.iters))
end

-- 8. More of anything: the worst-case accuracy does not rise.
function laws.gains_from_a_larger_budget(spec)
  if not spec.monotone then return end
  local net, x, y = M.network(24)
  local before
  for _, more in ipairs(spec.monotone) do
    local now = spec.with(more)(net, x, y, { seed = 1 }):robust_accuracy()
    if before then assert.is_true(now <= before + 1e-9) end
    before = now
  end
end

-- 9. A sample that is there already stays x and does not count as robust.
function laws.leaves_wrong_samples_alone(spec)
  if spec.every then return end
  local net, x, y = M.network(9)
  local r = spec.make(spec.options)(net, x, y)
  local found = 0
  for i = 1, r.n do
    local there = r.pred_clean[i] ~= r.label[i]
    if r.target[i] >= 0 then there = r.pred_clean[i] == r.target[i] end
    assert.equal(there, r.status[i] == "ALREADY")
    if there then
      found = found + 1
      assert.equal(0, r.linf[i])
      assert.equal(0, r.backwards[i])
      if r.target[i] < 0 then assert.is_true(r.broken[i]) end
    end
  end
  if r.target[1] < 0 then assert.equal(2, found) end
end

-- 10. A model without gradient: FAIL, not NAN, and the steps are made.
function laws.survives_a_constant_model(spec)
  local function constant(input)
    return cj.zeros({ input:size(1), 3 }) + cj.tensor { 0, 2, 1 }
  end
  local x = cj.random.rand({ 3, 4 }, "float32", 1)
  local r = spec.make(spec.options)(constant, x, { 1, 1, 1 })
  for i = 1, 3 do
    assert.equal(spec.every and "SUCCESS" or "FAIL", r.status[i])
    assert.equal(r.backwards[i], r.zeros[i])
    assert.is_true(r.backwards[i] > 0)
  end
  assert.near(100, r:zero_gradients(), 0)
  if not spec.options.random then assert.near(0, (r.x_adv - x):abs():max():item(), 0) end
end

-- And it does something: the loss it climbs is higher at the end for nearly all samples.
function laws.moves_the_right_way(spec)
  local net, x, y = M.network(24)
  local r = spec.make(spec.options)(net, x, y)
  local up, tried = 0, 0
  for i = 1, r.n do
    if r.status[i] ~= "ALREADY" then
      tried = tried + 1
      if r.loss_adv[i] > r.loss_first[i] and r.l2[i] > 0 then up = up + 1 end
    end
  end
  assert.is_true(tried > 0 and up >= 0.9 * tried)
end

--- Runs all laws as specs; call it inside `describe`.
-- @tparam table spec `make` (family), `options` (with eps), `ball` (norm of the ball that must
--   hold, nil: none), `low`, `high` (box, 0 and 1), `steps` (it has that option), `losses` (it
--   takes `loss`), `every` (it moves all samples), `monotone` (list of options, each a larger
--   budget)
function M.laws(it, spec)
  function spec.with(more)
    local o = {}
    for key, v in pairs(spec.options) do o[key] = v end
    for key, v in pairs(more) do o[key] = v end
    o.quiet = true
    return spec.make(o)
  end
  spec.options.quiet = true
  local names = {}
  for name in pairs(laws) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    it((name:gsub("_", " ")), function() laws[name](spec) end)
  end
end

return M
