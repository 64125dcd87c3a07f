--- How far inputs must move: mean distances of an attack's successes, and what is made of them.
--
-- Samples that were wrong before the attack (ALREADY) are left out. Means are over the successes
-- alone, so the success rate stands beside them; without a success they are nil: undefined, not 0.
-- @module conjugate.metrics.distortion
local cj = require "conjugate"
local check = require "conjugate.check"
local means = require "conjugate.metrics.mean"
local norms = require "conjugate.attacks.kinds.options"
local walk = require "conjugate.metrics.walk"

local M = {}

local function row_norms(x)
  local flat = x:reshape { x:size(1), -1 }
  return (flat * flat):sum(2):sqrt():table()
end

local function median(list, count)
  table.sort(list)
  for k = #list + 1, count do list[k] = math.huge end
  local middle = (count + 1) / 2
  local value = (list[math.floor(middle)] + list[math.ceil(middle)]) / 2
  return value < math.huge and value or nil
end

local Result = {}
Result.__index = Result

function Result:__tostring()
  local head = ("%s, %s distance: "):format(self.attack, self.norm)
  local relative = self.relative and (", relative %.6g"):format(self.relative) or ""
  return head .. means.text(self.mean and self) .. relative
    .. (", success rate %s (%d of %d; %d of %d images were wrong before)"):format(
      self.success_rate and ("%.2f %%"):format(self.success_rate) or "undefined", self.successes,
      self.tried, self.n - self.tried, self.n)
end

local function summarize(work, attack, norm)
  local r = {
    attack = attack.name, norm = norm, n = work.n, tried = work.tried,
    successes = #work.distances,
  }
  if r.tried > 0 then r.success_rate = 100 * r.successes / r.tried end
  local mean, relative = means.of(work.distances) or {}, means.of(work.relative) or {}
  r.mean, r.standard_error, r.interval = mean.mean, mean.standard_error, mean.interval
  r.relative, r.relative_error = relative.mean, relative.standard_error
  r.per_pixel = r.mean and r.mean / work.elements
  if r.tried > 0 then r.median = median(work.distances, r.tried) end
  return setmetatable(r, Result)
end

--- Mean distance of an attack's successes.
-- @function distortion
-- @param net a network, or a function of images that gives logits
-- @tparam DataSet set images and labels
-- @tparam Attack attack usually one of least distance, such as cj.attacks.deepfool {}
-- @tparam[opt] table opts `norm` ("l2", "linf", "l1"; that of the attack), `batch`, `seed`, `quiet`
-- @treturn table n, tried (not wrong before), successes, success_rate (percent of tried), and over
--   the successes mean, standard_error, interval, per_pixel (mean / elements of an image), relative
--   (mean of ||r||_2 / ||x||_2); all nil without a success. median: over the tried, a failure being
--   infinitely far; nil when that is infinite
-- @raise wrong arguments; what the attack raises
-- @usage print(cj.metrics.distortion(net, test:take(100), cj.attacks.cw2 {}))
function M.distortion(net, set, attack, opts)
  local o = walk.options("distortion", opts, { norm = { "string|number" } })
  walk.check_attack("distortion", attack)
  local norm = norms.norm("distortion", o.norm or (attack.settings or {}).norm or "l2")
  local work = { n = 0, tried = 0, distances = {}, relative = {}, elements = 1 }
  walk.each("distortion", { net }, set, o, function(models, x, y, first)
    local r = attack(models[1], x, y, walk.call(o, first))
    local sizes = row_norms(x)
    work.elements = x:numel() / x:size(1)
    for i = 1, r.n do
      if r.status[i] ~= "ALREADY" then work.tried = work.tried + 1 end
      if r.status[i] == "SUCCESS" then
        work.distances[#work.distances + 1] = r[norm][i]
        work.relative[#work.relative + 1] = r.l2[i] / sizes[i]
      end
    end
    work.n = work.n + r.n
  end)
  return summarize(work, attack, norm)
end

--- Empirical robustness: mean of `||r||_2 / ||x||_2` over the successes of DeepFool.
-- @function empirical_robustness
-- @param net a network, or a function of images that gives logits
-- @tparam DataSet set images and labels
-- @tparam[opt] table opts `attack` (cj.attacks.deepfool {}), `batch`, `seed`, `quiet`
-- @treturn ?number nil when nothing succeeded
-- @treturn table as `distortion` gives, with the success rate
-- @raise wrong arguments
-- @source Moosavi-Dezfooli et al., CVPR 2016, eq. 15
function M.empirical_robustness(net, set, opts)
  local o = walk.options("empirical_robustness", opts, { attack = { "table" } })
  local attack = o.attack or cj.attacks.deepfool {}
  local r = M.distortion(net, set, attack,
    { norm = "l2", batch = o.batch, seed = o.seed, quiet = o.quiet })
  return r.relative, r
end

local TARGETS = { "random", "second", "least" }

local function attack_options(given, target)
  local o = { target = target }
  for key, value in pairs(given or {}) do o[key] = value end
  return o
end

--- The distortions of Su et al.: for each kind of target, the worst-case max-norm distortion (least
-- eps of I-FGSM), the Euclidean distance of Carlini and Wagner's attack per pixel, and the l2
-- CLEVER score per pixel. The attack runs with their settings unless `cw` says otherwise: 1000
-- steps, rate 0.001, 9 constants from 0.01. These are meant for photographs: where many pixels are
-- exactly 0 or 1, as in MNIST, such short steps end on the way and the success rate is low; `cw =
-- { steps = 1000, lr = 0.01, csteps = 9, c0 = 0.01 }` gets there.
-- @function su
-- @param net a network, or a function of images that gives logits
-- @tparam DataSet set images and labels; a hundred are plenty
-- @tparam[opt] table opts `targets` ({ "random", "second", "least" }), `linf`, `cw`, `clever`:
--   options of the three, false leaves one out; `batch`, `seed`, `quiet`
-- @treturn {[string]=table} target -> { linf, cw: as `distortion` gives (its `mean`; its
--   `per_pixel`), clever: a mean with n, standard_error, per_pixel }
-- @raise wrong arguments
-- @source Su et al., ECCV 2018, section 3
function M.su(net, set, opts)
  local o = walk.options("su", opts, {
    targets = { "table", TARGETS },
    linf = { "table|boolean", {} }, clever = { "table|boolean", {} },
    cw = { "table|boolean", { steps = 1000, lr = 0.001, csteps = 9, c0 = 0.01 } },
  })
  for i, target in ipairs(o.targets) do
    check.one_of("su", ("targets[%d]"):format(i), target, TARGETS)
  end
  local each = { batch = o.batch, seed = o.seed, quiet = o.quiet }
  local result, scores = {}, nil
  if o.clever then
    local given = attack_options(o.clever)
    given.seed, given.quiet = o.seed, o.quiet
    scores = cj.clever(net, set, given)
  end
  for _, target in ipairs(o.targets) do
    local row = {}
    if o.linf then
      local attack = cj.attacks.su_linf(attack_options(o.linf, target))
      row.linf = M.distortion(net, set, attack, each)
    end
    if o.cw then
      row.cw = M.distortion(net, set, cj.attacks.cw2(attack_options(o.cw, target)), each)
    end
    row.clever = scores and scores.kinds[target]
    if row.clever then row.clever.per_pixel = row.clever.mean / scores.elements end
    result[target] = row
  end
  return result
end

return M
