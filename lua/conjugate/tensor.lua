--- Tensors: how they are made and printed, and methods composed of operators.
--
-- Element types are "float32" (the default), "float64", "int64" and "uint8". Indices and dimensions
-- count from 1; negative ones count from the end.
-- @module conjugate.tensor
local check = require "conjugate.check"
local core = require "conjugate.core"
local ops = require "conjugate.ops"
local show = require "conjugate.show"

local methods = core.methods
local M = {}

-- From `{ 2, 3, dtype = ... }`, or `2, 3, ..., dtype`: sizes, dtype, requires_grad.
local function read_sizes(fn, first, ...)
  if type(first) == "table" then
    return first, first.dtype or (...), first.requires_grad
  end
  local sizes, dtype = {}, nil
  for i, v in ipairs { first, ... } do
    if type(v) == "string" and i > 1 then
      dtype = v
      break
    end
    sizes[i] = check.integer(fn, "a size", v, 0)
  end
  if first == nil then check.fail(fn, "expected a list of sizes, got nothing") end
  return sizes, dtype, false
end

local function finish(t, wants)
  if wants then t.requires_grad = true end
  return t
end

--- A tensor of given numbers.
-- @tparam number|boolean|table|Tensor values a number, nested tables of equal lengths, or a tensor
--   to copy; booleans become 1 and 0
-- @tparam[opt="float32"] string|table options an element type, or `{ dtype =, requires_grad = }`
-- @treturn Tensor of its own memory
-- @raise "tensor: tables of one level differ in length, 2 and 3, at depth 2" and the like
-- @usage local x = cj.tensor { { 1, 2 }, { 3, 4 } }
function M.tensor(values, options)
  local dtype, wants = options, false
  if type(options) == "table" then
    local o = check.options("tensor", options, { dtype = { "string" }, requires_grad = false })
    dtype, wants = o.dtype, o.requires_grad
  end
  if core.is_tensor(values) then
    check.tensor("tensor", "values", values)
    local t = core.new(values.shape, nil, dtype or values.dtype, "tensor"):copy_(values:detach())
    return finish(t, wants)
  end
  return finish(core.tensor(values, dtype), wants)
end

local function filled(name, value)
  return function(...)
    local sizes, dtype, wants = read_sizes(name, ...)
    return finish(core.new(sizes, value, dtype, name), wants)
  end
end

--- A tensor of zeros.
-- @function zeros
-- @tparam {number,...} sizes also as separate arguments; may hold `dtype` and `requires_grad`
-- @tparam[opt="float32"] string dtype element type
-- @treturn Tensor of these sizes
-- @raise "zeros: expected a list of sizes, got ..."
M.zeros = filled("zeros", 0)

--- A tensor of ones.
-- @function ones
-- @tparam {number,...} sizes also as separate arguments; may hold `dtype` and `requires_grad`
-- @tparam[opt="float32"] string dtype element type
-- @treturn Tensor of these sizes
-- @raise "ones: expected a list of sizes, got ..."
M.ones = filled("ones", 1)

--- A tensor of undefined content, to be written over.
-- @function empty
-- @tparam {number,...} sizes also as separate arguments; may hold `dtype` and `requires_grad`
-- @tparam[opt="float32"] string dtype element type
-- @treturn Tensor of these sizes
-- @raise "empty: expected a list of sizes, got ..."
M.empty = filled("empty", nil)

--- A tensor of one repeated number.
-- @tparam {number,...} sizes a table; may hold `dtype` and `requires_grad`
-- @tparam number value every element
-- @tparam[opt="float32"] string dtype element type
-- @treturn Tensor of these sizes
-- @raise "full: expected a number for value, got ..."
function M.full(sizes, value, dtype)
  check.table("full", "sizes", sizes)
  check.number("full", "value", value == value and value or 0)
  return finish(core.new(sizes, value, dtype or sizes.dtype, "full"), sizes.requires_grad)
end

local function like(name, value)
  return function(t)
    check.tensor(name, "t", t)
    return core.new(t.shape, value, t.dtype, name)
  end
end

--- Zeros of the sizes and type of t.
-- @function zeros_like
-- @tparam Tensor t any tensor
-- @treturn Tensor same sizes and type, without a gradient
M.zeros_like = like("zeros_like", 0)

--- Ones of the sizes and type of t.
-- @function ones_like
-- @tparam Tensor t any tensor
-- @treturn Tensor same sizes and type, without a gradient
M.ones_like = like("ones_like", 1)

--- Numbers in equal steps, the end left out: arange(n) is 0..n-1.
-- @tparam number from first number, or n when it stands alone
-- @tparam[opt] number to the end, itself not reached
-- @tparam[opt=1] number step not 0
-- @tparam[opt="float32"] string dtype element type
-- @treturn Tensor [ceil((to - from) / step)]
-- @raise "arange: expected a step other than 0"
function M.arange(from, to, step, dtype)
  if type(to) == "string" then to, dtype = nil, to end
  if type(step) == "string" then step, dtype = nil, step end
  if to == nil then from, to = 0, from end
  check.number("arange", "from", from)
  check.number("arange", "to", to)
  step = check.number("arange", "step", step or 1)
  if step == 0 then check.fail("arange", "expected a step other than 0") end
  return core.arange(from, step, math.max(0, math.ceil((to - from) / step)), dtype)
