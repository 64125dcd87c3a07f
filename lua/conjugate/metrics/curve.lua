--- Robust accuracy as a function of the radius.
-- @module conjugate.metrics.curve
local check = require "conjugate.check"
local norms = require "conjugate.attacks.kinds.options"
local several = require "conjugate.attacks.kinds.several"
local walk = require "conjugate.metrics.walk"
local wilson = require "conjugate.metrics.wilson"

local M = {}

local function checked_radii(list)
  if list == nil then
    check.fail("curve", "expected radii in opts.eps with an attack of least distance, or an attack "
      .. "at several, such as cj.attacks.pgd { eps = { 0.1, 0.2 } }")
  end
  local radii = {}
  for i, eps in ipairs(list) do
    radii[i] = check.number("curve", ("eps[%d]"):format(i), eps, 0)
  end
  table.sort(radii)
  return radii
end

-- Distance of each sample: 0 where it was wrong before, infinite where the attack failed.
local function distances(r, norm)
  local list = {}
  for i = 1, r.n do
    local status = r.status[i]
    list[i] = (r.pred_clean[i] ~= r.label[i] and 0) or (status == "SUCCESS" and r[norm][i])
      or math.huge
  end
  return list
end

local function count_distances(work, r)
  for _, d in ipairs(distances(r, work.norm)) do
    for k, eps in ipairs(work.radii) do
      if d > eps then work.counts[k] = work.counts[k] + 1 end
    end
  end
end

local function count_runs(work, r)
  for k, p in ipairs(r:curve()) do work.counts[k] = work.counts[k] + p.count end
end

local function start(attack, o)
  local work = { n = 0, counts = {} }
  if several.is(attack) then
    work.radii, work.count = attack.radii, count_runs
  else
    walk.check_attack("curve", attack)
    local settings = attack.settings or {}
    if settings.eps ~= math.huge then
      check.fail("curve", "expected an attack of least distance or one at several radii, but %s "
        .. "has the one radius %.6g", attack.name, settings.eps or 0 / 0)
    end
    work.radii, work.count = checked_radii(o.eps), count_distances
    work.norm = norms.norm("curve", o.norm or settings.norm or "l2")
  end
  for k in ipairs(work.radii) do work.counts[k] = 0 end
  return work
end

--- Robust accuracy at several radii; it never rises with the radius.
--
-- With an attack at several radii (`eps` a list) these are its own, and successes are carried
-- upward. With an attack of least distance d they are `opts.eps`, and RA(eps) = #{d(x) > eps} / n
-- from one run: 0 is the distance of what was wrong before, infinity that of a failure.
-- @function curve
-- @param net a network, or a function of images that gives logits
-- @tparam DataSet set images and labels
-- @tparam Attack attack such as cj.attacks.pgd { eps = { 0.05, 0.1 } } or cj.attacks.deepfool {}
-- @tparam[opt] table opts `eps` (list of radii), `norm` (that of the attack), `batch`, `seed`,
--   `quiet`
-- @treturn {table,...} by rising eps: eps, ra (percent of all samples), count, n, interval (Wilson,
--   95 %, percent)
-- @raise wrong arguments; what the attack raises
-- @usage for _, p in ipairs(cj.metrics.curve(net, test, cj.attacks.pgd { eps = { 0.05, 0.1 } })) do
--   print(p.eps, p.ra)
-- end
function M.curve(net, set, attack, opts)
  local o = walk.options("curve", opts, { eps = { "table" }, norm = { "string|number" } })
  local work = start(attack, o)
  walk.each("curve", { net }, set, o, function(models, x, y, first)
    work.count(work, attack(models[1], x, y, walk.call(o, first)))
    work.n = work.n + x:size(1)
  end)
  local list = {}
  for k, eps in ipairs(work.radii) do
    local low, high = wilson.interval(work.counts[k], work.n)
    list[k] = {
      eps = eps, ra = 100 * work.counts[k] / work.n, count = work.counts[k], n = work.n,
      interval = { 100 * low, 100 * high },
    }
  end
  return list
end

return M
