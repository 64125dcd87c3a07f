--- Laws that every attack keeps: those of every attack library worth the name, tried on a small
-- network, as a compiled plan and as a plain function.
--
-- `check_attack.laws(it, spec)` runs all of them. The fields of spec:
--
-- - `make`: options -> attack; `options`: cheap ones under which most samples fall
-- - `ball`: "l0" .. "linf", the norm of the ball that must hold (nil: none); `radius`: its size
--   (options.eps); `low`, `high`: the box (0, 1)
-- - `idle`: list of options under which nothing may happen (eps = 0, where options has eps; and
--   steps = 0 where `steps` is true)
-- - `minimum`: it seeks the nearest point: FAIL gives x itself, `radius` only bounds what counts
-- - `gradients` (true): it asks for gradients; `queries`: the forward passes that a model that
--   never changes costs
-- - `losses`: it takes `loss`; `scale_free`: doubled logits change nothing
-- - `monotone`: list of options, each a larger budget; or a list of such lists
-- - `every`: it moves all samples; `starts`: it starts at random
-- - `success`: share of the samples that must fall (minimum: 0.9), in place of a higher loss
-- - `ratio`, `median`: most that its distance on affine models may be, as a multiple of the least
-- - `samples` (17): how many are attacked in the law of batches
local assert = require "luassert"
local cj = require "conjugate"
local core = require "conjugate.core"
local checks = require "support.attack_checks"
local models = require "support.attack_models"

local M = {}

for name, f in pairs(models) do M[name] = f end
M.feasible, M.truthful = checks.feasible, checks.truthful

-- --- the laws -----------------------------------------------------------------------------------

local laws = {}

-- 1. Norm, box, type, sizes, finite; the input, the model and its mode are as before.
function laws.leaves_all_else_alone(spec)
  for _, dtype in ipairs { "float32", "float64" } do
    local net, x, y = M.network(9, dtype)
    local before, state, labels = checks.bytes(x), checks.state_bytes(net), checks.bytes(y)
    local r = spec.attack(net, x, y)
    local radius = spec.radius or spec.options.eps or math.huge
    checks.feasible(r, x, spec.ball, radius, spec.low or 0, spec.high or 1)
    checks.check_bytes(before, x, "the input")
    checks.check_bytes(labels, y, "the labels")
    assert.is_true(state == checks.state_bytes(net), "the network changed")
    for _, entry in ipairs(net:named_modules()) do assert.is_true(entry[2].training) end
    for _, p in ipairs(net:parameters()) do assert.is_nil(p.grad) end
    assert.is_true(core.grad_enabled())
  end
end

-- 2. No radius or no steps: x itself.
function laws.does_nothing_without_budget(spec)
  local net, x, y = M.network(5)
  for _, idle in ipairs(spec.idle) do
    local r = spec.with(idle)(net, x, y)
    checks.check_bytes(checks.bytes(x), r.x_adv, "x_adv")
    assert.same(r.pred_clean, r.pred_adv)
    if idle.steps == 0 then assert.equal(0, checks.total(r.backwards)) end
  end
end

-- 3. The same seed gives the same bytes and records; threads, batch size and order do not matter,
-- neither for plans nor for the layers of this package called from Lua.
function laws.depends_on_the_sample_alone(spec)
  local net, x, y = M.network(spec.samples or 17)
  net:eval()
  for _, model in ipairs { net, checks.eager(net) } do
    local expected
    checks.with_threads(1, function()
      expected = checks.outcomes(spec.attack(model, x, y, { seed = 3 }))
    end)
    checks.with_threads(2, function()
      assert.same(expected, checks.outcomes(spec.attack(model, x, y, { seed = 3 })))
      assert.same(expected, checks.shuffled(spec.attack, model, x, y))
      assert.same(expected, checks.in_parts(spec.attack, model, x, y, 7))
    end)
    assert.same(expected, checks.in_parts(spec.attack, model, x, y, 1))
    for _, batch in ipairs { 1, 7, 64 } do
      assert.same(expected, checks.outcomes(spec.attack(model, x, y, { seed = 3, batch = batch })))
    end
  end
