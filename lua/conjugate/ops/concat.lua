--- Joining tensors.
-- @module conjugate.ops.concat
local check = require "conjugate.check"
local def = require "conjugate.ops.define"

--- Tensors one behind the other along a dimension.
-- @function cat
-- @tparam {Tensor,...} list one or more, of one type and of equal sizes but for `dim`
-- @tparam[opt=1] number dim dimension, from 1 or from the end with -1
-- @treturn Tensor a copy
-- @raise "cat: expected sizes that differ in dimension 1 only, got [2, 3] and, as number 2, [2, 4]"
-- @source the behaviour of PyTorch, but from 1
def { name = "cat", args = { { "list", "tensors" }, { "dim", "dim", 1 } } }

local f = def.functions

--- Tensors of equal sizes side by side along a new dimension.
-- @tparam {Tensor,...} list one or more, of one type and equal sizes
-- @tparam[opt=1] number dim where the new dimension stands in the result, from 1 or from the end
-- @treturn Tensor a copy
-- @raise "stack: expected a list of tensors for list, got ..."; as cat
-- @source the behaviour of PyTorch, but from 1
function f.stack(list, dim)
  check.table("stack", "list", list)
  local rows = {}
  for i, x in ipairs(list) do
    rows[i] = check.tensor("stack", ("list[%d]"):format(i), x):unsqueeze(dim or 1)
  end
  return f.cat(rows, dim or 1)
end
