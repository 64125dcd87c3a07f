--- What the masking battery measures, sample by sample.
-- @module conjugate.metrics.battery.gather
local cj = require "conjugate"
local core = require "conjugate.core"
local guards = require "conjugate.metrics.guards"
local interrupt = require "conjugate.run.interrupt"
local plans = require "conjugate.plan"
local progress = require "conjugate.run.progress"
local rounding = require "conjugate.metrics.rounding"

local M = {}

local PASSES, REPEATED = 5, 64 -- forward passes that must agree, and on how many samples

--- The attacks of the battery: key, name, attack; nil where this package has no such attack.
-- `white` marks those that follow gradients; together they are the white-box attack.
-- @tparam table o options of the battery
-- @treturn {table,...}
function M.attacks(o)
  local function pgd(eps, steps, norm)
    return cj.attacks.pgd {
      eps = eps, alpha = steps == 1 and eps or 2.5 * eps / steps, steps = steps, norm = norm,
      seed = o.seed, quiet = true,
    }
  end
  local function apgd(loss)
    return cj.attacks.apgd { eps = o.eps, norm = o.norm, loss = loss, seed = o.seed, quiet = true }
  end
  local list = {
    { key = "one", name = "one step", attack = pgd(o.eps, 1, o.norm), white = true },
    { key = "iterated", name = ("PGD, %d steps"):format(o.steps), white = true,
      attack = pgd(o.eps, o.steps, o.norm) },
    { key = "longer", name = ("PGD, %d steps"):format(4 * o.steps), white = true,
      attack = pgd(o.eps, 4 * o.steps, o.norm) },
    { key = "large", name = "PGD, linf, ε = 0.5", attack = pgd(0.5, o.steps, "linf") },
    { key = "apgd", name = "APGD-CE", attack = apgd "ce", white = true },
    { key = "dlr", name = "APGD-DLR", attack = apgd "dlr", white = true },
  }
  if cj.attacks.square then
    list[#list + 1] = { key = "square", name = ("Square, %d queries"):format(o.queries),
      attack = cj.attacks.square { eps = o.eps, norm = o.norm, queries = o.queries, seed = o.seed,
        quiet = true } }
  end
  return list
end

-- --- one batch -----------------------------------------------------------------------------------

local function add_trace(sums, trace)
  for k, step in ipairs(trace or {}) do
    local sum = sums[k] or { samples = 0, correct = 0, loss = 0 }
    for key in pairs(sum) do sum[key] = sum[key] + step[key] end
    sums[k] = sum
  end
end

local function add_result(tally, r, rows, first)
  for i = 1, r.n do
    local place = first + (rows and rows[i] or i) - 1
    tally.broken[place] = r.broken[i] and r.pred_clean[i] == r.label[i]
    tally.zeros, tally.gradients = tally.zeros + r.zeros[i], tally.gradients + r.backwards[i]
    tally.forwards = tally.forwards + r.forwards[i]
    tally.backwards = tally.backwards + r.backwards[i]
  end
  tally.samples, tally.seconds = tally.samples + r.n, tally.seconds + r.seconds
  add_trace(tally.trace, r.trace)
end

local function run(work, tally, b, rows)
  local x, y, index = b.x, b.y, b.first - 1
  if rows then
    local list, numbers = cj.tensor(rows, "int64"), {}
    for i, row in ipairs(rows) do numbers[i] = b.first + row - 2 end
    x, y, index = core.attack_rows(x, list), core.attack_rows(y, list), cj.tensor(numbers, "int64")
  end
  local r = tally.attack(work.model, x, y, { index = index, quiet = true })
  add_result(tally, r, rows, b.first)
  return r
end

