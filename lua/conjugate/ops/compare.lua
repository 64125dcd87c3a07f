--- Comparisons, logic, and choice by them. Results of comparisons are uint8, 1 for true; NaN is not
-- equal to, below or above anything. Operands broadcast as in arithmetic, and a number stands for a
-- tensor of the other operand's type.
-- @module conjugate.ops.compare
local check = require "conjugate.check"
local core = require "conjugate.core"
local def = require "conjugate.ops.define"

local pair = { "x", "y" }

--- 1 where x = y, else 0.
-- @function eq
-- @tparam Tensor|number x any type and shape
-- @tparam Tensor|number y same type, a shape that broadcasts with x's
-- @treturn Tensor uint8, the common shape
-- @raise when sizes do not broadcast or types differ
-- @source IEEE 754
def { name = "eq", args = pair, inplace = false }

--- 1 where x is not y, else 0.
-- @function ne
-- @tparam Tensor|number x any type and shape
-- @tparam Tensor|number y same type, a shape that broadcasts with x's
-- @treturn Tensor uint8, the common shape; 1 where one is NaN
-- @raise when sizes do not broadcast or types differ
-- @source IEEE 754
def { name = "ne", args = pair, inplace = false }

--- 1 where x < y, else 0.
-- @function lt
-- @tparam Tensor|number x any type and shape
-- @tparam Tensor|number y same type, a shape that broadcasts with x's
-- @treturn Tensor uint8, the common shape
-- @raise when sizes do not broadcast or types differ
-- @source IEEE 754
def { name = "lt", args = pair, inplace = false }

--- 1 where x <= y, else 0.
-- @function le
-- @tparam Tensor|number x any type and shape
-- @tparam Tensor|number y same type, a shape that broadcasts with x's
-- @treturn Tensor uint8, the common shape
-- @raise when sizes do not broadcast or types differ
-- @source IEEE 754
def { name = "le", args = pair, inplace = false }

--- 1 where x > y, else 0.
-- @function gt
-- @tparam Tensor|number x any type and shape
-- @tparam Tensor|number y same type, a shape that broadcasts with x's
-- @treturn Tensor uint8, the common shape
-- @raise when sizes do not broadcast or types differ
-- @source IEEE 754
def { name = "gt", args = pair, inplace = false }

--- 1 where x >= y, else 0.
-- @function ge
-- @tparam Tensor|number x any type and shape
-- @tparam Tensor|number y same type, a shape that broadcasts with x's
-- @treturn Tensor uint8, the common shape
-- @raise when sizes do not broadcast or types differ
-- @source IEEE 754
def { name = "ge", args = pair, inplace = false }

--- 1 where both are other than 0, else 0.
-- @function logical_and
-- @tparam Tensor x uint8 of any shape
-- @tparam Tensor y uint8, a shape that broadcasts with x's
-- @treturn Tensor uint8, the common shape
-- @raise "logical_and: expected a uint8 tensor, got float32"
-- @source Boole (1847)
def { name = "logical_and", args = pair }

--- 1 where one or both are other than 0, else 0.
-- @function logical_or
-- @tparam Tensor x uint8 of any shape
-- @tparam Tensor y uint8, a shape that broadcasts with x's
-- @treturn Tensor uint8, the common shape
-- @raise "logical_or: expected a uint8 tensor, got float32"
-- @source Boole (1847)
def { name = "logical_or", args = pair }

--- 1 where exactly one is other than 0, else 0.
-- @function logical_xor
-- @tparam Tensor x uint8 of any shape
-- @tparam Tensor y uint8, a shape that broadcasts with x's
-- @treturn Tensor uint8, the common shape
-- @raise "logical_xor: expected a uint8 tensor, got float32"
-- @source Boole (1847)
def { name = "logical_xor", args = pair }

local f, methods = def.functions, core.methods

--- 1 where x is 0, else 0.
-- @tparam Tensor x uint8 of any shape
-- @treturn Tensor uint8, same shape
-- @raise "logical_not: expected a uint8 tensor for x, got ..."
-- @source Boole (1847)
function f.logical_not(x)
  return check.tensor("logical_not", "x", x, "uint8"):eq(0)
end
methods.logical_not = f.logical_not

--- 1 where x is NaN, else 0.
-- @tparam Tensor x any type and shape
-- @treturn Tensor uint8, same shape
-- @raise "isnan: expected a tensor for x, got ..."
-- @source IEEE 754
function f.isnan(x)
  return check.tensor("isnan", "x", x):ne(x)
end
methods.isnan = f.isnan

--- 1 where x is infinite, else 0.
-- @tparam Tensor x floats of any shape
-- @treturn Tensor uint8, same shape
-- @raise "isinf: expected a tensor for x, got ..."; "abs: expected a float tensor, got uint8"
-- @source IEEE 754
function f.isinf(x)
  return check.tensor("isinf", "x", x):abs():eq(math.huge)
end
methods.isinf = f.isinf

-- The core takes the condition last, because the first tensor gives the type.
local function condition_first(choose)
  return function(condition, x, y)
    check.tensor("where", "condition", condition, "uint8")
    return choose(x, y, condition)
  end
end

--- Elements of x where the condition is other than 0, of y elsewhere.
-- @function where
-- @tparam Tensor condition uint8; all three broadcast
-- @tparam Tensor|number x any type; numbers for both make a float32 tensor
-- @tparam Tensor|number y same type
-- @treturn Tensor x's type, the common shape
-- @raise "where: expected a uint8 tensor for condition, got ..."; when sizes do not broadcast or
--   types differ
-- @source Harris et al., Nature 585 (2020)
-- @usage local positive = cj.where(x:gt(0), x, 0)
def {
  name = "where",
  args = { "x", "y", { "condition", "tensor" } },
  wrap = function(choose)
    choose = condition_first(choose)
    return function(condition, x, y)
      if type(x) == "number" and type(y) == "number" then x = core.tensor(x) end
      return choose(condition, x, y)
    end
  end,
  method = false,
}
methods.where = f.where

--- x with one number where the mask is other than 0.
-- @tparam Tensor x any type and shape
-- @tparam Tensor mask uint8, broadcasts with x
-- @tparam number value takes the place of these elements
-- @treturn Tensor x's type, the common shape
-- @raise "where: expected a uint8 tensor for condition, got ..."
-- @source the behaviour of PyTorch
function f.masked_fill(x, mask, value)
  return f.where(mask, value, check.tensor("masked_fill", "x", x))
end
methods.masked_fill = f.masked_fill
