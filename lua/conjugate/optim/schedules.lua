--- Schedules: rules that change an optimiser's learning rate as training goes on.
--
-- `schedule:step()` after every epoch (or step, whichever unit the options count) sets
-- `optimizer.lr`. `schedule:state_dict()` is a table of plain numbers that `load_state_dict` takes.
-- @module conjugate.optim.schedules
local check = require "conjugate.check"

local M = {}

--- What every schedule can do.
-- @type Schedule
local Schedule = {}

--- One unit has passed: sets the optimiser's learning rate.
-- @tparam[opt] number measured the loss or accuracy of this unit; plateau needs it
-- @treturn number the new learning rate
function Schedule:step(measured)
  self.state.count = self.state.count + 1
  self.optimizer.lr = self.class.rate(self, self.state, self.optimizer.lr, measured)
  return self.optimizer.lr
end

--- All that an exact resume needs, the learning rate apart, which the optimiser saves.
-- @treturn table plain numbers by name, and `name`
function Schedule:state_dict()
  local copy = { name = self.class.name }
  for key, value in pairs(self.state) do copy[key] = value end
  return copy
end

--- Takes over a state of `state_dict`.
-- @tparam table state
-- @treturn Schedule self
-- @raise a state of another schedule
function Schedule:load_state_dict(state)
  check.table("load_state_dict", "state", state)
  if state.name ~= self.class.name then
    check.fail("load_state_dict", "expected a state of the %s schedule, got one of %s",
      self.class.name, tostring(state.name))
  end
  for key in pairs(self.state) do
    if state[key] ~= nil then self.state[key] = state[key] end
  end
  return self
end

-- The constructor of a schedule: `name`, `options`, `rate(o, state, lr, measured)` and optionally
-- `check(o)` and `state(o)`, the first state.
local function define(class)
  local meta = {
    __index = function(_, key) return key == "class" and class or Schedule[key] end,
  }
  return function(optimizer, given)
    if type(optimizer) ~= "table" or type(optimizer.lr) ~= "number" then
      check.fail(class.name, "expected an optimiser for optimizer, got %s",
        check.describe(optimizer))
    end
    local self = check.options(class.name, given, class.options)
    self.optimizer = optimizer
    self.state = class.state and class.state(self) or {}
    self.state.count, self.state.base_lr = 0, optimizer.lr
    if class.check then class.check(self) end
    return setmetatable(self, meta)
  end
end

--- lr = base factor^floor(n / every) after n units.
-- @function step
-- @tparam Optimizer optimizer its lr at this moment is the base
-- @tparam[opt] table options every (30), in units; factor (0.1)
-- @treturn Schedule
-- @raise wrong or unknown options
-- @source PyTorch, StepLR
M.step = define {
  name = "step",
  options = { every = { "integer", 30 }, factor = 0.1 },
  check = function(o)
    check.integer("step", "every", o.every, 1)
    check.number("step", "factor", o.factor, 0)
  end,
  rate = function(o, state)
    return state.base_lr * o.factor ^ math.floor(state.count / o.every)
  end,
}

--- lr = min_lr + (base - min_lr) (1 + cos(pi n / steps)) / 2 after n units, and min_lr from
-- n = steps on.
-- @function cosine
-- @tparam Optimizer optimizer its lr at this moment is the base
-- @tparam table options steps, the units of the way down; min_lr (0)
-- @treturn Schedule
-- @raise wrong or unknown options
-- @source Loshchilov and Hutter, ICLR 2017; PyTorch, CosineAnnealingLR
M.cosine = define {
  name = "cosine",
  options = { steps = { type = "integer", required = true }, min_lr = 0 },
  check = function(o)
    check.integer("cosine", "steps", o.steps, 1)
    check.number("cosine", "min_lr", o.min_lr, 0)
  end,
  rate = function(o, state)
    local part = math.min(state.count / o.steps, 1)
    return o.min_lr + (state.base_lr - o.min_lr) * (1 + math.cos(math.pi * part)) / 2
  end,
}

-- Is a better than the best so far by more than the threshold (relative)?
local function better(o, a, best)
  if best == nil then return true end
  if o.mode == "min" then return a < best - o.threshold * math.abs(best) end
  return a > best + o.threshold * math.abs(best)
end

--- lr <- max(factor lr, min_lr) when the measured value has not improved for more than `patience`
-- units; then nothing is counted for `cooldown` units.
-- @function plateau
-- @tparam Optimizer optimizer
-- @tparam[opt] table options factor (0.1), patience (10), mode ("min" or "max"), threshold (1e-4,
--  relative), cooldown (0), min_lr (0)
-- @treturn Schedule; `schedule:step(measured)` needs the value
-- @raise wrong or unknown options; a step without a number
-- @source PyTorch, ReduceLROnPlateau
M.plateau = define {
  name = "plateau",
  options = {
    factor = 0.1, patience = { "integer", 10 }, mode = "min", threshold = 1e-4,
    cooldown = { "integer", 0 }, min_lr = 0,
  },
  check = function(o)
    check.number("plateau", "factor", o.factor, 0, 1)
    check.integer("plateau", "patience", o.patience, 0)
    check.integer("plateau", "cooldown", o.cooldown, 0)
    check.one_of("plateau", "mode", o.mode, { "min", "max" })
  end,
  state = function() return { bad = 0, cooling = 0, best = false } end,
  rate = function(o, state, lr, measured)
    check.number("step", "measured", measured)
    if better(o, measured, state.best or nil) then
      state.best, state.bad = measured, 0
    else
      state.bad = state.bad + 1
    end
    if state.cooling > 0 then state.cooling, state.bad = state.cooling - 1, 0 end
    if state.bad <= o.patience then return lr end
    state.cooling, state.bad = o.cooldown, 0
    return math.max(lr * o.factor, o.min_lr)
  end,
}

return M
