--- Training: `cj.fit`, with progress, history, evaluation, checkpoints and exact resume.
--
-- A fit is a *job*: the network, the optimiser, the schedule, the history and the place it has
-- reached. With `out` the job lives in a run directory and can be killed at any moment: the same
-- call goes on from the last checkpoint and ends with the same bytes, because the checkpoint holds
-- all that later steps depend on (parameters, buffers, optimiser, schedule, generator, place,
-- history).
-- @module conjugate.train
local cj = require "conjugate"
local check = require "conjugate.check"
local checkpoint = require "conjugate.run.checkpoint"
local forward = require "conjugate.train.forward"
local interrupt = require "conjugate.run.interrupt"
local json = require "conjugate.run.json"
local mode = require "conjugate.nn.mode"
local metrics = require "conjugate.metrics.accuracy"
local progress = require "conjugate.run.progress"
local runs = require "conjugate.run"
local schedules = require "conjugate.train.schedule"
local setup = require "conjugate.train.setup"
local system = require "conjugate.run.system"
local wilson = require "conjugate.metrics.wilson"

local M = {}

local RECORD_ORDER = { "kind", "epoch", "step", "loss", "accuracy", "lr", "ta", "ta_interval", "n" }

-- --- the state ----------------------------------------------------------------------------------

local function fresh_sums()
  return { loss = 0, hits = 0, seen = 0 }
end

