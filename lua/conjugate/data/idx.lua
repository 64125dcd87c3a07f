--- Data sets of the MNIST family: two IDX files for training, two for testing.
-- @module conjugate.data.idx
local Set = require "conjugate.data.set"
local files = require "conjugate.io"

local M = {}

--- The official names, without .gz.
M.files = {
  "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
  "t10k-labels-idx1-ubyte",
}

-- images [N, H, W] and labels [N] of one split.
local function read_split(source, split, image_path, label_path)
  local images, why = files.read_idx(image_path, 3)
  if not images then return nil, why end
  local labels
  labels, why = files.read_idx(label_path, 1)
  if not labels then return nil, why end
  local n, h, w = images:size(1), images:size(2), images:size(3)
  if h ~= 28 or w ~= 28 then
    return nil, ("%s: sizes: expected pictures of 28 x 28, found %d x %d"):format(image_path, h, w)
  end
  if labels:size(1) ~= n then
    return nil, ("%s: size 1: expected %d labels, as many as images, found %d")
      :format(label_path, n, labels:size(1))
  end
  local numbers = labels:to "int64"
  local highest = numbers:max():item()
  if highest >= #source.class_names then
    return nil, ("%s: labels: expected 0 to %d, found %d"):format(label_path,
      #source.class_names - 1, highest)
  end
  return Set.new {
    images = images:reshape { n, 1, h, w }, labels = numbers, name = source.name, split = split,
    classes = #source.class_names, class_names = source.class_names,
  }
end

--- Reads the four files.
-- @tparam table source the set's description: `name`, `class_names`
-- @tparam {string,...} paths in the order of `files`
-- @treturn Set training set; or nil and a message
-- @treturn Set test set
function M.read(source, paths)
  local train, why = read_split(source, "train", paths[1], paths[2])
  if not train then return nil, why end
  local test
  test, why = read_split(source, "test", paths[3], paths[4])
  if not test then return nil, why end
  return train, test
end

return M
