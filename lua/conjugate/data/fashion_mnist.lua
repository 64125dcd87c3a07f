--- Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes, 28 x 28 grey.
-- @module conjugate.data.fashion_mnist
-- @source Xiao, Rasul, Vollgraf, arXiv:1708.07747
local find = require "conjugate.data.find"
local idx = require "conjugate.data.idx"

local M = {
  name = "fashion_mnist",
  title = "60,000 + 10,000 pictures of clothes, 28x28 grey",
  files = idx.files,
  class_names = {
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
    "ankle boot",
  },
  folders = { "/usr/share/datasets/fashion-mnist" }, -- Debian's package
  hint = "on Debian the package dataset-fashion-mnist has them too",
  homes = { "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/" },
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
