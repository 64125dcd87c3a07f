--- Matrix products.
-- @module conjugate.ops.matmul
local check = require "conjugate.check"
local core = require "conjugate.core"
local def = require "conjugate.ops.define"

-- Vectors join in as a row (first operand) or a column (second), which the result does not show.
local function with_vectors(f)
  return function(x, y)
    check.tensor("matmul", "x", x)
    check.tensor("matmul", "y", y)
    local row, column = x:dim() == 1, y:dim() == 1
    if not row and not column then return f(x, y) end
    local z = f(row and x:unsqueeze(1) or x, column and y:unsqueeze(2) or y)
    if column then z = z:squeeze(-1) end
    return row and z:squeeze(column and -1 or -2) or z
  end
end

--- Matrix product over the last two dimensions; those before them broadcast. A row of the result
-- does not depend, to the last bit, on how many other rows x has.
-- @function matmul
-- @tparam Tensor x floats [..., M, K], or a vector [K]
-- @tparam Tensor y floats [..., K, N], or a vector [K]
-- @treturn Tensor [..., M, N], without M or N for vectors
-- @raise "matmul: inner sizes differ, [2, 3] x [4, 5]"
-- @source Goto and van de Geijn, ACM Trans. Math. Softw. 34 (2008), through OpenBLAS
def { name = "matmul", args = { "x", "y" }, wrap = with_vectors, inplace = false }

local f, methods = def.functions, core.methods

local function both(name, g)
  f[name] = g
  methods[name] = g
end

--- Matrix products of two lists of matrices.
-- @function bmm
-- @tparam Tensor x floats [B, M, K]
-- @tparam Tensor y floats [B, K, N]
-- @treturn Tensor [B, M, N]
-- @raise "bmm: expected 3 dimensions for x, ..."; as matmul
-- @source see matmul
both("bmm", function(x, y)
  check.tensor("bmm", "x", x, nil, 3)
  check.tensor("bmm", "y", y, nil, 3)
  return x:matmul(y)
end)

--- Sum of the products of two vectors' elements.
-- @function dot
-- @tparam Tensor x floats [N]
-- @tparam Tensor y floats [N]
-- @treturn Tensor without dimensions
-- @raise when x or y has other than one dimension, or sizes differ
-- @source definition
both("dot", function(x, y)
  check.tensor("dot", "x", x, nil, 1)
  check.tensor("dot", "y", y, nil, 1)
  if x:numel() ~= y:numel() then
    check.fail("dot", "expected equal sizes, got %d and %d", x:numel(), y:numel())
  end
  return (x * y):sum()
end)

--- All products of an element of x and one of y.
-- @function outer
-- @tparam Tensor x [M], any type
-- @tparam Tensor y [N], same type
-- @treturn Tensor [M, N]
-- @raise when x or y has other than one dimension
-- @source definition
both("outer", function(x, y)
  check.tensor("outer", "x", x, nil, 1)
  check.tensor("outer", "y", y, nil, 1)
  return x:unsqueeze(2) * y
end)