end

local function same_course(a, b, tolerance)
  for _, column in ipairs { "status", "pred_clean", "pred_adv", "iters", "backwards", "broken",
    "target" } do
    assert.same(a[column], b[column], column)
  end
  assert.near(0, checks.largest_change(a.x_adv, b.x_adv), tolerance)
end

-- 4. Reordered classes: labels and targets are reordered, nothing else.
function laws.knows_classes_by_their_logits_only(spec)
  local net, x, y = M.network(9, "float64")
  net:eval()
  local order, place = { 4, 3, 5, 1, 2 }, {} -- new class k is old class order[k]
  for k, old in ipairs(order) do place[old] = k end
  local list = cj.tensor(order, "int64")
  local function renamed(input) -- logits that do not lie in one piece
    return cj.index_select(net(input), 2, list):transpose(1, 2):contiguous():transpose(1, 2)
  end
  local labels, targets, renamed_targets = {}, nil, nil
  for i, label in ipairs(y:table()) do labels[i] = place[label + 1] - 1 end
  if spec.options.target == "random" then -- drawn by number
    targets, renamed_targets = {}, {}
    for i, label in ipairs(y:table()) do
      targets[i] = (label + 2) % 5
      renamed_targets[i] = place[targets[i] + 1] - 1
    end
  end
  local a = spec.attack(checks.eager(net), x, y, { seed = 3, target = targets })
  local b = spec.attack(renamed, x, labels, { seed = 3, target = renamed_targets })
  assert.same(a.status, b.status)
  for i = 1, a.n do
    assert.equal(place[a.pred_adv[i] + 1] - 1, b.pred_adv[i])
    if a.target[i] >= 0 then assert.equal(place[a.target[i] + 1] - 1, b.target[i]) end
  end
  assert.near(0, checks.largest_change(a.x_adv, b.x_adv), 1e-9)
end

local function check_doubled(attack, net, x, y)
  local function doubled(input)
    return net(input) * 2
  end
  local once, twice = checks.eager(net), doubled
  same_course(attack(once, x, y, { seed = 3 }), attack(twice, x, y, { seed = 3 }), 1e-9)
end

-- 5. A constant added to all logits changes nothing (in float32: no verdict); doubling them changes
-- nothing for the margin and DLR, and for attacks that look for the nearest plane.
function laws.ignores_what_softmax_ignores(spec)
  for _, dtype in ipairs { "float64", "float32" } do
    local net, x, y = M.network(7, dtype)
    net:eval()
    local function shifted(input)
      return net(input) - 1000
    end
    local a = spec.attack(checks.eager(net), x, y, { seed = 3 })
    local b = spec.attack(shifted, x, y, { seed = 3 })
    assert.same(a.status, b.status)
    if dtype == "float64" then same_course(a, b, 1e-9) end
  end
  local net, x, y = M.network(7, "float64")
  net:eval()
  if spec.scale_free then check_doubled(spec.attack, net, x, y) end
  if not spec.losses or spec.options.raw then return end
  for _, loss in ipairs { "margin", "dlr" } do
    check_doubled(spec.with { loss = loss }, net, x, y)
  end
end

-- 6. The verdict is what a fresh pass over x_adv says.
function laws.tells_the_truth(spec)
  local net, x, y = M.network(9)
  net:eval()
  for _, model in ipairs { checks.eager(net), assert(cj.compile(net, x)) } do
    checks.truthful(spec.attack(model, x, y), model, x, y:table())
  end
end

