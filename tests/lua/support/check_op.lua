--- Checks that every operator must pass.
--
--     check_op.every("softplus", { reference = f, points = { -1, 0, 2 } })    -- element by element
--     check_op.laws(function(x, w) return cj.conv2d(x, w) end, { x, w })       -- any operator
--     check_op.gradient(f, inputs)                                            -- slopes only
--
-- Inputs are tensors; float ones are converted to the type a check needs, others are passed on as
-- they are.
local assert = require "luassert"
local cj = require "conjugate"
local core = require "conjugate.core"
local starve = require "support.starve"

local M = {}

local function is_float(t)
  return t.dtype == "float32" or t.dtype == "float64"
end

local function copy_as(t, dtype)
  return cj.tensor(t, is_float(t) and dtype or t.dtype)
end

local function copies(inputs, dtype)
  local list = {}
  for i, t in ipairs(inputs) do list[i] = copy_as(t, dtype) end
  return list
end

local function nan(v)
  return v ~= v
end

local function close(expected, got, tolerance)
  if nan(expected) or nan(got) then return nan(expected) and nan(got) end
  if expected == got then return true end
  return math.abs(expected - got) <= tolerance * math.max(math.abs(expected), math.abs(got))
end

local function largest(t)
  return t:numel() == 0 and 0 or t:abs():max():item()
end

--- Deterministic numbers in [low, high), never twice the same.
-- @tparam {number,...} sizes sizes
-- @tparam[opt=-1] number low
-- @tparam[opt=1] number high
-- @tparam[opt=1] number key another key, other numbers
-- @treturn Tensor float64
function M.numbers(sizes, low, high, key)
  low, high = low or -1, high or 1
  return core.new(sizes, nil, "float64", "numbers"):uniform_(low, high, key or 1)
end

--- Asserts that two tensors agree: same type and sizes, elements within tolerance of the largest.
-- @tparam Tensor expected what should have come
-- @tparam Tensor got what came; same type and sizes
-- @tparam[opt=0] number tolerance relative to the largest element of `expected`
-- @tparam[opt] string what named in the message
function M.same(expected, got, tolerance, what)
  what = what or "result"
  assert.same(expected.dtype, got.dtype, what .. ": type")
  assert.same(expected.shape, got.shape, what .. ": sizes")
  if expected:bytes() == got:bytes() then return end
  local _, difference = expected:allclose(got, 0, 0)
  local limit = (tolerance or 0) * math.max(largest(expected), largest(got))
  if difference > limit or nan(difference) then
    error(("%s: differs by %g, at most %g is allowed\nexpected %s\ngot %s"):format(
      what, difference, limit, tostring(expected), tostring(got)), 2)
  end
end

-- --- gradients ----------------------------------------------------------------------------------

-- Weights that tell the elements of a result apart.
local function weights(y, key)
  return copy_as(M.numbers(y.shape, 0.5, 1.5, key), y.dtype)
end

local function weighted_sum(f, inputs, w)
  return (f(unpack(inputs)):detach() * w):sum():item()
end

