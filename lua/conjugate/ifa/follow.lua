--- Step 2 of the IFA pipeline: X_n and Delta_N = X_N - X_0 of a set, chunk by chunk.
--
-- X_{n+1} = X_n - eps sign(grad CE(z(X_n), Y)), with true labels and a frozen classifier. A chunk's
-- Delta_N goes to delta-00001.npy, its counts to delta-00001.json; the second file is written last,
-- so a chunk that has both is done and is not done again.
-- @module conjugate.ifa.follow
-- @source Zhang et al., arXiv 2205.01493v3, supplement eq. 1-2
local cj = require "conjugate"
local check = require "conjugate.check"
local files = require "conjugate.run.files"
local interrupt = require "conjugate.run.interrupt"
local json = require "conjugate.run.json"
local plans = require "conjugate.plan"
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
  check.integer("schedule", "steps", steps, 0, 1e6)
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

local function rows_of(x, rows)
  if #rows == x:size(1) then return x end
  return x:index_select(1, cj.tensor(rows, "int64"))
end

-- Follows the rows that still move from one mark to the next. A sample whose gradient was zero once
-- stays where it is, so it is left out from then on: that changes nothing but the time.
local function advance(job, chunk, steps)
  local moving = chunk.moving
  if #moving == 0 then return end
  local r = cj.attacks.ifa { eps = job.eps, steps = steps, clip = job.clip }(
    job.model, rows_of(chunk.x, moving), rows_of(chunk.y, moving), { quiet = true })
  chunk.moving = {}
  for j, row in ipairs(moving) do
    if r.status[j] == "NAN" then
      error(("ifa: the gradient of a sample is not finite after %d steps"):format(chunk.n), 0)
    end
    chunk.x:select(1, row):copy_(r.x_adv:select(1, j))
    chunk.right[row] = r.pred_adv[j] == r.label[j]
    if r.zeros[j] == 0 then table.insert(chunk.moving, row) end
  end
end

-- PGD from X_n; only rows that moved since the last mark can answer differently.
local function attack_rows(job, chunk, moved)
  local rows = {}
  for _, row in ipairs(moved) do
    if row <= chunk.counts.ra_samples then rows[#rows + 1] = row end
  end
  if #rows == 0 then return end
  local r = job.attack(job.model, rows_of(chunk.x, rows), rows_of(chunk.y, rows),
    { quiet = true, paper = true })
  for j, row in ipairs(rows) do chunk.robust[row] = r.pred_adv[j] == r.label[j] end
end

local function count_true(list)
  local n = 0
  for _, item in ipairs(list) do n = n + (item and 1 or 0) end
  return n
end

local function fresh_chunk(job, x0, y)
  local size = x0:size(1)
  local chunk = {
    x = x0:clone(), y = y, n = 0, moving = {}, right = {}, robust = {},
    counts = {
      samples = size, ra_samples = math.min(size, math.ceil(size * job.ra_share)),
      correct = json.array(), robust = json.array(), frozen = json.array(), hfr_sum = 0,
      hfr_count = 0,
    },
  }
  local hits = cj.predict(job.model, x0):eq(y):table()
  for row = 1, size do
    chunk.moving[row], chunk.right[row] = row, hits[row] == 1
    if row <= chunk.counts.ra_samples then chunk.robust[row] = false end
  end
  return chunk
end

local function measure(job, chunk, i, moved)
  local counts = chunk.counts
  attack_rows(job, chunk, moved)
  counts.correct[i], counts.robust[i] = count_true(chunk.right), count_true(chunk.robust)
  counts.frozen[i] = counts.samples - #chunk.moving
end

-- Delta_1 carries the high-frequency ratio of the conjugate.
local function add_ratio(counts, delta)
  if not (sides[delta:size(3)] and sides[delta:size(4)]) then return end
  local ratio = cj.metrics.frequency.ratio(delta)
  counts.hfr_sum, counts.hfr_count = ratio.sum, ratio.count
end

local function follow_chunk(job, number)
  local from = (number - 1) * job.chunk + 1
  local x0, y = job.set:batch(from, math.min(job.chunk, job.set:size() - from + 1))
  job.model = job.model or plans.model(job.net, x0)
  local chunk = fresh_chunk(job, x0, y)
  for i, mark in ipairs(job.marks) do
    local moved = chunk.moving
    if mark > chunk.n then advance(job, chunk, mark - chunk.n) end
    chunk.n = mark
    measure(job, chunk, i, moved)
    if mark == 1 then add_ratio(chunk.counts, chunk.x - x0) end
    interrupt.poll()
  end
  local array, text = M.names(job.dir, number)
  assert(cj.io.write_npy(array, chunk.x - x0))
  assert(files.write_json(text, chunk.counts))
  return chunk.counts
end

-- Sums the chunks' counts and turns them into percent.
local function totals(job, chunks)
  local t = {
    n = json.array(job.marks), ta = json.array(), ra = json.array(), frozen = json.array(),
    samples = 0, ra_samples = 0, eps = job.eps, steps = job.steps, clip = job.clip,
    ra_clip_box = job.clip == "box",
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
-- @treturn table n, ta, ra, frozen (lists; percent; frozen: stood still in the step before X_n),
--   hfr (mean ratio of Delta_1), hfr_undefined (samples with no Delta_1), samples, ra_samples, eps,
--   steps, clip, chunks (how many)
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
