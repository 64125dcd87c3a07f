--- Gradients: of results with respect to inputs, without recording, and through operators written
-- in Lua.
-- @module conjugate.autograd
local check = require "conjugate.check"
local core = require "conjugate.core"

local M = {}

--- Calls f(...) without recording: results want no gradient, and tensors that do may be changed in
-- place.
-- @tparam function f what to call
-- @param ... its arguments
-- @return what f returns
-- @raise what f raises; f cannot yield
function M.no_grad(f, ...)
  check.callable("no_grad", "f", f)
  return core.with_grad(false, f, ...)
end

--- Calls f(...) with recording on, also inside `no_grad`.
-- @tparam function f what to call
-- @param ... its arguments
-- @return what f returns
-- @raise what f raises
function M.enable_grad(f, ...)
  check.callable("enable_grad", "f", f)
  return core.with_grad(true, f, ...)
end

-- Several outputs become one: the sum of <output, weight>.
local function combine(outputs, weights)
  local total
  for i, y in ipairs(outputs) do
    check.tensor("grad", ("outputs[%d]"):format(i), y)
    local w = weights and weights[i]
    if not w and y:numel() ~= 1 then
      check.fail("grad", "outputs[%d] has %d elements: give its weights in options.gradient", i,
        y:numel())
    end
    local part = w and (y * w):sum() or y:sum()
    total = total and total + part or part
  end
  return total
end

--- Gradients of outputs with respect to inputs. The inputs' `grad` fields stay as they are.
-- @tparam Tensor|{Tensor,...} outputs one result of one element, or several
-- @tparam Tensor|{Tensor,...} inputs tensors with requires_grad, or results on the way
-- @tparam[opt] table options `gradient`: the gradient of the output (for several outputs a list),
--   needed when it has more than one element; `keep`: true keeps the graph for another walk
-- @treturn Tensor|{Tensor,...} same sizes as the inputs, zeros where nothing depends on an input;
--   a list if `inputs` is one
-- @raise when an output is not on the tape, or the graph was used up
function M.grad(outputs, inputs, options)
  local o = check.options("grad", options, { gradient = { "table|tensor" }, keep = false })
  local single = core.is_tensor(inputs)
  if not single then check.table("grad", "inputs", inputs) end
  local y, gy = outputs, o.gradient
  if not core.is_tensor(outputs) then
    check.table("grad", "outputs", outputs)
    if #outputs == 0 then check.fail("grad", "expected at least one output") end
    y, gy = combine(outputs, gy), nil
  end
  local g = core.grad(y, single and { inputs } or inputs, gy, o.keep)
  if single then return g[1] end
  return g
end

local function detached(list, n)
  local out = {}
  for i = 1, n do
    local v = list[i]
    out[i] = core.is_tensor(v) and v:detach() or v
  end
  return out
end

-- Tensors among the arguments, and where they stand.
local function tensors_of(list, n)
  local tensors, places = {}, {}
  for i = 1, n do
    if core.is_tensor(list[i]) then
      tensors[#tensors + 1] = list[i]
      places[#tensors] = i
    end
  end
  return tensors, places
end

local function pick(places, ...)
  local given, out = { ... }, {}
  for k, place in ipairs(places) do out[k] = given[place] end
  return unpack(out, 1, #places)
end

--- An operator written in Lua, with its own way back.
-- `forward(ctx, ...)` gets the arguments cut from the tape and returns one tensor; it may keep
-- things in the table ctx. `backward(ctx, gy)` returns one gradient per argument of forward, nil
-- where there is none (for numbers, say). Neither is recorded.
-- @tparam table def `forward`, `backward`, and optionally `name` for messages
-- @treturn function the operator
-- @raise "func: expected a function for forward, got nil"
-- @usage local cube = cj.func {
--   forward = function(ctx, x) ctx.x = x; return x * x * x end,
--   backward = function(ctx, gy) return gy * ctx.x * ctx.x * 3 end,
-- }
function M.func(def)
  check.table("func", "definition", def)
  local o = check.options("func", def, {
    forward = { type = "function", required = true },
    backward = { type = "function", required = true },
    name = "func",
  })
  return function(...)
    local n, given, ctx = select("#", ...), { ... }, {}
    local y = M.no_grad(o.forward, ctx, unpack(detached(given, n), 1, n))
    check.tensor(o.name, "the result of forward", y)
    local tensors, places = tensors_of(given, n)
    return core.record_custom(y, function(gy)
      return pick(places, o.backward(ctx, gy))
    end, tensors)
  end
end

return M