-- Fourth order: (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h.
local function slope_at(f, inputs, w, flat, i, h)
  local old = flat:get(i)
  local function at(step)
    flat:set(i, old + step)
    return weighted_sum(f, inputs, w)
  end
  local slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
  flat:set(i, old)
  return slope
end

local function numeric_gradient(f, inputs, w, k, h)
  local flat = inputs[k]:reshape(-1)
  local g = cj.zeros(inputs[k].shape, "float64")
  local out = g:reshape(-1)
  for i = 1, flat:numel() do out:set(i, slope_at(f, inputs, w, flat, i, h)) end
  return g
end

-- Gradients of sum(w f(x)) + sum(v x): with the second term, which is walked first, the operator
-- finds something in gx, which it must not overwrite.
local function tape_gradients(f, inputs, wanted)
  for _, k in ipairs(wanted) do inputs[k].requires_grad = true end
  local y = f(unpack(inputs))
  local w = weights(y, 7)
  local total, extra = (y * w):sum(), {}
  for _, k in ipairs(wanted) do
    extra[k] = weights(inputs[k], 11 + k)
    total = total + (inputs[k] * extra[k]):sum()
  end
  total:backward()
  local list = {}
  for _, k in ipairs(wanted) do list[k] = inputs[k].grad - extra[k] end
  return list, w
end

local function floats_of(inputs, only)
  local list = {}
  for k, t in ipairs(inputs) do
    if is_float(t) then list[#list + 1] = k end
  end
  return only or list
end

--- Compares the gradients of f with central differences in float64.
-- @tparam function f of tensors, gives a tensor
-- @tparam {Tensor,...} inputs small tensors, more than 2 `step` away from kinks
-- @tparam[opt] table opts `tolerance` (1e-6) relative to the largest slope of each input, `step`
--   (1e-3), `only` (list of the inputs to look at)
function M.gradient(f, inputs, opts)
  opts = opts or {}
  local wanted = floats_of(inputs, opts.only)
  local got, w = tape_gradients(f, copies(inputs, "float64"), wanted)
  local plain = copies(inputs, "float64")
  for _, k in ipairs(wanted) do
    local expected = numeric_gradient(f, plain, w, k, opts.step or 1e-3)
    M.same(expected, got[k], opts.tolerance or 1e-6, "gradient of input " .. k)
  end
end

-- --- laws ----------------------------------------------------------------------------------------

-- The same elements, but with gaps between the rows and the first two dimensions in other order.
local function scattered(t)
  if t:dim() == 0 then return cj.stack({ t, t }):select(1, 2) end
  if t:dim() == 1 then return cj.stack({ t, t }, 2):select(2, 1) end
  return cj.cat({ t, t }, -1):transpose(1, 2):contiguous():transpose(1, 2)
    :narrow(-1, 1, t:size(-1))
end

--- Views, not contiguous, of the same elements.
-- @tparam {Tensor,...} inputs tensors
-- @treturn {Tensor,...}
function M.scattered(inputs)
  local list = {}
  for i, t in ipairs(inputs) do list[i] = scattered(t) end
  return list
end

local function run(f, inputs, opts)
  local wanted = opts.gradient == false and {} or floats_of(inputs, opts.only)
  for _, k in ipairs(wanted) do inputs[k].requires_grad = true end
  local y = f(unpack(inputs))
  local list = { y:detach() }
  if #wanted > 0 then
    (y * weights(y, 7)):sum():backward()
    for _, k in ipairs(wanted) do list[#list + 1] = inputs[k].grad end
  end
  return list
end

local function same_bytes(expected, got, what, slack)
  for i, t in ipairs(expected) do
    M.same(t, got[i], slack, what .. (i == 1 and ": result" or ": gradient " .. i - 1))
  end
end

--- Results and gradients do not depend on the number of threads, to the last bit.
-- @tparam function f of tensors, gives a tensor
-- @tparam {Tensor,...} inputs large enough to be worth more than one thread
-- @tparam[opt] table opts as for `laws`
function M.threads(f, inputs, opts)
  opts = opts or {}
  local before = core.threads()
  local expected
  for _, dtype in ipairs { "float32", "float64" } do
    for threads = 1, 2 do
      core.threads(threads)
      local got = run(f, copies(inputs, dtype), opts)
      if threads == 1 then expected = got end
      same_bytes(expected, got, threads .. " threads")
    end
  end
  core.threads(before)
end

--- Every failing allocation of a call and its way back gives an error and leaves no bytes behind.
-- @tparam function f of tensors, gives a tensor
-- @tparam {Tensor,...} inputs small tensors
-- @tparam[opt] table opts as for `laws`
function M.allocations(f, inputs, opts)
  local ready = copies(inputs, "float32")
  starve.every_allocation(function()
    run(f, ready, opts or {})
    for _, t in ipairs(ready) do
      if t.requires_grad then t.grad = nil end
    end
  end)
end

local function check_float32(f, inputs, opts)
  local exact = run(f, copies(copies(inputs, "float32"), "float64"), opts)
  local got = run(f, copies(inputs, "float32"), opts)
  for i, t in ipairs(got) do
    if is_float(t) then M.same(exact[i]:to "float32", t, opts.float32 or 1e-5, "float32") end
  end
end

local function check_views(f, inputs, opts)
  local function plain(...)
    return f(...)
  end
  local function through_views(...)
    return f(unpack(M.scattered { ... }))
  end
  same_bytes(run(plain, copies(inputs, "float64"), opts),
    run(through_views, copies(inputs, "float64"), opts), "views", opts.views)
end

local function check_inputs_kept(f, inputs, opts)
  local used = copies(inputs, "float32")
  run(f, used, opts)
  same_bytes(copies(inputs, "float32"), M.detached(used), "inputs after the call")
end

--- The tensors without their gradients.
-- @tparam {Tensor,...} inputs tensors
-- @treturn {Tensor,...}
function M.detached(inputs)
  local list = {}
  for i, t in ipairs(inputs) do list[i] = t:detach() end
  return list
end

--- What holds for every operator: gradients match central differences; float32 agrees with float64;
-- views give the same bytes as copies; inputs stay as they were; failing allocations leave nothing
-- behind; any number of threads gives the same bytes.
-- @tparam function f of tensors, gives a tensor
-- @tparam {Tensor,...} inputs small tensors, more than 2 `step` away from kinks
-- @tparam[opt] table opts `gradient` (false: there is none), `only`, `step` and `tolerance` as for
--   `gradient`; `float32` (1e-5) relative tolerance; `large`: inputs for the check of threads;
--   `views` (0): relative tolerance for views, or false: the inputs must be contiguous
function M.laws(f, inputs, opts)
  opts = opts or {}
  if opts.gradient ~= false then M.gradient(f, inputs, opts) end
  check_float32(f, inputs, opts)
  if opts.views ~= false then check_views(f, inputs, opts) end
  check_inputs_kept(f, inputs, opts)
  M.allocations(f, inputs, opts)
  M.threads(f, opts.large or inputs, opts)
end

-- --- element by element --------------------------------------------------------------------------

local shapes = { {}, { 0 }, { 1 }, { 17 }, { 3, 5 }, { 2, 0, 3 }, { 2, 3, 4 }, { 16401 } }

-- Pairs of shapes that broadcast.
local pairs_of_shapes = {
  { {}, {} }, { { 17 }, { 17 } }, { { 17 }, {} }, { {}, { 17 } }, { { 3, 5 }, { 5 } },
  { { 3, 1 }, { 1, 5 } }, { { 3, 5 }, { 3, 1 } }, { { 4, 1, 3 }, { 2, 1 } }, { { 0 }, { 1 } },
  { { 2, 0 }, { 2, 1 } }, { { 128, 129 }, { 128, 129 } },
}

local tolerance = { float32 = 1e-6, float64 = 1e-13, int64 = 0, uint8 = 0 }

-- A tensor whose elements go through the k-th entries of the points, again and again.
local function tensor_of_points(points, k, sizes, dtype)
  local n, values = 1, {}
  for _, size in ipairs(sizes) do n = n * size end
  for i = 1, n do
    local p = points[(i - 1) % #points + 1]
    values[i] = type(p) == "table" and p[k] or p
  end
  if n == 0 then return cj.zeros(sizes, dtype) end
  return cj.tensor(values, dtype):reshape(sizes)
end

local function flat_list(t)
  return t:contiguous():reshape(-1):table()
end

local function check_values(name, spec, f, inputs, dtype)
  local got = f(unpack(inputs))
  local wide = {}
  for k, t in ipairs(inputs) do wide[k] = flat_list(t:expand(got.shape)) end
  local list = flat_list(got)
  local limit = spec.tolerance or tolerance[dtype]
  for i = 1, #list do
    local row = {}
    for k = 1, #inputs do row[k] = wide[k][i] end
    local expected = spec.reference(unpack(row))
    if not close(expected, list[i], limit) then
      error(("%s(%s) in %s %s: expected %.17g, got %.17g"):format(name, table.concat(row, ", "),
        dtype, "[" .. table.concat(got.shape, ", ") .. "]", expected, list[i]), 2)
    end
  end
end

local function check_shapes(name, spec, f, dtype)
  for _, sizes in ipairs(spec.operands == 2 and pairs_of_shapes or shapes) do
    local inputs = {}
    for k = 1, spec.operands do
      local mine = spec.operands == 2 and sizes[k] or sizes
      inputs[k] = tensor_of_points(spec.points, k, mine, dtype)
    end
    check_values(name, spec, f, inputs, dtype)
    if inputs[1]:numel() < 1000 then check_values(name, spec, f, M.scattered(inputs), dtype) end
  end
end

-- NaN in any place comes out as NaN, or as what spec.nan says.
local function check_nan(name, spec, f, dtype)
  for k = 1, spec.operands do
    local inputs = {}
    for j = 1, spec.operands do
      inputs[j] = cj.full({ 19 }, j == k and 0 / 0 or 1, dtype)
    end
    for _, v in ipairs(flat_list(f(unpack(inputs)))) do
      if not close(spec.nan or 0 / 0, v, 0) then
        error(("%s of NaN in %s: expected %s, got %g"):format(name, dtype, spec.nan or "NaN", v))
      end
    end
  end
end

-- x:NAME_() stores what cj.NAME gives.
local function check_in_place(name, spec, dtype)
  if not core.methods[name .. "_"] then return end
  local inputs = {}
  for k = 1, spec.operands do inputs[k] = tensor_of_points(spec.points, k, { 3, 7 }, dtype) end
  local tail = spec.args or {}
  local arguments = { unpack(inputs) }
  for i = 1, #tail do arguments[spec.operands + i] = tail[i] end
  local expected = cj[name](unpack(arguments))
  if expected.dtype ~= dtype then return end
  local x = arguments[1]
  arguments[1] = scattered(cj.tensor(x))
  local y = core.methods[name .. "_"](unpack(arguments))
  assert.equal(arguments[1], y)
  M.same(expected, y:contiguous(), 0, name .. "_ on a view")
  arguments[1] = cj.tensor(x)
  M.same(expected, core.methods[name .. "_"](unpack(arguments)), 0, name .. "_")
end

-- The operator with its further arguments, as a function of its operands.
local function with_arguments(name, spec)
  local tail = spec.args or {}
  return function(...)
    local arguments = { ... }
    for i = 1, #tail do arguments[spec.operands + i] = tail[i] end
    return cj[name](unpack(arguments))
  end
end

local function check_laws(spec, f)
  local smooth = spec.smooth or spec.points
  local inputs, large = {}, {}
  for k = 1, spec.operands do
    inputs[k] = tensor_of_points(smooth, k, { 2, 3, 4 }, "float64")
    large[k] = tensor_of_points(smooth, k, { 500, 101 }, "float64")
  end
  M.laws(f, inputs, { gradient = spec.gradient, large = large, float32 = spec.float32 })
  if spec.operands == 2 and spec.gradient ~= false then M.broadcast_gradients(f, smooth) end
end

--- Checks an operator that works element by element, on one operand or on two that broadcast:
-- values over points, shapes and types; NaN; in place; and, for floats, all laws.
-- @tparam string name the operator's name in `cj`
-- @tparam table spec `reference`: function of one or two numbers; `points`: numbers or pairs;
--   `args`: further arguments; `types` (both float types); `tolerance` relative;
--   `gradient` (false: there is none); `smooth`: points for the gradient, if some of `points` are
--   kinks or infinite; `nan`: what NaN becomes (NaN; false: not checked)
function M.every(name, spec)
  spec.operands = type(spec.points[1]) == "table" and 2 or 1
  local f = with_arguments(name, spec)
  local types = spec.types or { "float32", "float64" }
  for _, dtype in ipairs(types) do
    check_shapes(name, spec, f, dtype)
    check_in_place(name, spec, dtype)
    if dtype:find "^float" and spec.nan ~= false then check_nan(name, spec, f, dtype) end
  end
  if types[1]:find "^float" then check_laws(spec, f) end
end

--- Gradients of operands that were repeated to fit the other.
-- @tparam function f of two tensors
-- @tparam table points pairs of numbers
function M.broadcast_gradients(f, points)
  for _, sizes in ipairs { { { 3, 4 }, { 4 } }, { { 3, 1 }, { 2, 1, 4 } }, { {}, { 5 } },
    { { 2, 3, 4 }, { 3, 1 } } } do
    local inputs = {
      tensor_of_points(points, 1, sizes[1], "float64"),
      tensor_of_points(points, 2, sizes[2], "float64"),
    }
    M.gradient(f, inputs)
    M.gradient(function(x, y) return f(y, x) end, { inputs[2], inputs[1] })
  end
  local wide = { M.numbers({ 300, 257 }, 0.5, 1.5), M.numbers({ 257 }, 0.5, 1.5, 2) }
  M.threads(f, wide)
  M.threads(f, { wide[1], M.numbers({ 300, 1 }, 0.5, 1.5, 3) })
  M.threads(f, { wide[1], M.numbers({}, 0.5, 1.5, 3) })
end

return M
