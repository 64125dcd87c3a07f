--- Small things to train and measure without data files: a set that a line separates.
local cj = require "conjugate"

local M = {}

--- A set of n pictures [1, 2, 2] of two classes: the brighter half of the pixels names the class.
-- @tparam number n pictures
-- @tparam number key of the stream of pixels
-- @treturn DataSet
function M.set(n, key)
  local x = cj.random.rand({ n, 1, 2, 2 }, "float32", key)
  local flat = x:reshape { n, 4 }
  local left = flat:narrow(2, 1, 2):sum(2)
  local right = flat:narrow(2, 3, 2):sum(2)
  return cj.data.set {
    images = x, labels = right:gt(left):to("int64"), classes = 2, name = "toy", split = "train",
  }
end

return M