-- All tensors of the state: the network's under "model.", the optimiser's under "optimizer.".
local function state_entries(job)
  local entries = {}
  for _, pair in ipairs(job.net:state_dict()) do
    entries[#entries + 1] = { "model." .. pair[1], pair[2] }
  end
  local state = job.optimizer:state_dict()
  for _, pair in ipairs(state.tensors) do
    entries[#entries + 1] = { "optimizer." .. pair[1], pair[2] }
  end
  return entries, { name = state.name, step = state.step, options = state.options }
end

local function save_state(job)
  if not job.run then return end
  local started = system.now()
  local entries, numbers = state_entries(job)
  local place = { epoch = job.epoch, position = job.position, step = job.step, sums = job.sums }
  local ok, message = job.run:save_state(entries, {
    place = json.encode(place), history = json.encode(job.history.epochs),
    optimizer = json.encode(numbers), schedule = json.encode(schedules.pack(job.schedule)),
    generator = json.encode(cj.random.state()),
  })
  if not ok then error("fit: " .. message, 0) end
  job.saved_at, job.saved_step = system.now(), job.step
  job.save_time = job.saved_at - started
end

local function under(tensors, prefix)
  local found = {}
  for name, tensor in pairs(tensors) do
    if name:sub(1, #prefix) == prefix then found[name:sub(#prefix + 1)] = tensor end
  end
  return found
end

-- Runs f, which takes over what a file holds; what it finds wrong is said of the file.
local function take_over(path, f)
  local ok, message = pcall(f)
  if ok then return end
  if interrupt.is(message) then error(message, 0) end
  error(("fit: %s does not suit this run (%s): delete the folder to start over"):format(path,
    check.without_place(message)), 0)
end

-- Takes up the state of a job that was stopped. Numbers that were NaN come back as null.
local function take_state(job, tensors, about)
  for _, key in ipairs { "place", "history", "optimizer", "generator" } do
    check.table("state", key, about[key])
  end
  check.table("state", "place.sums", about.place.sums)
  for _, key in ipairs { "epoch", "position", "step" } do
    check.integer("state", "place." .. key, about.place[key], 0)
  end
  for _, key in ipairs { "hits", "seen" } do
    check.integer("state", "place.sums." .. key, about.place.sums[key], 0)
  end
  job.net:load_state_dict(under(tensors, "model."))
  about.optimizer.tensors = under(tensors, "optimizer.")
  job.optimizer:load_state_dict(about.optimizer)
  schedules.unpack(job.schedule, about.schedule)
  cj.random.restore(about.generator)
  local place = about.place
  job.epoch, job.position, job.step = place.epoch, place.position, place.step
  job.sums = place.sums
  if job.sums.loss == json.null then job.sums.loss = 0 / 0 end
  job.history.epochs = json.array(about.history)
  job.history.resumed_at = job.step
end

local function load_state(job)
  local tensors, meta = job.run:load_state()
  if not tensors then error("fit: " .. tostring(meta), 0) end
  take_over(job.run:path "state.safetensors", function()
    take_state(job, tensors, checkpoint.about(meta))
  end)
  return tonumber(meta.metrics_bytes)
end

-- --- steps --------------------------------------------------------------------------------------

local function log_record(job, record)
  if not job.run then return end
  local ok, message = job.run:log(record, RECORD_ORDER)
  if not ok then error("fit: " .. message, 0) end
end

-- One batch: forward, backward, optimiser. The sums are doubles of exact floats, so their order is
-- all that matters, and that is fixed.
local function train_step(job, x, y)
  job.whole = false
  local n = x:size(1)
  local loss, z = forward.run(job, x, y)
  job.sums.lr = job.optimizer.lr
  job.optimizer:step()
  local value = loss:item()
  job.sums.loss = job.sums.loss + value * n
  job.sums.hits = job.sums.hits + metrics.hits(z:detach():predict(), y)
  job.sums.seen = job.sums.seen + n
  job.step, job.position = job.step + 1, job.position + 1
  schedules.after_step(job.schedule, job.step, job.epoch)
  if job.opts.log_steps and job.step % job.opts.log_steps == 0 then
    log_record(job, { kind = "step", epoch = job.epoch, step = job.step, loss = value })
  end
  job.whole = true
  return value
end

-- A state is due after some steps or some time, but saving must not cost more than a twentieth.
local function due(job)
  if not job.run then return false end
  local steps, seconds = job.opts.checkpoint_steps, job.opts.checkpoint_seconds
  if steps and job.step - job.saved_step >= steps then return true end
  return system.now() - job.saved_at >= math.max(seconds, 20 * (job.save_time or 0))
end

-- The batches of this epoch that have not been done.
local function remaining(job)
  return cj.data.batches(job.set, {
    batch = job.opts.batch, shuffle = job.opts.shuffle and job.seed, augment = job.opts.augment,
    epoch = job.epoch, skip = job.position, seed = job.seed,
  })
end

local function mean_loss(job)
  return job.sums.loss / job.sums.seen
end

local function label_of(job)
  local label = job.opts.label and job.opts.label .. " " or ""
  return ("%sepoch %d/%d"):format(label, job.epoch, job.opts.epochs)
end

local function train_epoch(job)
  local total = math.ceil(job.set:size() / job.opts.batch)
  local bar = progress.new {
    label = label_of(job),
    total = total, unit = "batches", done = job.position, quiet = job.opts.quiet,
  }
  job.net:train()
  for x, y in remaining(job) do
    local value = train_step(job, x, y)
    bar:update(job.position, ("loss %.4f"):format(mean_loss(job)))
    if job.opts.on_step then
      job.opts.on_step { net = job.net, epoch = job.epoch, step = job.step, loss = value }
    end
    if due(job) then save_state(job) end
    interrupt.poll()
  end
  bar:finish(("loss %.4f, training accuracy %.2f %%")
    :format(mean_loss(job), 100 * job.sums.hits / job.sums.seen))
end

-- --- epochs -------------------------------------------------------------------------------------

local function evaluate_epoch(job, record)
  if not job.opts.test then return end
  local hits, n = metrics.count(job.net, job.opts.test,
    { quiet = job.opts.quiet, batch = job.opts.test_batch, label = label_of(job) .. " test" })
  local low, high = wilson.interval(hits, n)
  record.ta, record.ta_interval, record.n = 100 * hits / n, { 100 * low, 100 * high }, n
  if not job.opts.quiet and os.getenv "CONJUGATE_QUIET" ~= "1" then
    io.stderr:write(("%s  TA %.2f %% [%.2f, %.2f] of %d\n")
      :format(label_of(job), record.ta, 100 * low, 100 * high, n))
  end
end

local function about_result(job)
  return {
    model = job.net.config, data = checkpoint.describe_data(job.set), seed = job.seed,
    training = job.config, history = json.array(job.history.epochs), generator = cj.random.state(),
  }
end

local function keeps(job, epoch)
  local keep = job.opts.keep
  if keep == "all" then return true end
  for _, wanted in ipairs(keep or {}) do
    if wanted == epoch then return true end
  end
  return false
end

local function keep_epoch(job)
  if not job.run or not keeps(job, job.epoch) then return end
  local path = job.run:path(("epoch-%04d.safetensors"):format(job.epoch))
  local ok, message = checkpoint.save(path, job.net, about_result(job))
  if not ok then error("fit: " .. message, 0) end
end

local function end_epoch(job)
  local record = {
    epoch = job.epoch, step = job.step, loss = mean_loss(job),
    accuracy = 100 * job.sums.hits / job.sums.seen, lr = job.sums.lr,
  }
  evaluate_epoch(job, record)
  job.whole = false
  schedules.after_epoch(job.schedule, record.loss)
  table.insert(job.history.epochs, record)
  local line = { kind = "epoch" }
  for key, value in pairs(record) do line[key] = value end
  log_record(job, line)
  keep_epoch(job)
  if job.opts.on_epoch then job.opts.on_epoch(record, job.net, job.history) end
  job.epoch, job.position, job.sums = job.epoch + 1, 0, fresh_sums()
  job.whole = true
  save_state(job)
end

-- --- the whole ----------------------------------------------------------------------------------

-- A finished run is read, not repeated: its weights, history and generator state are taken over.
local function take_result(job)
  local _, path = job.run:checkpoints()
  local tensors, meta = require("conjugate.run.files").read_tensors(path)
  if not tensors then error("fit: " .. tostring(meta), 0) end
  take_over(path, function()
    local about = checkpoint.about(meta)
    check.table("checkpoint", "history", about.history)
    job.net:load_state_dict(tensors)
    cj.random.restore(about.generator)
    job.history.epochs = json.array(about.history)
  end)
  job.history.finished_before = true
  local last = job.history.epochs[#job.history.epochs]
  job.step = last and last.step or 0
  if not job.opts.quiet and os.getenv "CONJUGATE_QUIET" ~= "1" then
    io.stderr:write(("%s is finished (%d epochs); nothing to do\n")
      :format(job.run.dir, #job.history.epochs))
  end
end

local function work(job)
  local bytes = 0
  if job.run and job.run.resumed then bytes = load_state(job) end
  if job.run then
    local ok, message = job.run:open_log(bytes)
    if not ok then error("fit: " .. message, 0) end
  end
  job.saved_at, job.saved_step = system.now(), job.step
  while job.epoch <= job.opts.epochs do
    train_epoch(job)
    end_epoch(job)
  end
  if not job.run then return end
  local ok, message = job.run:finish(job.net:state_dict(), checkpoint.metadata(about_result(job)))
  if not ok then error("fit: " .. message, 0) end
end

-- What a stopped job leaves behind. Between steps (and only there) its state is whole and is saved;
-- after a second Ctrl-C inside a step the last checkpoint stands.
local function stop(job)
  progress.clear()
  local finished = job.run and job.run.finished
  if job.whole and not finished then pcall(save_state, job) end
  job.history.interrupted = true
  if job.opts.on_interrupt == "return" then return end
  local advice = "the network keeps what it has learnt"
  if job.run then
    advice = finished and "%s is finished" or "the same command goes on from %s"
    advice = advice:format(job.run.dir)
  end
  error(("interrupted: fit stopped in epoch %d of %d after %d steps; %s")
    :format(job.epoch, job.opts.epochs, job.step, advice), 0)
end

local function run_job(job)
  if job.run and job.run.finished then return take_result(job) end
  return work(job)
end

--- Trains a network on a data set.
--
-- Ctrl-C ends the work after the running batch (a second one at once). The network keeps what it
-- has learnt, its mode is set back, with `out` a checkpoint is written, and the error
-- "interrupted: fit stopped ..." is raised, so that a script stops too; with
-- `on_interrupt = "return"` the history comes back instead, with `interrupted = true`.
-- @tparam Module net network that gives logits [B, K]; trained in place
-- @tparam DataSet set training images and labels
-- @tparam[opt] table opts
--
-- - `epochs` (1) passes over the set; `batch` (128) images a step; `shuffle` (true)
-- - `lr` (1e-3), `optimizer` ("adam": a name of `cj.optim`, or an optimiser made by hand),
--   `weight_decay`, `momentum` and other options of the optimiser in `optimizer_options`
-- - `schedule`: "cosine", "step", "plateau", a table { name = ..., options }, or a function of
--   (step, epoch) that gives a factor for lr
-- - `loss`: function of (logits, labels) that gives a scalar; cross entropy by default
-- - `augment`: what `cj.data.batches` takes
-- - `test`: a data set, evaluated after each epoch; `test_batch` (250)
-- - `out`: run directory; `keep`: "all" or a list of epochs kept as epoch-NNNN.safetensors;
--   `checkpoint_seconds` (5) and `checkpoint_steps` between states; `log_steps` (50) between
--   records; `config`: further things for config.json that tell runs apart
-- - `plan` (true): compile the step; false runs it call by call. `exact` (false): leave out
--   algorithms that lose digits. Both change the last digits of the result
-- - `seed` of shuffling and augmentation; the generator's seed by default
-- - `on_step(info)`, `on_epoch(record, net, history)`; `quiet`, `label` of the progress bar
-- @treturn table history: `epochs` (list of { epoch, step, loss, accuracy (percent, while
-- training), lr, ta, ta_interval (percent), n }), `steps`, `seconds`, `interrupted`, `resumed_at`,
-- `finished_before`
-- @raise wrong options; "fit: runs/a holds a run with another configuration (...)"; interrupted
-- @usage cj.fit(net, train, { epochs = 2, test = test, out = "runs/a" })
function M.fit(net, set, opts)
  local job = setup.job(net, set, opts)
  local started = system.now()
  job.history = { epochs = json.array(), steps = 0, seconds = 0, interrupted = false }
  job.epoch, job.position, job.step, job.sums = 1, 0, 0, fresh_sums()
  if job.opts.out then
    local message
    job.run, message = runs.open { dir = job.opts.out, config = job.config }
    if not job.run then error("fit: " .. message, 2) end
  end
  local restore = mode.modes(net)
  local ok, message = interrupt.guard(function() run_job(job) end)
  if not ok and interrupt.is(message) then ok, message = pcall(stop, job) end
  if job.run then job.run:close() end
  restore()
  if not ok then error(message, 0) end
  job.history.steps, job.history.seconds = job.step, system.now() - started
  return job.history
end

M.options = setup.options

return M