-- Rows of the batch that are right and that no white-box attack broke.
local function left_over(work, b)
  local rows = {}
  for i = 1, #b.labels do
    local place = b.first + i - 1
    local broken = not work.right[place]
    for _, tally in ipairs(work.tallies) do
      broken = broken or tally.white and tally.broken[place]
    end
    if not broken then rows[#rows + 1] = i end
  end
  return rows
end

-- Marks the samples of a batch that the model gets wrong at x.
local function mark_wrong(work, b, list, x)
  local predicted = cj.no_grad(function() return work.model(x):predict():table() end)
  for i, label in ipairs(b.labels) do
    local place = b.first + i - 1
    list[place] = list[place] or work.right[place] and predicted[i] ~= label
  end
end

-- A random point of the ball around each sample (its sphere for l2), by the number of the sample.
local function noisy(work, b, draw)
  local o, parts = work.o, {}
  local sizes = b.x.shape
  sizes[1] = 1
  for i = 1, #b.labels do
    local key = (o.seed % 2 ^ 16) * 2 ^ 36 + (b.first + i - 2) * 2 ^ 10 + draw
    if o.norm == "linf" then
      parts[i] = (cj.random.rand(sizes, b.x.dtype, key) * 2 - 1) * o.eps
    else
      local d = cj.random.randn(sizes, b.x.dtype, key)
      parts[i] = d * (o.eps / (d * d):sum():sqrt():item())
    end
  end
  return (b.x + cj.cat(parts, 1)):clamp(0, 1)
end

-- Adversarial examples that another model was shown.
local function transferred(work, b)
  local tally = work.by_key.iterated
  return tally.attack(work.o.transfer, b.x, b.y,
    { index = b.first - 1, quiet = true, paper = true }).x_adv
end

-- The network itself, not its plan: a plan always gives the same.
local function check_passes(work, b)
  local some = b.x:narrow(1, 1, math.min(REPEATED, b.x:size(1)))
  cj.no_grad(function()
    local first = work.net(some)
    local size = math.max(first:abs():max():item(), 1e-30)
    local labels = first:predict()
    for _ = 2, PASSES do
      local again = work.net(some)
      work.gap = math.max(work.gap, (again - first):abs():max():item() / size)
      work.changed = work.changed + again:predict():ne(labels):to("int64"):sum():item()
    end
  end)
end

local function look(work, b)
  cj.no_grad(function()
    guards.pixels("battery", b.x)
    local z = work.model(b.x)
    guards.logits("battery", z, b.x:size(1), work.set.classes)
    work.classes = z:size(2)
    for i, hit in ipairs(z:predict():eq(b.y):table()) do
      work.right[b.first + i - 1] = hit == 1
    end
  end)
  if b.first == 1 then check_passes(work, b) end
end

local function one_batch(work, b)
  look(work, b)
  for _, tally in ipairs(work.tallies) do
    if tally.key ~= "square" then
      local r = run(work, tally, b)
      if tally.key == "iterated" then
        mark_wrong(work, b, work.kept, r.x_adv)
        mark_wrong(work, b, work.rounded,
          rounding.eight_bit(r.x_adv, b.x, work.o.norm, work.o.eps))
      end
    end
  end
  local rows = left_over(work, b)
  if work.by_key.square and #rows > 0 then run(work, work.by_key.square, b, rows) end
  for draw = 1, work.o.draws do mark_wrong(work, b, work.noise, noisy(work, b, draw)) end
  if work.o.transfer then mark_wrong(work, b, work.transferred, transferred(work, b)) end
end

--- Runs everything.
-- @param net the model
-- @tparam DataSet set images and labels
-- @tparam table o options of the battery
-- @treturn table n, classes, right (list by sample), tallies (attacks with `broken` by sample, sums
--   and trace), by_key, noise, transferred, kept and rounded (lists by sample), gap and changed (of
--   repeated passes)
function M.gather(net, set, o)
  local work = {
    net = net, set = set, o = o, n = 0, right = {}, tallies = {}, by_key = {}, noise = {},
    transferred = {}, kept = {}, rounded = {}, gap = 0, changed = 0,
  }
  for i, entry in ipairs(M.attacks(o)) do
    for _, key in ipairs { "zeros", "gradients", "forwards", "backwards", "samples", "seconds" } do
      entry[key] = 0
    end
    entry.broken, entry.trace = {}, {}
    work.tallies[i], work.by_key[entry.key] = entry, entry
  end
  local bar = progress.new {
    label = "battery", total = set:size(), unit = "images", quiet = o.quiet,
  }
  for x, y in cj.data.batches(set, { batch = o.batch }) do
    if work.n == 0 then work.model = plans.model(net, x, true) end
    one_batch(work, { x = x, y = y, labels = y:table(), first = work.n + 1 })
    work.n = work.n + x:size(1)
    bar:update(work.n)
    interrupt.poll()
  end
  bar:finish()
  return work
end

return M