-- 7. The counters are those of the model.
function laws.counts_its_calls(spec)
  local net, x, y = M.network(9)
  net:eval()
  for _, batch in ipairs { 1, 128 } do
    local counted = M.counting(net)
    local r = spec.attack(counted, x, y, { batch = batch })
    assert.equal(counted.forwards, checks.total(r.forwards))
    assert.equal(counted.forwards, r.forwards_total)
    assert.equal(counted.backwards, r.backwards_total)
    assert.equal(spec.gradients, checks.total(r.backwards) > 0)
    -- a batch is pulled through the model whole
    if batch == 1 then assert.equal(counted.backwards, checks.total(r.backwards)) end
    assert.is_true(checks.total(r.backwards) <= counted.backwards)
  end
  local r = spec.attack(net, x, y)
  assert.equal(r.forwards_total, checks.total(r.forwards))
end

-- Every sample that was broken before is broken now.
local function check_kept(before, now)
  for i = 1, now.n do assert.is_true(now.broken[i] or not before.broken[i]) end
end

-- 8. More of anything: the worst-case accuracy does not rise; with more restarts or queries of the
-- same seed no sample is lost.
function laws.gains_from_a_larger_budget(spec)
  local net, x, y = M.network(24)
  local lists = spec.monotone or {}
  if #lists == 0 or not lists[1][1] then lists = { lists } end
  for _, list in ipairs(lists) do
    local before
    for _, more in ipairs(list) do
      local now = spec.with(more)(net, x, y, { seed = 1 })
      if before then assert.is_true(now:robust_accuracy() <= before:robust_accuracy() + 1e-9) end
      if before and (more.restarts or more.queries) then check_kept(before, now) end
      before = now
    end
  end
end

-- 9. A sample that is there already stays x and does not count as robust.
function laws.leaves_wrong_samples_alone(spec)
  if spec.every then return end
  local net, x, y = M.network(9)
  local r = spec.attack(net, x, y)
  local found = 0
  for i = 1, r.n do
    local there = r.pred_clean[i] ~= r.label[i]
    if r.target[i] >= 0 then there = r.pred_clean[i] == r.target[i] end
    assert.equal(there, r.status[i] == "ALREADY")
    if there then
      found = found + 1
      checks.check_bytes(checks.bytes(x:select(1, i)), r.x_adv:select(1, i), "x_adv")
      assert.equal(0, r.linf[i])
      assert.equal(0, r.backwards[i])
      if r.target[i] < 0 then assert.is_true(r.broken[i]) end
    end
  end
  if r.target[1] < 0 then
    assert.equal(2, found)
    assert.is_true(r:robust_accuracy() <= 100 * (r.n - found) / r.n)
  end
end

-- 10. A model without gradient: FAIL, not NAN, and the budget is spent.
function laws.survives_a_constant_model(spec)
  local function constant(input)
    return cj.zeros({ input:size(1), 5 }) + cj.tensor { 0, 2, 1, 0, -1 }
  end
  local x = cj.random.rand({ 3, 1, 6, 6 }, "float32", 1)
  local r = spec.attack(constant, x, { 1, 1, 1 })
  for i = 1, 3 do
    assert.equal(spec.every and "SUCCESS" or "FAIL", r.status[i])
    assert.equal(r.backwards[i], r.zeros[i])
    assert.equal(spec.gradients, r.backwards[i] > 0)
    if spec.queries then assert.equal(spec.queries, r.forwards[i]) end
  end
  if spec.gradients then assert.near(100, r:zero_gradients(), 0) end
  if not spec.starts then checks.check_bytes(checks.bytes(x), r.x_adv, "x_adv") end
end

-- What is nearest and fails gives x itself.
function laws.gives_the_input_back_when_it_fails(spec)
  if not spec.minimum then return end
  local net, x, y = M.network(9)
  local r = spec.with { eps = 1e-5 } (net, x, y)
  assert.equal(r.n - r.counts.ALREADY, r.counts.FAIL)
  assert.is_true(r.counts.FAIL >= 7)
  checks.check_bytes(checks.bytes(x), r.x_adv, "x_adv")
end

