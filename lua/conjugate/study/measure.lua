--- What a study measures: success at every radius, what it cost, and examples on the way.
-- @module conjugate.study.measure
local cj = require "conjugate"
local core = require "conjugate.core"
local frequency = require "conjugate.metrics.frequency"
local interrupt = require "conjugate.run.interrupt"
local progress = require "conjugate.run.progress"
local wilson = require "conjugate.metrics.wilson"

local M = {}

--- The attacks that are compared. Those of one step take it over the whole radius, the others take
-- `steps` of a quarter; a success of these counts at every larger radius too.
M.compared = { "one step", "fgsm", "iterated", "pgd" }

M.norms = { "linf", "l2" }

local climbing = { iterated = true, pgd = true }

local function attacks_at(conjugate, norm, eps, o)
  local function follow(c, steps)
    return cj.attacks.follow {
      conjugate = c, eps = eps, alpha = steps == 1 and eps or eps / 4, steps = steps, norm = norm,
      scale = norm, best = steps > 1, loss = o.loss, batch = o.batch, seed = o.seed, quiet = true,
    }
  end
  return {
    ["one step"] = follow(conjugate, 1),
    fgsm = follow("sign", 1),
    iterated = follow(conjugate, o.steps),
    pgd = cj.attacks.pgd {
      eps = eps, alpha = eps / 4, steps = o.steps, norm = norm, loss = o.loss, batch = o.batch,
      seed = o.seed, quiet = true,
    },
  }
end

-- --- success ------------------------------------------------------------------------------------

-- Samples broken at this radius, with those of smaller radii where successes are carried upward.
local function broken_by(r, before)
  local now = {}
  for i = 1, r.n do
    local right = r.pred_clean[i] == r.label[i]
    now[i] = right and (r.status[i] == "SUCCESS" or before and before[i]) or false
  end
  return now
end

local function cell_of(r, broken)
  local hits, tried, forwards, backwards, zeros = 0, 0, 0, 0, 0
  for i = 1, r.n do
    hits = hits + (broken[i] and 1 or 0)
    tried = tried + (r.pred_clean[i] == r.label[i] and 1 or 0)
    forwards, backwards = forwards + r.forwards[i], backwards + r.backwards[i]
    zeros = zeros + r.zeros[i]
  end
  local cell = {
    hits = hits, tried = tried, l2 = r:distortion "l2", linf = r:distortion "linf",
    forwards = forwards, backwards = backwards, zeros = zeros, seconds = r.seconds,
    success = 0, low = 0, high = 100,
  }
  if tried > 0 then
    local low, high = wilson.interval(hits, tried)
    cell.success, cell.low, cell.high = 100 * hits / tried, 100 * low, 100 * high
  end
  return cell
end

local function one_row(conjugate, work, norm, eps, carried)
  local row = { norm = norm, eps = eps, attacks = {} }
  local attacks = attacks_at(conjugate, norm, eps, work.o)
  for _, name in ipairs(M.compared) do
    local r = attacks[name](work.model, work.x, work.y)
    local broken = broken_by(r, climbing[name] and carried[name])
    carried[name] = broken
    row.attacks[name] = cell_of(r, broken)
    row[name] = row.attacks[name].success
    interrupt.poll()
  end
  return row
end

-- Radii: parts of eps for the max norm, and for the Euclidean norm of the length that a full sign
-- step of eps has, eps * sqrt(D).
local function radii(work, norm)
  local list, o = {}, work.o
  local scale = norm == "l2" and math.sqrt(work.x:numel() / work.x:size(1)) or 1
  for k = 1, o.points do list[k] = o.eps * scale * k / o.points end
  return list
end

