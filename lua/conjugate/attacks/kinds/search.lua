--- Search for the least radius at which an attack of fixed budget succeeds, sample by sample.
--
-- Each sample starts at the radius `eps0`. The radius is halved while the attack succeeds, doubled
-- while it fails, and then taken midway between the largest that failed and the smallest that
-- succeeded, `tries` times in all. What is returned is the success at the smallest radius.
-- @module conjugate.attacks.kinds.search
-- @source Su et al., ECCV 2018, section 3; Adversarial_Survey@353ef69
local check = require "conjugate.check"
local core = require "conjugate.core"
local options = require "conjugate.attacks.kinds.options"
local result = require "conjugate.attacks.kinds.result"
local rows = require "conjugate.attacks.kinds.rows"

local M = {}

-- Columns that add up over the tries.
local SPENT = { "iters", "forwards", "backwards", "zeros" }
-- Columns of the sample that is returned.
local FOUND = { "pred_adv", "status", "loss_adv", "l0", "l1", "l2", "linf" }

--- Rules of the options: `eps0`: first radius; `tries`; `eps`: no radius above it is tried (none
-- without it).
-- @treturn table
function M.options()
  return { eps = { "number", math.huge }, eps0 = { "number" }, tries = { "integer", 9 } }
end

--- Settings of an attack that searches.
-- @tparam table o options
-- @string name of the attack
-- @param inner what is run: an attack, whose radius and step are scaled for each sample, or a
--   function(eps) that gives one
-- @string norm of the ball
-- @treturn table
function M.settings(o, name, inner, norm)
  options.positive(name, "eps0", o.eps0)
  check.integer(name, "tries", o.tries, 1)
  return { method = "search", inner = inner, norm = norm, eps = o.eps, steps = o.tries }
end

--- Lets an attack that is part of another speak in its name.
-- @tparam table inner attack nobody else has
-- @string name of the attack people called
-- @treturn table inner
function M.renamed(inner, name)
  inner.name, inner.settings.name = name, name
  return inner
end

-- --- one try ------------------------------------------------------------------------------------

-- Runs an attack on some rows; `radii` replace its radius unless they are nil.
local function attack_rows(work, attack, places, radii)
  local opts = rows.options(work.call, places)
  opts.radii = radii
  return attack(work.model, rows.of(work.x, places), rows.pick(work.call.labels, places), opts)
end

-- Rows with the same radius, by rising radius.
local function groups(work, places)
  local found, radii = {}, {}
  for _, i in ipairs(places) do
    local radius = work.radius[i]
    if not found[radius] then
      found[radius] = {}
      radii[#radii + 1] = radius
    end
    table.insert(found[radius], i)
  end
  table.sort(radii)
  return radii, found
end

-- Calls take(result, rows) for the result of each run on the active rows.
local function run_tries(work, places, take)
  if type(work.inner) ~= "function" then
    return take(attack_rows(work, work.inner, places, rows.pick(work.radius, places)), places)
  end
  local radii, found = groups(work, places)
  for _, radius in ipairs(radii) do
    take(attack_rows(work, work.inner(radius), found[radius]), found[radius])
  end
end

-- --- the search ---------------------------------------------------------------------------------

-- Adds what a try cost; the first gives all columns.
local function add(work, r, k, i)
  local columns = work.columns
  if not columns.status[i] then
    for _, name in ipairs(result.columns) do
      if name ~= "label" then columns[name][i] = r[name][k] end
    end
    columns.pred_adv[i], columns.loss_adv[i] = r.pred_clean[k], r.loss_first[k]
    for _, norm in ipairs { "l0", "l1", "l2", "linf" } do columns[norm][i] = 0 end
    return
  end
  for _, name in ipairs(SPENT) do columns[name][i] = columns[name][i] + r[name][k] end
  columns.loss_best[i] = math.max(columns.loss_best[i], r.loss_best[k])
  columns.broken[i] = columns.broken[i] or r.broken[k]
end

local function keep(work, r, k, i)
  for _, name in ipairs(FOUND) do work.columns[name][i] = r[name][k] end
  work.x_adv:narrow(1, i, 1):copy_(r.x_adv:narrow(1, k, 1))
end

-- The next radius of a sample; nil when there is nothing left to try.
local function next_radius(work, i)
  local low, high = work.low[i], work.high[i]
  if high == math.huge then
    return low < work.most and math.min(2 * low, work.most) or nil
  end
  return (low + high) / 2 -- halves while nothing has failed
end

local function take(work, r, places)
  work.report = work.report or r.report
  work.loss = r.loss
  for _, text in ipairs(r.warnings) do
    if not work.warned[text] then work.warnings[#work.warnings + 1] = text end
    work.warned[text] = true
  end
  work.forwards, work.backwards = work.forwards + r.forwards_total,
    work.backwards + r.backwards_total
  for k, i in ipairs(places) do
    local status, radius = r.status[k], work.radius[i]
    add(work, r, k, i)
    if status == "SUCCESS" then
      work.high[i] = radius
      keep(work, r, k, i)
    elseif status == "FAIL" then
      work.low[i] = radius
    elseif status == "ALREADY" then
      work.high[i] = 0
    elseif work.high[i] == math.huge then -- NaN, and no success before
      work.columns.status[i] = status
    end
    local goes_on = status == "SUCCESS" or status == "FAIL"
    work.radius[i] = goes_on and next_radius(work, i) or nil
  end
end

local function new_work(attack, planned, x, call)
  local work = {
    call = call, x = x, x_adv = x:clone(), inner = attack.settings.inner, most = attack.options.eps,
    model = planned, radius = {}, low = {}, high = {}, columns = {}, forwards = 0,
    backwards = 0, warnings = {}, warned = {},
  }
  for i = 1, call.n do
    work.low[i], work.high[i] = 0, math.huge
    work.radius[i] = math.min(attack.options.eps0, work.most)
  end
  for _, name in ipairs(result.columns) do
    if name ~= "label" then work.columns[name] = {} end
  end
  return work
end

local function search(work, tries)
  for _ = 1, tries do
    local places = {}
    for i = 1, work.call.n do
      if work.radius[i] then places[#places + 1] = i end
    end
    if #places == 0 then return end
    run_tries(work, places, function(r, some) take(work, r, some) end)
  end
end

--- Runs a search; for `call` of an attack's description.
-- @tparam table attack made by a family whose settings came from `settings`
-- @param model x -> logits
-- @tparam Tensor x inputs
-- @tparam Tensor|table y labels
-- @tparam[opt] table opts of this call
-- @treturn table the result of an attack, with the lists `radius` (smallest that succeeded;
--   math.huge where none did, 0 for ALREADY) and `failed` (largest below it that did not; 0: none)
function M.call(attack, model, x, y, opts)
  local call = rows.read(attack.name, attack.options, model, x, y, opts)
  local started = core.clock()
  local work = rows.with_plan(model, x, function(planned)
    local fresh = new_work(attack, planned, x:detach(), call)
    search(fresh, attack.options.tries)
    return fresh
  end)
  local report = work.report or { classes = 0, probabilities = 0 }
  report.forwards, report.backwards = work.forwards, work.backwards
  local loop = { loss = work.loss or attack.options.loss, seed = call.seed }
  local r = result.new(attack, loop, work.x_adv, work.columns, nil, report, call.labels)
  r.warnings = work.warnings
  r.radius, r.failed, r.seconds = work.high, work.low, core.clock() - started
  return r
end

return M
