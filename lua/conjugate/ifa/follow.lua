--- Step 2 of the IFA pipeline: X_n and Delta_N = X_N - X_0 of a set, chunk by chunk.
--
-- X_{n+1} = X_n - eps sign(grad CE(z(X_n), Y)), with true labels and a frozen classifier. A chunk's
-- Delta_N goes to delta-00001.npy, its counts to delta-00001.json; the second file is written last,
-- so a chunk that has both is done and is not done again.
-- @module conjugate.ifa.follow
-- @source Zhang et al., arXiv 2205.01493v3, supplement eq. 1-2
local cj = require "conjugate"
local files = require "conjugate.run.files"
local interrupt = require "conjugate.run.interrupt"
local json = require "conjugate.run.json"
local progress = require "conjugate.run.progress"
local system = require "conjugate.run.system"

local M = {}

-- Sides of images for which the paper says what high frequencies are.
local sides = { [28] = true, [32] = true }

-- Dense where the curve bends, sparse where it is flat.
local MARKS = { 0, 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150 }

--- The steps n at which accuracy is measured: dense at the start, then every 50.
-- @tparam integer steps N >= 0
-- @treturn {integer,...} rising, from 0 to N
function M.schedule(steps)
  local marks = {}
  for _, n in ipairs(MARKS) do
    if n < steps then marks[#marks + 1] = n end
  end
  for n = 200, steps - 1, 50 do marks[#marks + 1] = n end
  marks[#marks + 1] = steps
  return marks
end

--- Names of a chunk's two files.
-- @tparam string dir folder
-- @tparam integer number from 1
-- @treturn string the array's
-- @treturn string the counts'
function M.names(dir, number)
  local stem = ("%s/delta-%05d"):format(dir, number)
  return stem .. ".npy", stem .. ".json"
end

local function count(mask)
  return mask:to("float64"):sum():item()
end

-- Samples whose input gradient is zero in every element: they move no more.
local function frozen(net, x, y)
  local leaf = x:detach():clone()
  leaf.requires_grad = true
  local gradient = cj.grad(cj.cross_entropy(net(leaf), y, "sum"), { leaf })[1]
  return count(gradient:abs():flatten(2):max(2):eq(0))
end

-- X_n at the marks, as tensors [samples, ...] by n; and the attack's result, whose trace counts the
-- right predictions and the zero gradients of every n.
local function walk(job, x0, y)
  local parts = {}
  local result = cj.attacks.ifa {
    eps = job.eps, steps = job.steps, clip = job.clip, at = job.marks,
    hook = function(n, x)
      parts[n] = parts[n] or {}
      table.insert(parts[n], x:detach():clone())
    end,
  }(job.net, x0, y, { quiet = true })
  local at = {}
  for n, list in pairs(parts) do
    at[n] = #list == 1 and list[1] or cj.cat(list, 1)
    if at[n]:size(1) ~= x0:size(1) then
      error(("ifa: at n = %d some samples have gradients that are not finite"):format(n), 0)
    end
  end
  return at, result
end

-- Right predictions under the PGD attack that starts at X_n.
local function robust(job, x, y)
  local some = x:size(1)
  if some == 0 then return 0 end
  local attacked = job.attack(job.net, x, y, { quiet = true, paper = true }).x_adv
  return count(cj.predict(job.net, attacked):eq(y))
end

local function fresh_counts(job, size)
  return {
    samples = size, ra_samples = math.min(size, math.ceil(size * job.ra_share)),
    correct = json.array(), robust = json.array(), frozen = json.array(), hfr_sum = 0,
    hfr_count = 0,
  }
end

local function measure(job, counts, at, result, y)
  local some = counts.ra_samples
  for i, n in ipairs(job.marks) do
    local trace = result.trace[n + 1]
    counts.correct[i] = trace.correct
    counts.frozen[i] = n < job.steps and trace.zeros or frozen(job.net, at[n], y)
    counts.robust[i] = robust(job, at[n]:narrow(1, 1, some), y:narrow(1, 1, some))
    interrupt.poll()
  end
end

local function follow_chunk(job, number)
  local from = (number - 1) * job.chunk + 1
  local size = math.min(job.chunk, job.set:size() - from + 1)
  local x0, y = job.set:batch(from, size)
  local counts = fresh_counts(job, size)
  local at, result = walk(job, x0, y)
  measure(job, counts, at, result, y)
  if at[1] and sides[x0:size(3)] and sides[x0:size(4)] then -- the ratio of Delta_1
    local ratio = cj.metrics.frequency.ratio(at[1] - x0)
    counts.hfr_sum, counts.hfr_count = ratio.sum, ratio.count
  end
  local array, text = M.names(job.dir, number)
  assert(cj.io.write_npy(array, result.x_adv - x0))
  assert(files.write_json(text, counts))
  return counts
end

-- Sums the chunks' counts and turns them into percent.
local function totals(job, chunks)
  local t = {
    n = json.array(job.marks), ta = json.array(), ra = json.array(), frozen = json.array(),
    samples = 0, ra_samples = 0, eps = job.eps, steps = job.steps, clip = job.clip,
  }
  local hfr_sum, hfr_count = 0, 0
  for _, c in ipairs(chunks) do
    t.samples, t.ra_samples = t.samples + c.samples, t.ra_samples + c.ra_samples
    hfr_sum, hfr_count = hfr_sum + c.hfr_sum, hfr_count + c.hfr_count
    for i = 1, #job.marks do
      t.ta[i] = (t.ta[i] or 0) + c.correct[i]
      t.ra[i] = (t.ra[i] or 0) + c.robust[i]
      t.frozen[i] = (t.frozen[i] or 0) + c.frozen[i]
    end
  end
  for i = 1, #job.marks do
    t.ta[i], t.frozen[i] = 100 * t.ta[i] / t.samples, 100 * t.frozen[i] / t.samples
    t.ra[i] = t.ra_samples > 0 and 100 * t.ra[i] / t.ra_samples or json.null
  end
  t.hfr = hfr_count > 0 and hfr_sum / hfr_count or json.null
  t.hfr_undefined = t.samples - hfr_count
  return t
end

--- Follows a whole set, or what is left of it.
-- @tparam table job net (in evaluation mode), set, dir, eps (pixel units), steps (N), clip ("none"
--   or "box"), marks (from @{schedule}), attack (PGD that may start anywhere), chunk (samples held
--   at a time), ra_share (part of every chunk that is attacked, 0 to 1), quiet
-- @treturn table n, ta, ra, frozen (lists; percent), hfr (mean ratio of Delta_1), hfr_undefined
--   (samples with no Delta_1), samples, ra_samples, eps, steps, clip, chunks (how many)
function M.run(job)
  local chunks, total = {}, math.ceil(job.set:size() / job.chunk)
  local bar = progress.new {
    label = "IFA", total = job.set:size(), unit = "images", quiet = job.quiet,
  }
  for number = 1, total do
    local array, text = M.names(job.dir, number)
    local held = system.exists(array) and system.exists(text) and files.read_json(text)
    chunks[number] = held or follow_chunk(job, number)
    bar:update(math.min(number * job.chunk, job.set:size()))
  end
  local t = totals(job, chunks)
  t.chunks = total
  bar:finish(("TA %.2f -> %.2f %%"):format(t.ta[1], t.ta[#t.ta]))
  return t
end

return M
