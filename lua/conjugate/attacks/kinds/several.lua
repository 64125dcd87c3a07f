--- An attack at several radii in one call: `cj.attacks.pgd { eps = { 0.05, 0.1, 0.2 } }`.
--
-- Radii are taken by size. A sample that was brought to the goal at one radius counts as such at
-- all larger ones, where its perturbed input is allowed as well, and is not attacked again; so
-- robust accuracy never rises with the radius, whatever the attack. Other options are those of
-- every radius; `alpha` is given as `rel_step` where it should grow with eps.
-- @module conjugate.attacks.kinds.several
local check = require "conjugate.check"
local core = require "conjugate.core"
local result = require "conjugate.attacks.kinds.result"
local rows = require "conjugate.attacks.kinds.rows"
local wilson = require "conjugate.metrics.wilson"

local M = {}

local Several = {}
Several.__index = Several

local function checked_radii(name, list)
  local radii, seen = {}, {}
  for i, eps in ipairs(list) do
    check.number(name, ("eps[%d]"):format(i), eps, 0)
    if seen[eps] then check.fail(name, "expected different radii for eps, got %.14g twice", eps) end
    seen[eps], radii[i] = true, eps
  end
  if #radii == 0 then check.fail(name, "expected at least one radius for eps, got none") end
  table.sort(radii)
  return radii
end

--- Makes the attack.
-- @tparam table family an attack family
-- @tparam table opts options of the family, with a list as `eps`; a folder `out` gets one folder
--   for each radius
-- @treturn table callable like an attack; `name`, `options`, `radii` (sorted), `attacks` (one for
--   each)
-- @raise wrong options
function M.new(family, opts)
  local self = { name = family.name, family = family, options = {}, attacks = {} }
  self.radii = checked_radii(family.name, opts.eps)
  for i, eps in ipairs(self.radii) do
    for key, value in pairs(opts) do self.options[key] = value end
    self.options.eps = eps
    if opts.out then self.options.out = ("%s/eps-%.6g"):format(opts.out, eps) end
    self.attacks[i] = family(self.options)
  end
  self.options.eps = self.radii
  return setmetatable(self, Several)
end

-- What all radii gave.
local Curve = {}
Curve.__index = Curve

--- Robust accuracy at each radius.
-- @treturn {table,...} eps, ra (percent of all samples: right, and no iterate of this or a smaller
--   radius misclassified), count, n, interval (Wilson, 95 %, percent)
function Curve:curve()
  local list = {}
  for i, eps in ipairs(self.eps) do
    local r, count = self.results[i], 0
    for k = 1, r.n do
      if r.pred_clean[k] == r.label[k] and not r.broken[k] then count = count + 1 end
    end
    list[i] = { eps = eps, ra = r:robust_accuracy(), count = count, n = r.n }
    if r.n > 0 then
      local low, high = wilson.interval(count, r.n)
      list[i].interval = { 100 * low, 100 * high }
    end
  end
  return list
end

function Curve:__tostring()
  local lines = { ("%s at %d radii, %d samples"):format(self.attack, #self.eps, self.n) }
  for _, p in ipairs(self:curve()) do
    lines[#lines + 1] = ("  eps %-10.6g RA %6.2f %%  (%d/%d)"):format(p.eps, p.ra, p.count, p.n)
  end
  return table.concat(lines, "\n")
end

-- The samples that a run at a larger radius has to look at.
local function standing(r)
  local list = {}
  for i = 1, r.n do
    if r.status[i] ~= "SUCCESS" and r.status[i] ~= "ALREADY" then list[#list + 1] = i end
  end
  return list
end

-- The result of a larger radius: `before`, with the rows of `r` in their places.
local function merged(attack, before, r, places)
  local columns, x_adv = {}, before.x_adv:clone()
  for _, name in ipairs(result.columns) do
    columns[name] = {}
    for i = 1, before.n do columns[name][i] = before[name][i] end
  end
  for k, i in ipairs(places) do
    local broken = columns.broken[i]
    for _, name in ipairs(result.columns) do columns[name][i] = r[name][k] end
    columns.broken[i] = broken or r.broken[k]
    x_adv:narrow(1, i, 1):copy_(r.x_adv:narrow(1, k, 1))
  end
  local label = columns.label
  columns.label = nil
  local whole = result.new(attack, { loss = r.loss, seed = r.seed }, x_adv, columns, nil, r.report,
    label)
  whole.seconds, whole.warnings = r.seconds, r.warnings
  return whole
end

-- One radius after the other, each on what the smaller ones left.
local function carry(self, model, x, call, n)
  local results, last = {}, nil
  for k, attack in ipairs(self.attacks) do
    local places = last and standing(last) or rows.all(n)
    if last and #places == 0 then
      results[k] = last
    else
      local r = attack(model, rows.of(x, places), rows.pick(call.labels, places),
        rows.options(call, places))
      results[k] = last and merged(attack, last, r, places) or r
    end
    last = results[k]
  end
  return results
end

--- Attacks a batch at all radii.
-- @param model as for an attack
-- @tparam Tensor x as for an attack
-- @tparam Tensor|table y as for an attack
-- @tparam[opt] table opts as for an attack, without `radii`, `watch` and `paper`
-- @treturn table `attack`, `eps` (sorted), `n`, `results` (the result of each radius; costs are
--   those of the last radius at which a sample was attacked) and `curve()`
-- @raise as an attack
function Several:__call(model, x, y, opts)
  local call = rows.read(self.name, self.attacks[1].options, model, x, y, opts)
  local started = core.clock()
  local results = rows.with_plan(model, x, function(planned)
    return carry(self, planned, x:detach(), call, call.n)
  end)
  return setmetatable({
    attack = self.name, eps = self.radii, n = call.n, results = results,
    seconds = core.clock() - started,
  }, Curve)
end

function Several:__tostring()
  return ("%s at %d radii"):format(tostring(self.family.name), #self.radii)
end

--- Is a value an attack at several radii?
-- @param v any value
-- @treturn boolean
function M.is(v)
  return getmetatable(v) == Several
end

return M
