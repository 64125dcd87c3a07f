--- The learning rate over a fit: schedules of `cj.optim.schedules` by name, or a function.
-- @module conjugate.train.schedule
local cj = require "conjugate"
local check = require "conjugate.check"

local M = {}

-- What a bare name means in a fit of so many epochs and steps.
local by_name = {
  cosine = function(epochs, steps) return "step", { steps = math.max(1, epochs * steps) } end,
  step = function(epochs) return "epoch", { every = math.max(1, math.ceil(epochs / 3)) } end,
  plateau = function() return "epoch", { factor = 0.5, patience = 3, min_lr = 1e-5 } end,
}

local function known(name)
  if not by_name[name] then
    check.fail("fit", 'expected "cosine", "step" or "plateau" for schedule, got %s',
      check.describe(name))
  end
  return name
end

local function named(job, name, given)
  local steps = math.ceil(job.set:size() / job.opts.batch)
  local unit, options = by_name[known(name)](job.opts.epochs, steps)
  for key, value in pairs(given) do
    if key == "per" then
      unit = check.one_of("fit", "schedule.per", value, { "epoch", "step" })
    elseif key ~= "name" then
      options[key] = value
    end
  end
  return { unit = unit, object = cj.optim.schedules[name](job.optimizer, options) }
end

--- The schedule of a job.
-- @tparam table job with opts, set and optimizer
-- @treturn ?table nil when the rate stays as it is
-- @raise names and options that schedules do not know
function M.make(job)
  local spec = job.opts.schedule
  if spec == nil then return nil end
  if type(spec) == "string" then return named(job, spec, {}) end
  if type(spec) == "table" and spec.state_dict then return { unit = "epoch", object = spec } end
  if type(spec) == "table" and spec.name then return named(job, spec.name, spec) end
  check.callable("fit", "schedule", spec)
  local self = { unit = "step", factor = spec, base = job.optimizer.lr, optimizer = job.optimizer }
  M.after_step(self, 0, 1)
  return self
end

--- A batch is done.
-- @tparam ?table schedule what `make` gave
-- @tparam integer step batches done in all
-- @tparam integer epoch the running epoch
function M.after_step(schedule, step, epoch)
  if not schedule or schedule.unit ~= "step" then return end
  if schedule.factor then
    local factor = schedule.factor(step, epoch)
    schedule.optimizer.lr = schedule.base * check.number("fit", "the result of schedule", factor, 0)
  else
    schedule.object:step()
  end
end

--- An epoch is done.
-- @tparam ?table schedule what `make` gave
-- @tparam number loss mean loss of the epoch
function M.after_epoch(schedule, loss)
  if schedule and schedule.unit == "epoch" then schedule.object:step(loss) end
end

--- What a resume needs; the rate itself is kept by the optimiser.
-- @tparam ?table schedule what `make` gave
-- @treturn table plain values
function M.pack(schedule)
  if not schedule then return {} end
  return schedule.object and schedule.object:state_dict() or { base = schedule.base }
end

--- Takes up what `pack` gave.
-- @tparam ?table schedule what `make` gave
-- @tparam table state plain values
function M.unpack(schedule, state)
  if not schedule then return end
  if schedule.object then
    schedule.object:load_state_dict(state)
  else
    schedule.base = state.base
  end
end

return M
