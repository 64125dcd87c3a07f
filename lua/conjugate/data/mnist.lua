--- MNIST: 60,000 training and 10,000 test digits, 28 x 28 grey.
-- @module conjugate.data.mnist
-- @source LeCun, Bottou, Bengio, Haffner, Proc. IEEE 86(11), 1998
local find = require "conjugate.data.find"
local idx = require "conjugate.data.idx"

local M = {
  name = "mnist",
  title = "60,000 + 10,000 handwritten digits, 28x28 grey",
  files = idx.files,
  class_names = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" },
  homes = {
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
  },
  ending = ".gz",
}

--- Reads the set.
-- @treturn Set training set [60000, 1, 28, 28]; or nil and a message that says how to get the set
-- @treturn Set test set [10000, 1, 28, 28]
function M.load()
  local paths, why = find.files(M)
  if not paths then return nil, why end
  return idx.read(M, paths)
end

return M