end

--- n numbers in equal steps from `from` to `to`, both included.
-- @tparam number from first number
-- @tparam number to last number
-- @tparam number n how many, at least 1; with 1, only `from`
-- @tparam[opt="float32"] string dtype element type
-- @treturn Tensor [n]
function M.linspace(from, to, n, dtype)
  check.number("linspace", "from", from)
  check.number("linspace", "to", to)
  check.integer("linspace", "n", n, 1)
  return core.arange(from, n > 1 and (to - from) / (n - 1) or 0, n, dtype)
end

--- The identity matrix.
-- @tparam number n size
-- @tparam[opt="float32"] string dtype element type
-- @treturn Tensor [n, n]
function M.eye(n, dtype)
  check.integer("eye", "n", n, 0)
  local t = core.new({ n, n }, 0, dtype, "eye")
  for i = 1, n do t:set(i, i, 1) end
  return t
end

local function random_sizes(name, ...)
  local sizes, dtype, wants = read_sizes(name, ...)
  check.one_of(name, "dtype", dtype or "float32", { "float32", "float64" })
  return sizes, dtype, wants
end

--- Uniform numbers in [0, 1) of the global generator.
-- @tparam {number,...} sizes also as separate arguments; may hold `dtype` and `requires_grad`
-- @tparam[opt="float32"] string dtype "float32" or "float64"
-- @treturn Tensor of these sizes
function M.rand(...)
  local sizes, dtype, wants = random_sizes("rand", ...)
  return finish(core.new(sizes, nil, dtype, "rand"):uniform_(0, 1), wants)
end

--- Standard normal numbers of the global generator.
-- @tparam {number,...} sizes also as separate arguments; may hold `dtype` and `requires_grad`
-- @tparam[opt="float32"] string dtype "float32" or "float64"
-- @treturn Tensor of these sizes
function M.randn(...)
  local sizes, dtype, wants = random_sizes("randn", ...)
  return finish(core.new(sizes, nil, dtype, "randn"):normal_(0, 1), wants)
end

--- Is v a tensor?
-- @function is_tensor
-- @param v any value
-- @treturn boolean
M.is_tensor = core.is_tensor

--- A tensor from raw bytes, row by row, in the machine's byte order.
-- @function from_bytes
-- @tparam string bytes exactly as many as the elements take
-- @tparam string dtype element type
-- @tparam {number,...} sizes sizes
-- @treturn Tensor of these sizes
-- @raise "from_bytes: expected 8 bytes for these sizes, got 7"
M.from_bytes = core.from_bytes

-- --- methods ----------------------------------------------------------------------------------

--- Are all elements of both tensors nearly equal: |x - y| <= atol + rtol |y|?
-- NaN equals NaN here.
-- @function Tensor:allclose
-- @tparam Tensor x this tensor
-- @tparam Tensor y same sizes, any type
-- @tparam[opt=1e-5] number rtol relative tolerance
-- @tparam[opt=1e-8] number atol absolute tolerance
-- @treturn boolean
-- @treturn number the largest difference
function methods.allclose(x, y, rtol, atol)
  check.tensor("allclose", "self", x)
  check.tensor("allclose", "y", y)
  return core.allclose(x, y, rtol or 1e-5, atol or 1e-8)
end

--- The matrix transposed.
-- @function Tensor:t
-- @tparam Tensor x two dimensions
-- @treturn Tensor a view
function methods.t(x)
  check.tensor("t", "self", x, nil, 2)
  return x:transpose(1, 2)
end

--- Pieces of at most `size` along a dimension, as views.
-- @function Tensor:split
-- @tparam Tensor x this tensor
-- @tparam number size elements per piece, at least 1
-- @tparam[opt=1] number dim the dimension
-- @treturn {Tensor,...} the last piece may be smaller
function methods.split(x, size, dim)
  check.tensor("split", "self", x)
  check.integer("split", "size", size, 1)
  dim = dim or 1
  local total, pieces = x:size(dim), {}
  for from = 1, total, size do
    pieces[#pieces + 1] = x:narrow(dim, from, math.min(size, total - from + 1))
  end
  return pieces
end

-- What these do when the core has no operator of that name: plain copies, cut from the tape.
if not ops.contiguous then
  function methods.contiguous(x)
    return x:is_contiguous() and x or M.tensor(x)
  end
end
if not ops.clone then
  function methods.clone(x)
    return M.tensor(x)
  end
end
if not methods.to then
  function methods.to(x, dtype)
    check.string("to", "dtype", dtype)
    return x.dtype == dtype and x or M.tensor(x, dtype)
  end
end

core.metamethods { __tostring = show.tensor }

return M
