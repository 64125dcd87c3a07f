--- What all optimisers share: parameters, options, state, saving and loading.
--
-- An optimiser is a table: `name`, `options` (rules of `check.options`), `slots(o)` (names of the
-- tensors it keeps per parameter), and `update(o, p, g, slots, step)`, one step for one parameter,
-- element by element: it also gets many parameters side by side as one tensor (`optim.flat`).
-- @module conjugate.optim.define
local cj = require "conjugate"
local check = require "conjugate.check"
local flat = require "conjugate.optim.flat"
local module = require "conjugate.nn.module"

--- What every optimiser can do. Its options are fields and may be changed between steps:
-- `optimizer.lr = 1e-4`.
-- @type Optimizer
local Optimizer = {}

-- { name, tensor } of every parameter, from a module or a list of tensors.
local function named(fn, parameters)
  if module.is_module(parameters) then return parameters:named_parameters() end
  check.table(fn, "parameters", parameters)
  local list = {}
  for i, p in ipairs(parameters) do
    list[i] = { tostring(i), check.tensor(fn, "parameters", p, "float") }
  end
  return list
end

local function construct(class, parameters, given)
  local o = check.options(class.name, given, class.options)
  local self = setmetatable({ step_count = 0, params = named(class.name, parameters) }, class.meta)
  if #self.params == 0 then
    check.fail(class.name, "expected a module or a list of tensors for parameters, got none")
  end
  for name, value in pairs(o) do
    if type(value) == "number" then check.number(class.name, name, value, 0) end
    self[name] = value
  end
  if class.check then class.check(self) end
  self.slot_names = class.slots(self)
  self.flats, self.slots = flat.gather(self.params, self.slot_names)
  return self
end

--- One step: moves every parameter that has a gradient. The gradients stay.
-- @treturn Optimizer self
function Optimizer:step()
  self.step_count = self.step_count + 1
  local function update(p, g, slots)
    self.class.update(self, p, g, slots, self.step_count)
  end
  cj.no_grad(function()
    local done = {}
    for _, one in ipairs(self.flats) do flat.step(one, update, done) end
    for i, pair in ipairs(self.params) do
      local g = not done[i] and pair[2].grad
      if g then update(pair[2], g, self.slots[i]) end
    end
  end)
  return self
end

--- Forgets the gradients of all parameters.
-- @treturn Optimizer self
function Optimizer:zero_grad()
  for _, pair in ipairs(self.params) do
    if pair[2].requires_grad then pair[2].grad = nil end
  end
  return self
end

--- All that an exact resume needs.
-- @treturn table `name`; `step`, the number of steps done; `options`, numbers and booleans by name;
--  `tensors`, list of { "PARAMETER.SLOT", tensor }: the optimiser's own, not copies
function Optimizer:state_dict()
  local options, tensors = {}, {}
  for name in pairs(self.class.options) do options[name] = self[name] end
  for i, pair in ipairs(self.params) do
    for _, slot in ipairs(self.slot_names) do
      tensors[#tensors + 1] = { pair[1] .. "." .. slot, self.slots[i][slot] }
    end
  end
  return { name = self.class.name, step = self.step_count, options = options, tensors = tensors }
end

--- Takes over a state of `state_dict`: options, step count and tensors.
-- @tparam table state; its `tensors` may be a list of pairs or a table by name
-- @treturn Optimizer self
-- @raise a state of another optimiser, missing tensors, shapes that differ
function Optimizer:load_state_dict(state)
  local fn = "load_state_dict"
  check.table(fn, "state", state)
  if state.name ~= self.class.name then
    check.fail(fn, "expected a state of %s, got one of %s", self.class.name, tostring(state.name))
  end
  local own = self:state_dict().tensors
  local given = module.keyed(check.table(fn, "tensors", state.tensors))
  for _, pair in ipairs(own) do
    local t = given[pair[1]]
    if not t or table.concat(t.shape, ",") ~= table.concat(pair[2].shape, ",") then
      check.fail(fn, "expected a tensor of sizes [%s] for %q, got %s",
        table.concat(pair[2].shape, ", "), pair[1], check.describe(t))
    end
  end
  for _, pair in ipairs(own) do pair[2]:copy_(given[pair[1]]) end
  for name in pairs(self.class.options) do
    local value = (state.options or {})[name]
    if value ~= nil then self[name] = value end
  end
  self.step_count = check.integer(fn, "step", state.step, 0)
  return self
end

-- `print(optimizer)`: its name and options.
local function text(self)
  local names, parts = {}, {}
  for name in pairs(self.class.options) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = ("%s %s"):format(name, tostring(self[name])) end
  return ("%s: %s; %d tensors, step %d"):format(self.class.name, table.concat(parts, ", "),
    #self.params, self.step_count)
end

--- Makes the constructor of an optimiser.
-- @tparam table class see above
-- @treturn function constructor(parameters, options); parameters is a module or a list of tensors
return function(class)
  class.meta = {
    __index = function(_, key) return key == "class" and class or Optimizer[key] end,
    __tostring = text,
  }
  return function(parameters, options)
    return construct(class, parameters, options)
  end
end