--- Success against the radius under both budgets.
-- @tparam Conjugate conjugate what is studied
-- @tparam table work model, x, y, o (options); `broken` is added: samples that the iterated
--   conjugate broke in the max norm
-- @treturn {table,...} rows
function M.curves(conjugate, work)
  local o, rows = work.o, {}
  local bar = progress.new {
    label = "study", total = 2 * o.points, unit = "radii", quiet = o.quiet,
  }
  for _, norm in ipairs(M.norms) do
    local carried = {}
    for _, eps in ipairs(radii(work, norm)) do
      rows[#rows + 1] = one_row(conjugate, work, norm, eps, carried)
      bar:update(#rows)
    end
    if norm == "linf" then work.broken = carried.iterated end
  end
  bar:finish()
  return rows
end

--- What each attack cost over all radii.
-- @tparam {table,...} rows what `curves` gives
-- @tparam integer n samples of a radius
-- @treturn {table,...} name, n, forwards, backwards, zeros, seconds, in the order of `compared`
function M.costs(rows, n)
  local list = {}
  for i, name in ipairs(M.compared) do
    local sum = { name = name, n = n * #rows, forwards = 0, backwards = 0, zeros = 0, seconds = 0 }
    for _, row in ipairs(rows) do
      for _, key in ipairs { "forwards", "backwards", "zeros", "seconds" } do
        sum[key] = sum[key] + row.attacks[name][key]
      end
    end
    list[i] = sum
  end
  return list
end

-- --- the field -----------------------------------------------------------------------------------

--- Frequency content of a field of pictures.
-- @tparam Tensor field [B, C, H, W]
-- @treturn ?table profile, and for sides of 28 and 32 ratio and undefined; nil for other samples
function M.frequencies(field)
  if field:dim() ~= 4 then return nil end
  local out = { profile = frequency.profile(field) }
  local known = (field:size(3) == 28 or field:size(3) == 32) and field:size(3) == field:size(4)
  local grey = field:size(2) == 3 and "bt601" or "mean"
  if known then
    local ratio = frequency.ratio(field, { grey = grey })
    out.ratio, out.undefined = ratio.mean, ratio.undefined
  end
  return out
end

--- Does the first row of the field depend on the other samples?
-- @tparam Conjugate conjugate whose field it is
-- @tparam table work model, x, y, o
-- @tparam Tensor field at x
-- @treturn boolean
function M.mixes_samples(conjugate, work, field)
  if work.x:size(1) < 2 then return false end
  local alone = conjugate:field(work.model, work.x:narrow(1, 1, 1), work.y:narrow(1, 1, 1),
    { loss = work.o.loss })
  local first = field:narrow(1, 1, 1)
  local gap = (alone - first):abs():max():item()
  return gap > 1e-3 * (first:abs():max():item() + 1e-30)
end

-- --- examples ------------------------------------------------------------------------------------

-- The rows that are shown: those that the conjugate breaks first, then others that are right.
local function choose(work)
  local places = {}
  for _, wanted in ipairs { true, false } do
    for i, right in ipairs(work.right) do
      if right and work.broken[i] == wanted and #places < work.o.examples then
        places[#places + 1] = i
      end
    end
  end
  table.sort(places)
  return places
end

-- Each row divided by its largest entry, so that directions of any length can be shown together.
local function unit(field, list)
  local rows = core.attack_rows(field:detach(), list)
  local flat = rows:reshape { rows:size(1), -1 }
  return (flat / (flat:abs():max(2, true) + 1e-30)):reshape(rows.shape)
end

-- Keeps each example at the first radius that breaks it, at the largest one until then.
local function keep(shown, r, eps)
  for k = 1, r.n do
    if not (shown[k] and shown[k].hit) then
      shown[k] = {
        x = core.attack_rows(r.x_adv, core.tensor({ k }, "int64")), eps = eps,
        pred = r.pred_adv[k], hit = r.status[k] == "SUCCESS",
      }
    end
  end
end

local function sweep(conjugate, work, norm, x, y, index)
  local shown = {}
  for _, name in ipairs(M.compared) do shown[name] = {} end
  for _, eps in ipairs(radii(work, norm)) do
    local attacks = attacks_at(conjugate, norm, eps, work.o)
    for _, name in ipairs(M.compared) do
      keep(shown[name], attacks[name](work.model, x, y, { index = index }), eps)
    end
  end
  return shown
end

--- The examples: clean, both directions, and where each attack had them first.
-- @tparam Conjugate conjugate what is studied
-- @tparam table work after `curves`, with `right` (list by sample)
-- @tparam Tensor field of the conjugate
-- @tparam Tensor sign field of FGSM
-- @treturn ?table x, labels, direction, sign (tensors with E rows), shown (norm -> attack -> list
--   of x, eps, pred, hit); nil without examples
function M.examples(conjugate, work, field, sign)
  local places = choose(work)
  if #places == 0 then return nil end
  local list = core.tensor(places, "int64")
  local x, y = core.attack_rows(work.x:detach(), list), core.attack_rows(work.y, list)
  local examples = {
    x = x, labels = y:table(), direction = unit(field, list), sign = unit(sign, list), shown = {},
  }
  for _, norm in ipairs(M.norms) do
    examples.shown[norm] = sweep(conjugate, work, norm, x, y, list - 1)
  end
  return examples
end

return M
