--- CIFAR-10: 50,000 training and 10,000 test pictures, 32 x 32 RGB.
-- @module conjugate.data.cifar10
-- @source Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009
local core = require "conjugate.core"
local files = require "conjugate.io"
local find = require "conjugate.data.find"
local Set = require "conjugate.data.set"

local M = {
  name = "cifar10",
  title = "50,000 + 10,000 photographs, 32x32 RGB",
  files = {
    "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
    "data_batch_5.bin", "test_batch.bin",
  },
  class_names = {
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
  },
  homes = { "https://www.cs.toronto.edu/~kriz/" },
  archive = "cifar-10-binary.tar.gz",
  archive_folder = "cifar-10-batches-bin",
}

local EACH = 10000 -- pictures per official batch

-- Reads batches into places of images and labels; true, or nil and a message.
local function read_into(images, labels, paths)
  for i, path in ipairs(paths) do
    local x, y = files.read_cifar(path)
    if not x then return nil, y end
    if x:size(1) ~= EACH then
      return nil, ("%s: length: expected %d records, found %d"):format(path, EACH, x:size(1))
    end
    images:narrow(1, (i - 1) * EACH + 1, EACH):copy_(x)
    labels:narrow(1, (i - 1) * EACH + 1, EACH):copy_(y)
    x:release()
  end
  return true
end

local function read_split(split, paths)
  local images = core.new({ #paths * EACH, 3, 32, 32 }, nil, "uint8", "load")
  local labels = core.new({ #paths * EACH }, nil, "int64", "load")
  local ok, why = read_into(images, labels, paths)
  if not ok then return nil, why end
  return Set.new {
    images = images, labels = labels, name = M.name, split = split,
    classes = #M.class_names, class_names = M.class_names,
  }
end

--- Reads the set.
-- @treturn Set training set [50000, 3, 32, 32]; or nil and a message that says how to get the set
-- @treturn Set test set [10000, 3, 32, 32]
function M.load()
  local paths, why = find.files(M)
  if not paths then return nil, why end
  local test, train
  test, why = read_split("test", { paths[6] })
  if not test then return nil, why end
  train, why = read_split("train", { paths[1], paths[2], paths[3], paths[4], paths[5] })
  if not train then return nil, why end
  return train, test
end

return M
