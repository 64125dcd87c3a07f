--- Clean and robust accuracy: `cj.evaluate`.
--
-- TA = #{pred(x) = y} / n. Each attack is run once on every sample, right or wrong, to its last
-- iterate (the paper's convention), while the loop notes whether any iterate was misclassified:
-- RA_paper = #{pred(x_adv) = y} / n, RA_worst = #{pred(x) = y and no iterate misclassified} / n.
-- So RA_worst <= min(TA, RA_paper) always. With several attacks the totals count a sample as robust
-- when it is robust against each of them. All shares are in percent of n.
-- @module conjugate.metrics.evaluate
-- @source Zhang et al., arXiv 2205.01493v3; Wilson 1927 for the intervals
local cj = require "conjugate"
local check = require "conjugate.check"
local guards = require "conjugate.metrics.guards"
local json = require "conjugate.run.json"
local mode = require "conjugate.nn.mode"
local interrupt = require "conjugate.run.interrupt"
local plans = require "conjugate.plan"
local progress = require "conjugate.run.progress"
local records = require "conjugate.metrics.records"
local report = require "conjugate.metrics.report"
local several = require "conjugate.attacks.kinds.several"
local stages = require "conjugate.metrics.stages"
local system = require "conjugate.run.system"
local wilson = require "conjugate.metrics.wilson"

local M = {}

local OPTIONS = {
  batch = { "integer", 250 }, quiet = { "boolean" }, guards = true, records = { "string" },
  keep_records = false, label = { "string", "evaluate" }, watch = { "function" },
  out = { "string" }, about = { "table" }, examples = { "integer", 8 },
}

local MANY_ZEROS = 1 -- percent of all gradients: the limit of the masking battery

-- --- gathering ----------------------------------------------------------------------------------

local function fresh_tally(attack, number)
  return {
    attack = attack, number = number, title = attack.name, records = {}, warnings = {},
    held = {}, paper = 0, worst = 0, right = 0, zeros = 0, steps = 0, masked = 0, seconds = 0,
    forwards = 0, backwards = 0, hit = 0, l2 = 0, linf = 0, found = {},
    statuses = { ALREADY = 0, SUCCESS = 0, FAIL = 0, NAN = 0 },
  }
end

local function one(condition)
  return condition and 1 or 0
end

-- Adds one sample's record to the tally of an attack; answers the two verdicts. held: no smaller
-- radius of the same attack broke the sample.
local function count_sample(tally, record, label, held)
  local right = record.pred_clean == label
  local paper, worst = record.pred_adv == label, right and held and not record.broken
  local masked = record.backwards > 0 and record.zeros >= record.backwards
  tally.paper, tally.worst = tally.paper + one(paper), tally.worst + one(worst)
  tally.right, tally.masked = tally.right + one(right), tally.masked + one(masked)
  tally.statuses[record.status] = tally.statuses[record.status] + 1
  tally.zeros, tally.steps = tally.zeros + record.zeros, tally.steps + record.backwards
  tally.forwards = tally.forwards + record.forwards
  tally.backwards = tally.backwards + record.backwards
  if right and not worst then
    tally.hit = tally.hit + 1
    tally.l2, tally.linf = tally.l2 + record.l2, tally.linf + record.linf
  end
  return paper, worst
end

-- What an attack can only judge over all samples, see the `flags` of its description.
local function flags_of(attack)
  return attack.settings and attack.family and attack.family.description.flags
end

local function add_found(tally, found)
  for key, v in pairs(found) do
    tally.found[key] = key == "classes" and v or (tally.found[key] or 0) + v
  end
end

local function add_warnings(tally, result)
  if flags_of(tally.attack) then return add_found(tally, result.found) end
  for _, text in ipairs(result.warnings or {}) do
    if not tally.warnings[text] then
      tally.warnings[text] = true
      tally.warnings[#tally.warnings + 1] = text
    end
  end
end

local function keep_record(tally, record, index, label)
  local row = { attack = tally.title, index = index, label = label }
  for _, column in ipairs(records.columns) do
    if row[column] == nil then row[column] = record[column] end
  end
  tally.records[#tally.records + 1] = row
end

-- The records of all attacks, one attack after the other, however the samples were divided.
local function all_records(work)
  local list = {}
  for _, tally in ipairs(work.tallies) do
    for _, record in ipairs(tally.records) do list[#list + 1] = record end
  end
  return list
end

-- One attack on one batch, as every attack is run here. `first` is the index of its first sample,
-- from 1.
local function call_attack(work, attack, batch, bar)
  local opts = { index = batch.first - 1, paper = true, quiet = true }
  local model = attack.family and work.model or work.net -- others may look into the network
  if flags_of(attack) then -- a long attack
    opts.progress = function(share, text) bar:update(work.n + share * #batch.labels, text) end
  end
  local result = attack(model, batch.x, batch.y, opts)
  local list = type(result) == "table" and result.records
  if type(list) ~= "table" or #list ~= #batch.labels then
    check.fail("evaluate", "%s gave no record for each of %d samples", attack.name, #batch.labels)
  end
  return result
end

local function attack_batch(work, tally, batch, bar)
  local started = system.now()
  local result = call_attack(work, tally.attack, batch, bar)
  for i, record in ipairs(result.records) do
    local held = not tally.below or tally.below.held[i]
    local paper, worst = count_sample(tally, record, batch.labels[i], held)
    tally.held[i] = worst
    batch.paper[i] = batch.paper[i] and paper
    batch.worst[i] = batch.worst[i] and worst
    if work.keep then keep_record(tally, record, batch.first + i - 1, batch.labels[i]) end
  end
  tally.seconds = tally.seconds + (system.now() - started)
  tally.stages = stages.add(tally.stages, result)
  add_warnings(tally, result)
  if work.watch then work.watch(tally.attack, result, batch.x, batch.first, tally.number) end
end

-- The network itself, not its plan: a plan always gives the same.
local function check_repeatable(net, x)
  local some = x:narrow(1, 1, math.min(16, x:size(1)))
  guards.repeatable("evaluate", net(some), net(some))
end

-- Clean predictions of a batch, with the guards that need the logits.
local function clean_batch(work, x, y, first)
  return cj.no_grad(function()
    if work.guards then guards.pixels("evaluate", x) end
    local z = work.model(x)
    if work.guards then guards.logits("evaluate", z, x:size(1), work.set.classes) end
    if work.guards and first == 1 then check_repeatable(work.net, x) end
    local labels, right = y:table(), {}
    local hits = z:predict():eq(y):table()
    for i, hit in ipairs(hits) do right[i] = hit == 1 end
    local paper, worst = {}, {}
    for i, hit in ipairs(right) do paper[i], worst[i] = true, hit end
    return {
      x = x, y = y, first = first, labels = labels, right = right, paper = paper, worst = worst,
    }
  end)
end

local function count_true(list)
  local count = 0
  for _, item in ipairs(list) do count = count + one(item) end
  return count
end

local function gather(work)
  local bar = progress.new {
    label = work.label, total = work.set:size(), unit = "images", quiet = work.quiet,
  }
  for x, y in cj.data.batches(work.set, { batch = work.batch }) do
    if work.n == 0 then work.model = plans.model(work.net, x, #work.tallies > 0) end
    local batch = clean_batch(work, x, y, work.n + 1)
    for _, tally in ipairs(work.tallies) do attack_batch(work, tally, batch, bar) end
    work.n = work.n + #batch.labels
    work.clean = work.clean + count_true(batch.right)
    work.paper = work.paper + count_true(batch.paper)
    work.worst = work.worst + count_true(batch.worst)
    bar:update(work.n, ("TA %.2f %%"):format(100 * work.clean / work.n))
    interrupt.poll()
  end
  bar:finish()
end

-- --- results ------------------------------------------------------------------------------------

local function share(result, name, count, n)
  local low, high = wilson.interval(count, n)
  result[name], result[name .. "_interval"] = 100 * count / n, { 100 * low, 100 * high }
end

local function attack_result(tally, n)
  local options = report.plain_options(tally.attack.options)
  options.paper = true
  if options.best ~= nil then -- what paper mode made of them
    options.best, options.early = false, false
  end
  local result = {
    name = tally.attack.name, options = options, n = n,
    seconds = tally.seconds, forwards = tally.forwards, backwards = tally.backwards,
    statuses = tally.statuses, stages = stages.list(tally.stages, n),
    counts = { ra_paper = tally.paper, ra_worst = tally.worst },
  }
  share(result, "ra_paper", tally.paper, n)
  share(result, "ra_worst", tally.worst, n)
  -- this, and not an accuracy, has the correctly classified samples below the line
  if tally.right > 0 then result.success_rate = 100 * tally.hit / tally.right end
  if tally.steps > 0 then result.zero_gradients = 100 * tally.zeros / tally.steps end
  if tally.hit > 0 then
    result.mean_l2, result.mean_linf = tally.l2 / tally.hit, tally.linf / tally.hit
  end
  return result
end

local function warnings_of(result, tally, row)
  local flags = flags_of(tally.attack)
  for _, text in ipairs(flags and flags(tally.attack, tally.found) or tally.warnings) do
    result.warnings[#result.warnings + 1] = ("%s: %s"):format(row.name, text)
  end
  if row.zero_gradients and row.zero_gradients >= MANY_ZEROS then
    result.warnings[#result.warnings + 1] = ("%s: %.2f %% of its gradients were zero everywhere, "
      .. "so its accuracy may be too high; cj.battery looks for masked gradients"):format(row.name,
      row.zero_gradients)
  end
end

local function summarize(work, started)
  local n = work.n
  local result = {
    data = work.set.name, n = n, counts = { ta = work.clean }, attacks = {},
    warnings = json.array(),
  }
  share(result, "ta", work.clean, n)
  if #work.tallies > 0 then
    share(result, "ra_paper", work.paper, n)
    share(result, "ra_worst", work.worst, n)
    result.counts.ra_paper, result.counts.ra_worst = work.paper, work.worst
  end
  for i, tally in ipairs(work.tallies) do
    if work.guards then guards.gradients("evaluate", tally.attack.name, tally.masked, n) end
    result.attacks[i] = attack_result(tally, n)
    warnings_of(result, tally, result.attacks[i])
  end
  result.seconds = system.now() - started
  return result
end

local function check_attacks(attacks)
  if attacks == nil then return {} end
  local single = type(attacks) == "table" and attacks.name and getmetatable(attacks)
  if single then attacks = { attacks } end
  check.table("evaluate", "attacks", attacks)
  for i, attack in ipairs(attacks) do
    if type(attack) == "table" and attack.direction and attack.attack then
      check.fail("evaluate", "attacks[%d] is a conjugate; to follow it as an attack give a radius, "
        .. "as in conjugate:attack { eps = 0.1 }", i)
    end
    check.callable("evaluate", ("attacks[%d]"):format(i), attack)
    if type(attack) ~= "table" or type(attack.name) ~= "string" then
      check.fail("evaluate", "expected an attack such as cj.attacks.pgd { eps = 0.1 } for "
        .. "attacks[%d], got %s", i, check.describe(attack))
    end
  end
  return attacks
end

-- One tally an attack; those at several radii have one for each, which carry successes upward.
local function new_tallies(attacks)
  local list = {}
  for _, attack in ipairs(attacks) do
    local below
    for _, single in ipairs(several.is(attack) and attack.attacks or { attack }) do
      local tally = fresh_tally(single, #list + 1)
      tally.below, below = below, tally
      list[#list + 1] = tally
    end
  end
  return list
end

local function watcher(watch, collector)
  if not collector then return watch end
  return function(...)
    collector:see(...)
    if watch then watch(...) end
  end
end

-- Records of several attacks of one name are told apart by the attack's number: "pgd#2".
local function tell_apart(tallies)
  local count = {}
  for _, tally in ipairs(tallies) do count[tally.title] = (count[tally.title] or 0) + 1 end
  for i, tally in ipairs(tallies) do
    if count[tally.title] > 1 then tally.title = ("%s#%d"):format(tally.attack.name, i) end
  end
end

local function start(net, set, opts)
  local collector = opts.out and require("conjugate.report.collector").new(opts.examples)
  return {
    net = net, set = set, n = 0, clean = 0, paper = 0, worst = 0, tallies = {},
    batch = opts.batch, quiet = opts.quiet, guards = opts.guards, label = opts.label,
    keep = opts.records or opts.keep_records or opts.out,
    watch = watcher(opts.watch, collector), collector = collector,
  }
end

-- Writes what was asked for.
local function deliver(result, opts, work)
  local list, ok, message = all_records(work), true, nil
  if opts.records then ok, message = records.write(opts.records, list) end
  if ok and opts.out then
    ok, message = require("conjugate.report").write(opts.out, result,
      { records = list, collector = work.collector })
  end
  if not ok then check.fail("evaluate", "%s", message) end
  if opts.keep_records then result.records = list end
end

--- Accuracy on clean images and under attacks, in evaluation mode; the mode is set back afterwards.
--
-- Stops with a message when the result could not mean what it says: the model gives other logits
-- for the same input (train mode), pixels lie outside [0, 1], the model gives probabilities, logits
-- are not finite, or an attack saw zero gradients only.
-- @param net a network, or a function of images [B, C, H, W] in [0, 1] that gives logits [B, K]
-- @tparam DataSet set test images and labels
-- @tparam[opt] {Attack,...} attacks such as cj.attacks.pgd { eps = 0.1 }; none gives TA alone. One
-- at several radii (`eps` a list) gives an entry for each, and what a smaller radius broke counts
-- as broken at the larger ones in ra_worst
-- @tparam[opt] table opts `batch` (250), `quiet`, `guards` (true), `records` (file name ending in
-- .jsonl or .csv for one record a sample and attack), `keep_records` (also in the result), `watch`
-- (function(attack, result, x, first, number) after each attack on a batch), `out` (folder for
-- summary.json, records.jsonl, records.csv and report.html), `about` (table of plain values that go
-- into the result, such as a seed or the name of a checkpoint), `examples` (pictures in the report)
-- @treturn table ta, ra_paper, ra_worst (percent), each with NAME_interval = { low, high } (Wilson,
-- 95 %) and its count in `counts`; n, seconds, data, attacks = list of { name, options, ra_paper,
-- ra_worst, success_rate (percent of the correctly classified), zero_gradients (percent), mean_l2,
-- mean_linf (over successes), statuses, stages (of AutoAttack; see conjugate.metrics.stages),
-- forwards, backwards, seconds }; warnings (texts). print shows it as a table.
-- @raise wrong arguments; the guards; what an attack raises
-- @usage print(cj.evaluate(net, test, { cj.attacks.pgd { eps = 0.1, alpha = 0.025, steps = 4 } }))
function M.evaluate(net, set, attacks, opts)
  check.callable("evaluate", "net", net)
  if type(set) ~= "table" or type(set.size) ~= "function" then
    check.fail("evaluate", "expected a data set for set, got %s", check.describe(set))
  end
  opts = check.options("evaluate", opts, OPTIONS)
  if set:size() == 0 then check.fail("evaluate", "expected at least one image in set, got none") end
  local work = start(net, set, opts)
  work.tallies = new_tallies(check_attacks(attacks))
  tell_apart(work.tallies)
  local started = system.now()
  mode.in_eval(net, function()
    if work.guards then guards.mode("evaluate", net) end
    gather(work)
  end)
  local result = summarize(work, started)
  for key, value in pairs(opts.about or {}) do result[key] = value end
  deliver(result, opts, work)
  return report.printable(result)
end

return M
