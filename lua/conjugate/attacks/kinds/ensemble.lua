--- Several attacks in turn, each on the samples that all before it left robust, from the clean x.
--
-- The samples go through an attack some at a time; what was found is written down before the next
-- ones begin, so that work with a folder can be killed at any moment. Random numbers are keyed by
-- the sample, so neither the size of these parts nor a pause changes anything.
-- @module conjugate.attacks.kinds.ensemble
local check = require "conjugate.check"
local core = require "conjugate.core"
local interrupt = require "conjugate.run.interrupt"
local json = require "conjugate.run.json"
local journal = require "conjugate.attacks.kinds.journal"
local options = require "conjugate.attacks.kinds.options"
local plans = require "conjugate.plan"
local progress = require "conjugate.run.progress"
local result = require "conjugate.attacks.kinds.result"
local rows = require "conjugate.attacks.kinds.rows"

local M = {}

local SPENT = { "iters", "forwards", "backwards", "zeros" }
local NORMS = { "l0", "l1", "l2", "linf" }
local ORDER = { "sample", "attack", "label", "status" } -- of the keys of an entry
local OWN = { out = { "string" }, progress = { "callable" } }
local REPEATS, SAME = 5, 1e-4 -- passes on the clean input; how far normalised logits may differ

-- The places in parts of a size.
local function parts_of(places, size)
  local parts = {}
  for from = 1, #places, size do
    local part = {}
    for k = from, math.min(from + size - 1, #places) do part[#part + 1] = places[k] end
    parts[#parts + 1] = part
  end
  return parts
end

-- --- the clean inputs ---------------------------------------------------------------------------

-- The length of the difference of two lists of logits, each brought to length 1.
local function difference(a, b)
  local la, lb, sum = 0, 0, 0
  for k, v in ipairs(a) do la, lb = la + v * v, lb + b[k] * b[k] end
  la, lb = math.sqrt(la) + 1e-10, math.sqrt(lb) + 1e-10
  for k, v in ipairs(a) do sum = sum + (v / la - b[k] / lb) ^ 2 end
  return math.sqrt(sum)
end

-- Counts the samples whose logits are not the same in several passes. A plan always gives the same.
local function count_random(work, places)
  local x, first = rows.of(work.x, places), nil
  local differs = {}
  for _ = 1, REPEATS do
    local z = core.with_grad(false, function() return work.model(x) end)
    local logits, pred = z:table(), z:predict():table()
    first = first or { logits = logits, pred = pred }
    for k, i in ipairs(places) do
      work.columns.forwards[i] = work.columns.forwards[i] + 1
      local same = pred[k] == first.pred[k] and difference(logits[k], first.logits[k]) <= SAME
      differs[k] = differs[k] or not same
    end
  end
  for k = 1, #places do
    if differs[k] then work.found.random = work.found.random + 1 end
  end
end

-- One pass without steps: checks inputs and labels, and gives predictions and losses.
local function look(work, x, places)
  local opts = rows.options(work.call, places)
  opts.quiet = true
  local r = work.probe(work.model, x, rows.pick(work.call.labels, places), opts)
  work.forwards = work.forwards + r.forwards_total
  return r
end

-- All samples in one call, so that messages give their places.
local function meet(work)
  local places = rows.all(work.call.n)
  local r, c = look(work, work.x, places), work.columns
  work.report, work.found.probabilities = r.report, r.report.probabilities
  for i in ipairs(places) do
    for _, name in ipairs(result.columns) do
      if name ~= "label" then c[name][i] = r[name][i] end
    end
    work.by[i] = r.status[i] == "ALREADY" and "clean" or nil
  end
  if work.planned or work.random then return end
  for _, part in ipairs(parts_of(places, work.call.batch)) do count_random(work, part) end
  work.forwards = work.forwards + REPEATS * work.call.n
end

-- --- what attacks find --------------------------------------------------------------------------

-- Adds an entry to the columns. row: the perturbed input, where the entry has one.
local function take(work, i, entry, row)
  local c, loss = work.columns, entry.loss_adv
  for _, name in ipairs(SPENT) do c[name][i] = c[name][i] + entry[name] end
  c.loss_best[i] = math.max(c.loss_best[i], loss)
  work.done[entry.attack][i] = true
  if entry.zero_start then work.zero_start[i] = true end
  if entry.status == "SUCCESS" then
    work.by[i], c.status[i], c.broken[i] = entry.attack, "SUCCESS", true
  elseif entry.status == "NAN" then
    c.status[i] = "NAN"
  end
  if not row then return end
  c.loss_adv[i], c.pred_adv[i] = loss, entry.pred_adv
  for _, norm in ipairs(NORMS) do c[norm][i] = entry[norm] end
  work.x_adv:narrow(1, i, 1):copy_(row)
end

-- The entry of a sample for an attack's result r, looked at afresh in `seen`. Of samples that stay
-- robust the first attack's input is kept.
local function entry_of(work, stage, r, seen, k, i)
  local broken = seen.status[k] == "ALREADY"
  local entry = {
    sample = work.call.numbers[i], attack = stage.name,
    status = broken and "SUCCESS" or r.status[k] == "NAN" and "NAN" or "FAIL",
    pred_adv = seen.pred_clean[k], loss_adv = seen.loss_first[k],
    zero_start = r.zero_start and r.zero_start[k] or nil,
    row = (broken or stage == work.stages[1]) and r.x_adv:narrow(1, k, 1) or nil,
  }
  for _, name in ipairs(SPENT) do entry[name] = r[name][k] end
  for _, norm in ipairs(NORMS) do entry[norm] = r[norm][k] end
  entry.forwards = entry.forwards + seen.forwards[k]
  return entry
end

local function attack_part(work, stage, places)
  local opts, entries = rows.options(work.call, places), {}
  opts.quiet = true
  local r = stage.attack(work.model, rows.of(work.x, places),
    rows.pick(work.call.labels, places), opts)
  work.forwards, work.backwards = work.forwards + r.forwards_total,
    work.backwards + r.backwards_total
  local seen = look(work, r.x_adv, places)
  for k, i in ipairs(places) do entries[k] = entry_of(work, stage, r, seen, k, i) end
  if work.journal then work.journal:add(entries, ORDER) end
  for k, i in ipairs(places) do take(work, i, entries[k], entries[k].row) end
end

-- --- the journal --------------------------------------------------------------------------------

local function check_same(work, i, entry)
  local label, loss = work.call.labels[i], work.columns.loss_first[i]
  local same = entry.label == label and (work.random or entry.loss_first == loss)
  if same then return end
  check.fail(work.name, "%s is about another model or other images: sample %d had label %s and "
    .. "clean loss %s, here %s and %s", work.out, entry.sample, json.encode(entry.label),
    json.encode(entry.loss_first), json.encode(label), json.encode(loss))
end

-- Takes over what a former process found, and writes down the samples that are new.
local function recall(work)
  local place, known, new = {}, {}, {}
  for i, number in ipairs(work.call.numbers) do place[number] = i end
  local sizes = work.x.shape
  sizes[1] = 1
  for _, entry in ipairs(work.journal.entries) do
    local i = place[entry.sample]
    if i and entry.attack == "none" then
      check_same(work, i, entry)
      known[i] = true
    elseif i and work.done[entry.attack] then
      take(work, i, entry, entry.row_end and work.journal:row(entry, work.x.dtype, sizes))
    end
  end
  for i, number in ipairs(work.call.numbers) do
    if not known[i] then
      new[#new + 1] = {
        sample = number, attack = "none", label = work.call.labels[i],
        loss_first = work.columns.loss_first[i],
      }
    end
  end
  if #new > 0 then work.journal:add(new, ORDER) end
end

-- --- progress -----------------------------------------------------------------------------------

-- Cost of what is left to do for the samples that are robust so far.
local function remaining(work)
  local cost = 0
  for i = 1, work.call.n do
    for _, stage in ipairs(work.by[i] and {} or work.stages) do
      if not work.done[stage.name][i] then cost = cost + stage.cost end
    end
  end
  return cost
end

local function count_robust(work)
  local count = 0
  for i = 1, work.call.n do count = count + (work.by[i] and 0 or 1) end
  return count
end

local function tell(work, stage)
  local left = remaining(work)
  local share = work.spent + left > 0 and work.spent / (work.spent + left) or 1
  work.tell(share, ("%s, %d robust"):format(stage.name, count_robust(work)))
end

-- Calls back with the share of the work that is done; by itself a bar in units of samples.
local function teller(name, n, given, quiet)
  if given then return given, function() end end
  local bar = progress.new { label = name, total = n, unit = "samples", quiet = quiet }
  return function(share, text) bar:update(share * n, text) end, function()
    bar:update(n)
    bar:finish()
  end
end

-- --- the run ------------------------------------------------------------------------------------

local function run_stage(work, stage)
  local places = {}
  for i = 1, work.call.n do
    if not work.by[i] and not work.done[stage.name][i] then places[#places + 1] = i end
  end
  for _, part in ipairs(parts_of(places, work.call.batch)) do
    attack_part(work, stage, part)
    work.spent = work.spent + stage.cost * #part
    tell(work, stage)
    interrupt.poll()
  end
end

local function run_all(work)
  meet(work)
  if work.journal then recall(work) end
  for _, stage in ipairs(work.stages) do run_stage(work, stage) end
end

local function new_work(attack, x, call)
  local s = attack.settings
  local work = {
    name = attack.name, x = x:detach(), x_adv = x:detach():clone(), call = call, probe = s.probe,
    stages = s.stages, random = s.random_model, columns = {}, by = {}, done = {}, zero_start = {},
    spent = 0, forwards = 0, backwards = 0, found = { random = 0 },
  }
  for _, name in ipairs(result.columns) do work.columns[name] = {} end
  for _, stage in ipairs(s.stages) do work.done[stage.name] = {} end
  return work
end

-- All that changes the results.
local function config_of(attack, x, seed)
  local sizes, o = x.shape, attack.options
  table.remove(sizes, 1)
  return {
    attack = attack.name, version = o.version, norm = o.norm, eps = o.eps, seed = seed,
    bounds = { attack.settings.low, attack.settings.high }, dtype = x.dtype, sample = sizes,
    steps = o.steps, queries = o.queries, targets = o.targets, attacks = attack.settings.names,
  }
end

local function finish(work, attack, seed)
  local found, label = work.found, work.call.labels
  found.n, found.square, found.zero_starts = work.call.n, 0, 0
  found.classes = work.report and work.report.classes
  for i = 1, work.call.n do
    if work.by[i] == "square" then found.square = found.square + 1 end
    if work.zero_start[i] then found.zero_starts = found.zero_starts + 1 end
  end
  work.columns.label = nil
  local r = result.new(attack, { loss = "ce", seed = seed }, work.x_adv, work.columns, nil,
    work.report or {}, label)
  r.by, r.found, r.attacks = work.by, found, attack.settings.names
  for i = 1, r.n do r.by[i] = r.by[i] or "" end
  r.forwards_total, r.backwards_total = work.forwards, work.backwards
  return r
end

local function interrupted(message, out)
  if not (out and interrupt.is(message)) then error(message, 0) end
  error(("interrupted: %s holds what was done, and the same call goes on from there"):format(out),
    0)
end

-- The options of a call that only such attacks have, and the others.
local function read_own(attack, opts)
  local own, rest = {}, {}
  for key, v in pairs(check.table(attack.name, "options", opts or {})) do
    if OWN[key] then own[key] = v else rest[key] = v end
  end
  options.check_target(attack.name, attack.settings, rest.target)
  return check.options(attack.name, own, OWN), rest
end

--- Runs the stages.
-- @tparam table attack its settings have `stages` (list of `name`, `attack`, `cost` in passes a
--   sample), `names` (of the stages), `probe` (an attack without steps), `random_model`
-- @param model x -> logits
-- @tparam Tensor x inputs
-- @tparam Tensor|table y labels
-- @tparam[opt] table opts of this call; besides those of every attack `out` (folder of a journal)
--   and `progress` (called with the share that is done, 0..1, and a text)
-- @treturn table result; with `by` (for each sample the attack that broke it, "clean", or "") and
--   `found` (counts for `flags`)
function M.call(attack, model, x, y, opts)
  local own, rest = read_own(attack, opts)
  local out = own.out or attack.options.out
  local call = rows.read(attack.name, attack.options, model, x, y, rest)
  local seed, started = call.seed, core.clock()
  local work = new_work(attack, x, call)
  local stop
  work.tell, stop = teller(attack.name, call.n, own.progress, call.quiet)
  work.out = out
  if out then
    local opened, found = pcall(journal.open, out, config_of(attack, x, seed))
    if not opened then check.fail(attack.name, "%s", found) end
    work.journal = found
  end
  local ok, message = pcall(core.finally, function()
    rows.with_plan(model, x, function(planned)
      work.model, work.planned = planned, plans.is_plan(planned)
      run_all(work)
    end)
  end, function()
    if work.journal then work.journal:close() end
  end)
  if not ok then interrupted(message, out) end
  stop()
  local r = finish(work, attack, seed)
  r.seconds = core.clock() - started
  return r
end

return M