-- And it does something: nearly all samples fall, or the loss it climbs is higher at the end.
function laws.moves_the_right_way(spec)
  local net, x, y = M.network(24)
  local r = spec.attack(net, x, y)
  local up, tried = 0, 0
  for i = 1, r.n do
    if r.status[i] ~= "ALREADY" then
      local fell, higher = r.status[i] == "SUCCESS", r.loss_adv[i] > r.loss_first[i]
      tried = tried + 1
      if r.l2[i] > 0 and (spec.success and fell or not spec.success and higher) then up = up + 1 end
    end
  end
  assert.is_true(tried > 0 and up >= (spec.success or 0.9) * tried)
end

-- On affine models: never nearer than the nearest plane, and not much farther.
function laws.finds_the_nearest_plane(spec)
  if not spec.ratio then return end
  local ratios = {}
  for key = 1, 15 do
    local model, x, y, least = M.affine(key)
    local r = spec.attack(model, x, y)
    assert.equal("SUCCESS", r.status[1])
    ratios[key] = r[spec.ball][1] / least[spec.ball]
    assert.is_true(ratios[key] >= 1 - 1e-5 and ratios[key] <= spec.ratio)
  end
  table.sort(ratios)
  assert.is_true(ratios[8] <= (spec.median or spec.ratio))
end

-- The options under which an attack has radius r: its step grows with it, as that of radii does.
local function scaled(attack, r)
  local s, more = type(attack) == "table" and attack.settings, { eps = r }
  if s and s.method == "ascent" and not s.one_step and not attack.options.rel_step then
    more.alpha, more.steps = s.alpha * r / s.eps, s.steps
  end
  return more
end

local function has_radii(attack)
  local s = type(attack) == "table" and attack.settings
  if not s then return true end
  local composed = s.method == "search" or s.method == "ensemble"
  return not composed and not (s.method == "ascent" and s.eps == math.huge)
end

-- Radii of the samples: each is attacked as if it were alone, with that radius.
function laws.takes_a_radius_for_each_sample(spec)
  if not has_radii(spec.attack) then return end
  local net, x, y = M.network(7, "float64")
  net:eval()
  local radii, eps = {}, spec.options.eps or 0.2
  for i = 1, 7 do radii[i] = eps * (i - 1) / 3 end
  local r = spec.attack(checks.eager(net), x, y, { seed = 3, radii = { unpack(radii) } })
  for i, radius in ipairs(radii) do
    local alone = spec.with(scaled(spec.attack, radius))(checks.eager(net), x:narrow(1, i, 1),
      y:narrow(1, i, 1), { seed = 3, index = i - 1 })
    assert.equal(alone.status[1], r.status[i])
    assert.near(0, checks.largest_change(alone.x_adv, r.x_adv:narrow(1, i, 1)), 1e-9)
  end
end

--- The names of the laws, sorted.
function M.names()
  local names = {}
  for name in pairs(laws) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function merged(a, b)
  local o = {}
  for key, v in pairs(a) do o[key] = v end
  for key, v in pairs(b or {}) do o[key] = v end
  return o
end

-- The spec with all fields that follow from others.
local function complete(given)
  local spec = merged(given)
  local eps = spec.options.eps or spec.minimum
  function spec.with(more)
    return spec.make(merged(merged(spec.options, more), { quiet = true }))
  end
  spec.attack = spec.with {}
  spec.gradients = spec.gradients ~= false
  spec.starts = spec.starts or spec.options.random or false
  if spec.minimum then spec.success = spec.success or 0.9 end
  if not spec.idle then
    spec.idle = {}
    if eps then spec.idle[1] = { eps = 0 } end
    if spec.steps then spec.idle[#spec.idle + 1] = { steps = 0 } end
  end
  return spec
end

--- Checks one law; raises when it is broken.
function M.law(name, spec)
  laws[name](complete(spec))
end

--- Runs all laws as specs; call it inside `describe`.
-- @tparam table spec see above
function M.laws(it, spec)
  for _, name in ipairs(M.names()) do
    it((name:gsub("_", " ")), function() M.law(name, spec) end)
  end
end

return M
