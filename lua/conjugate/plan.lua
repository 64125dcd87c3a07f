--- Plans: functions of tensors compiled for speed.
--
-- A plan is made from one call of a network, or of any function made of operators, on an example.
-- What the call did is written down, fused and laid out in memory beforehand; a plan then does it
-- again on any number of images, a few at a time through all layers on every thread. Attacks,
-- `cj.evaluate` and `cj.fit` make plans for themselves; `cj.compile` is for loops of your own.
--
--     local plan = cj.compile(net, x)
--     local z = plan(x)                        -- as net(x) in evaluation mode, to rounding
--     local gx = plan:gradient(x, gz)
--     print(plan:describe())
--
-- @module conjugate.plan
local check = require "conjugate.check"
local core = require "conjugate.core"
local mode = require "conjugate.nn.mode"

local M = {}

-- Images of a piece, when nobody says how many: enough to share the weights that are read for each
-- piece; fewer where a thread would need more memory than that.
local USUAL, FEW, MUCH = 8, 4, 16 * 2 ^ 20

--- What `compile` gives.
-- @type Plan
local Plan = {}

-- --- the network that was compiled ---------------------------------------------------------------

-- Parts of a network: { module, field, value } of every child, parameter and buffer.
local function parts_of(net)
  local parts, tensors = {}, {}
  for _, entry in ipairs(net:named_modules()) do
    local module = entry[2]
    for _, list in ipairs { module._children, module._parameters, module._buffers } do
      for _, name in ipairs(list) do
        parts[#parts + 1] = { module, name, module[name] }
        if core.is_tensor(module[name]) then tensors[#tensors + 1] = module[name] end
      end
    end
  end
  return parts, tensors
end

-- The first field of the network that is not what it was; nil when all are.
local function changed_part(self)
  for _, part in ipairs(self.parts) do
    if rawget(part[1], part[2]) ~= part[3] then return part[2] end
  end
  return nil
end

-- A plan reads the memory of the parameters it was compiled with: other ones need another plan.
local function check_parts(self)
  local name = changed_part(self)
  if name then
    check.fail("plan", 'the network has another "%s" than when it was compiled; compile it again',
      name)
  end
end

-- --- compiling -----------------------------------------------------------------------------------

local function is_module(f)
  return type(f) == "table" and rawget(f, "_children") ~= nil
end

--- Is a value a plan?
-- @param v any value
-- @treturn boolean
local function is_plan(v)
  return getmetatable(v) == Plan
end

local function example_like(x, rows)
  local sizes = x.shape
  sizes[1] = rows
  return core.new(sizes, 0, x.dtype, "compile")
end

-- What a function does twice in the same way is compiled. One with a state of its own in Lua (a
-- counter that enters a factor, say) gives itself away the second time.
local function compile_once(f, examples, o)
  local made, reason = core.plan_compile(f, examples, o)
  if made and not core.plan_repeats(f, examples, o, made) then
    core.plan_release(made)
    return nil, "it does not do the same when it is called again"
  end
  return made, reason
end

local function compile_rows(f, x, o, tensors)
  local settings = { pulls = o.gradients, exact = o.exact, keep = tensors }
  local made, reason = compile_once(f, { example_like(x, o.images or USUAL) }, settings)
  if not made then return nil, reason end
  if o.images or core.plan_about(made).bytes <= MUCH then return made end
  core.plan_release(made)
  return core.plan_compile(f, { example_like(x, FEW) }, settings)
end

local function compile(f, x, o)
  local parts, tensors = {}, {}
  if is_module(f) then parts, tensors = parts_of(f) end
  local made, reason = mode.in_eval(f, function()
    return compile_rows(f, x, o, tensors)
  end)
  if not made then return nil, reason end
  return setmetatable({
    core = made, rows = core.plan_about(made).rows, parts = parts, exact = o.exact,
    name = is_module(f) and f.class_name or "function",
  }, Plan)
end

local OPTIONS = { exact = false, gradients = true, images = { "integer" } }

--- Compiles a network, in evaluation mode, or a function of one tensor.
--
-- The function is called on zeros, once or twice, without computing anything; it must do the same
-- operators for any images and may not look at elements (`item`, `x[i]`), change tensors in place,
-- or draw random numbers. Images must not depend on each other.
-- @function compile
-- @tparam Module|function f x [B, ...] -> one or more tensors [B, ...]
-- @tparam Tensor example float, with the sizes and type of what the plan will get; the number of
--   rows and the elements do not matter
-- @tparam[opt] table opts `exact` (false): leave out algorithms that lose digits (Winograd);
--   `gradients` (true): whether gradients will be asked for; `images`: how many go through the
--   layers together (8, or 4 where these need much memory)
-- @treturn Plan callable with any number of rows; weights that change in place are seen by the next
--   call
-- @raise "compile: cannot be compiled: it looks at elements of the result of max" and the like;
--   what f raises
-- @usage local plan = cj.compile(net, x)
-- print(plan:describe())
function M.compile(f, example, opts)
  check.callable("compile", "f", f)
  check.tensor("compile", "example", example, "float")
  if example:dim() < 1 then
    check.fail("compile", "expected an example of sizes [B, ...], got %s", check.describe(example))
  end
  local o = check.options("compile", opts, OPTIONS)
  if o.images then check.integer("compile", "images", o.images, 1, 4096) end
  local plan, reason = compile(f, example, o)
  if not plan then check.fail("compile", "cannot be compiled: %s", reason) end
  return plan
end

-- --- for the library -----------------------------------------------------------------------------

-- Largest difference from the network's own logits, as a share of the largest logit.
local BOUND, EXACT_BOUND = 1e-3, 1e-4

M.enabled = true -- for tests: false lets everything run without plans

-- Does the plan give what the network gives for some of these images?
local function agrees(net, plan, x)
  local some = x:detach():narrow(1, 1, math.min(2, x:size(1)))
  return core.with_grad(false, function()
    local z, own = net(some), plan(some)
    if not core.is_tensor(z) or table.concat(z.shape, ",") ~= table.concat(own.shape, ",") then
      return false
    end
    local gap, scale = (z - own):abs():max():item(), z:abs():max():item()
    return gap <= (plan.exact and EXACT_BOUND or BOUND) * scale
  end)
end

-- Runs f; an error means that there is no plan, and what is wrong with a call is for the call
-- itself to say. Only interruptions and a lack of memory are raised.
local function attempt(f)
  local ok, plan = pcall(f)
  if ok then return plan end
  local text = tostring(plan)
  if text:find("interrupted", 1, true) or text:find("memory", 1, true) then error(plan, 0) end
  return nil
end

--- A plan for a network, if there is one.
-- Plans pass through; functions and networks that cannot be compiled, or that behave differently
-- when they are called again, have none. How many images there are does not matter, so that results
-- do not depend on it. A plan is made for one call of the library and not kept: nobody could tell
-- whether a network's layers still do the same.
-- @function try
-- @param model anything callable
-- @tparam Tensor x images it will be called with
-- @tparam[opt=true] boolean gradients will be asked for
-- @treturn ?Plan
function M.try(model, x, gradients)
  if is_plan(model) then return model end
  if not M.enabled or not is_module(model) or x:size(1) == 0 then return nil end
  return attempt(function()
    local made = compile(model, x, { exact = false, gradients = gradients ~= false })
    if made and mode.in_eval(model, function()
      return agrees(model, made, x)
    end) then
      return made
    end
    if made then made:release() end
    return nil
  end)
end

--- A network's plan in its place, for loops that call it often; anything else as it is.
-- @function model
-- @param model anything callable
-- @tparam Tensor x images it will be called with
-- @tparam[opt=true] boolean gradients will be asked for
-- @return a plan, or model
function M.model(model, x, gradients)
  return M.try(model, x, gradients) or model
end

-- Adds modes and plain fields of all layers, such as the p of dropout.
local function add_settings(parts, net)
  for _, entry in ipairs(net:named_modules()) do
    for name, value in pairs(entry[2]) do
      local kind = type(value)
      if kind == "number" or kind == "boolean" or kind == "string" then
        parts[#parts + 1] = { entry[2], name, value }
      end
    end
  end
end

-- --- training ------------------------------------------------------------------------------------

--- What `training` gives: one batch forward, then back.
-- @type TrainingPlan
local Training = {}

--- Compiles a training step: forward to the loss, and back to the gradients of all parameters.
--
-- Nothing is computed or changed meanwhile; not even the generator of random numbers moves.
-- @function training
-- @tparam Module net the network, in the mode it will be trained in
-- @tparam function f called with the examples; gives the loss (or what a gradient will be given of)
--   and any other results
-- @tparam {Tensor,...} examples tensors with sizes and types of a batch; no other sizes will do
-- @tparam[opt] table opts `exact` (false): leave out algorithms that lose digits
-- @treturn ?TrainingPlan nil when there is none
-- @return the reason then
-- @raise what f raises
function M.training(net, f, examples, opts)
  local o = check.options("training", opts, { exact = false })
  local parts, tensors = parts_of(net)
  local settings = { train = true, exact = o.exact, keep = tensors }
  local made, reason = compile_once(f, examples, settings)
  if not made then return nil, reason end
  add_settings(parts, net)
  return setmetatable({
    core = made, rows = examples[1]:size(1), parts = parts, name = net.class_name, f = f,
    examples = examples, settings = settings,
  }, Training)
end

--- The training plan of a step, if there is one: as `training`, but examples are real batches whose
-- elements do not matter, and what goes wrong means that there is none.
-- @function step
-- @tparam Module net the network
-- @tparam function f the step
-- @tparam {Tensor,...} batches one for each argument of f
-- @tparam[opt] table opts as for `training`
-- @treturn ?TrainingPlan
function M.step(net, f, batches, opts)
  if not M.enabled then return nil end
  return attempt(function()
    local examples = {}
    for i, t in ipairs(batches) do examples[i] = core.new(t.shape, 0, t.dtype, "compile") end
    return (M.training(net, f, examples, opts))
  end)
end

--- Is the network still the one that was compiled: same layers, modes, settings, tensors, wishes
-- for gradients?
-- @treturn boolean
function Training:suits()
  return not changed_part(self) and core.plan_in_place(self.core)
end

--- Does the function still do what was compiled? Looks more closely than `suits`: at every call and
-- the numbers in it. Costs about as much as compiling.
-- @treturn boolean
function Training:repeats()
  return self:suits() and core.plan_repeats(self.f, self.examples, self.settings, self.core)
end

--- Forward.
-- @tparam Tensor ... inputs, of the sizes and types of the examples
-- @return what the function gave, cut from the tape: the loss first
-- @raise other sizes or types; labels out of range
function Training:__call(...)
  return core.plan_forward(self.core, { ... })
end

--- Adds the gradients of the first result to those of the parameters; once after each forward.
-- @tparam[opt] Tensor gradient of the first result, when that is not one number
-- @raise without a forward pass before; a gradient of other sizes
function Training:backward(gradient)
  core.plan_backward(self.core, gradient)
end

-- --- running -------------------------------------------------------------------------------------

-- A result whose gradient goes back through the plan; gradients of parameters there are none.
local function recorded(self, x, results)
  for k, y in ipairs(results) do
    local plain = x:detach()
    results[k] = core.record_custom(y, function(gy)
      local gz = {}
      for i = 1, #results do gz[i] = i == k and gy end
      return (core.plan_gradient(self.core, plain, gz))
    end, { x })
  end
  return unpack(results)
end

--- The core's plan, for the core's attacks.
-- @treturn userdata
-- @raise when the network is not the one that was compiled any more
function Plan:checked()
  check_parts(self)
  return self.core
end

function Plan:__call(x)
  check_parts(self)
  if core.is_tensor(x) and core.grad_enabled() and not core.is_released(x) and x.requires_grad then
    return recorded(self, x, { core.plan_run(self.core, x:detach()) })
  end
  return core.plan_run(self.core, x)
end

--- The gradient of the results with respect to the images.
-- @tparam Tensor x [N, ...]
-- @tparam Tensor|table gz gradient of the first result, or a list with one of each result, false
--   for none
-- @treturn Tensor gx, sizes of x: the sum over the results of gz d z/dx
-- @return the results themselves
-- @raise sizes and types that do not fit
function Plan:gradient(x, gz)
  check_parts(self)
  if core.is_tensor(gz) then gz = { gz } end
  check.table("gradient", "gz", gz)
  return core.plan_gradient(self.core, x, gz)
end

--- Gives the plan's memory back now; it cannot be used any more. Twice is harmless.
function Plan:release()
  core.plan_release(self.core)
end

--- Numbers about the plan.
-- @treturn table rows (images of a piece), bytes (of the memory of one thread), weight_bytes (read
--   by a pass), frames (threads that have their memory by now), inputs, outputs
function Plan:about()
  return core.plan_about(self.core)
end

--- What the plan does: `print` shows it as a table.
-- @treturn table rows, bytes, weight_bytes, and a list of steps { what, how, flops, bytes } in the
--   order they run; flops (a multiply-add counts two) and bytes are of one image, forward
function Plan:describe()
  local about = core.plan_about(self.core)
  about.name, about.steps = self.name, core.plan_steps(self.core)
  return require("conjugate.show_plan").printable(about)
end

--- Where the time goes: clocks every step while a function runs.
-- @tparam function f calls the plan
-- @treturn table as `describe`, the steps with `forward` and `backward` in seconds over all
--   threads; `print` shows it
-- @return what f gives
-- @raise what f raises
function Plan:profile(f)
  check.callable("profile", "f", f)
  core.plan_profile(self.core, true)
  return core.finally(function()
    local given = { f() }
    local profile = self:describe()
    profile.profiled = true
    return profile, unpack(given)
  end, function()
    core.plan_profile(self.core, false)
  end)
end

function Plan:__tostring()
  return ("plan of %s: %d steps, pieces of %d images"):format(self.name,
    #core.plan_steps(self.core), self.rows)
end

for _, name in ipairs { "release", "about", "describe", "profile", "__tostring" } do
  Training[name] = Plan[name]
end
Plan.__index, Training.__index = Plan, Training
M.is_plan = is_plan

return M
