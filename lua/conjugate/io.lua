--- Files: IDX, CIFAR-10, PNG, npy, npz and safetensors.
--
-- A file that is missing, damaged or cannot be written gives `nil, message`; the message names the
-- file, the field, what was expected and what was found. Wrong arguments raise. Files are written
-- under a temporary name, synced and renamed.
-- @module conjugate.io
local check = require "conjugate.check"
local core = require "conjugate.core"

local files = core.io
local M = {}

--- Reads an IDX file of unsigned bytes, plain or gzip-compressed.
-- @function read_idx
-- @tparam string path file name
-- @tparam[opt] number ndim number of dimensions the file must have
-- @treturn Tensor uint8, of the file's sizes; or nil and a message
-- @usage local images = assert(cj.io.read_idx("train-images-idx3-ubyte.gz", 3))
M.read_idx = files.read_idx

--- Writes an IDX file, gzip-compressed when the name ends in ".gz".
-- @function write_idx
-- @tparam string path file name
-- @tparam Tensor tensor uint8, one dimension or more, no size 0
-- @treturn boolean true; or nil and a message
-- @raise "write_idx: expected a uint8 tensor, got float32"
M.write_idx = files.write_idx

--- Reads one binary batch of CIFAR-10, plain or gzip-compressed.
-- @function read_cifar
-- @tparam string path file name
-- @treturn Tensor images, uint8 [N, 3, 32, 32]; or nil and a message
-- @treturn Tensor labels, int64 [N], 0..9
M.read_cifar = files.read_cifar

--- Reads an 8-bit grey or RGB picture.
-- @function read_png
-- @tparam string path file name
-- @treturn Tensor uint8 [C, H, W] with C = 1 or 3; or nil and a message
M.read_png = files.read_png

--- Writes an 8-bit picture. The same picture gives the same bytes.
-- @function write_png
-- @tparam string path file name
-- @tparam Tensor tensor [H, W], [1, H, W] or [3, H, W]: uint8, or floats in [0, 1], which are
--   clamped, multiplied by 255 and rounded (NaN: black)
-- @treturn boolean true; or nil and a message
-- @raise "write_png: expected [H, W], [1, H, W] or [3, H, W], got [2, 4, 4]"
M.write_png = files.write_png

--- The bytes that `write_png` would write.
-- @function encode_png
-- @tparam Tensor tensor as for `write_png`
-- @treturn Tensor uint8 [N]
-- @raise "encode_png: expected [H, W], [1, H, W] or [3, H, W], got [2, 4, 4]"
M.encode_png = files.encode_png

--- Reads a NumPy array of float32, float64, int64, uint8 or bool (which becomes uint8).
-- @function read_npy
-- @tparam string path file name
-- @treturn Tensor of the file's type and sizes; or nil and a message
M.read_npy = files.read_npy

--- Writes a NumPy array.
-- @function write_npy
-- @tparam string path file name
-- @tparam Tensor tensor any type and sizes
-- @treturn boolean true; or nil and a message
M.write_npy = files.write_npy

--- Makes a folder and those above it; one that exists is fine.
-- @function make_folder
-- @tparam string path folder name
-- @treturn boolean true; or nil and a message
M.make_folder = core.make_folder

--- Writes a file whole: a reader sees the old content or the new.
-- @function write_file
-- @tparam string path file name
-- @tparam string bytes the content
-- @treturn boolean true; or nil and a message
M.write_file = core.write_file

-- Tensors by name, and the names at 1, 2, ...
local function by_name(names, values)
  local out = {}
  for i, name in ipairs(names) do
    out[i] = name
    out[name] = values[i]
  end
  return out
end

local function sorted_keys(fn, name, t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = check.string(fn, "a key of " .. name, key) end
  table.sort(keys)
  return keys
end

-- A list of pairs keeps its order; a table from names to tensors is sorted.
local function split_tensors(fn, tensors)
  local names, values = {}, {}
  check.table(fn, "tensors", tensors)
  if #tensors == 0 then
    names = sorted_keys(fn, "tensors", tensors)
    for i, name in ipairs(names) do values[i] = tensors[name] end
    return names, values
  end
  for i, pair in ipairs(tensors) do
    check.table(fn, ("entry %d"):format(i), pair)
    names[i] = pair[1] or pair.name
    values[i] = pair[2] or pair.tensor
  end
  return names, values
end

--- Writes named tensors as safetensors, as Python's `safetensors` reads them. The same input gives
-- the same bytes.
-- @tparam string path file name
-- @tparam table tensors a list of `{ name, tensor }`, whose order is kept, or a table from names to
--   tensors, which is sorted by name; any types, any sizes
-- @tparam[opt] table metadata strings by name, kept in the header, sorted by name
-- @treturn boolean true; or nil and a message
-- @raise "save_tensors: expected a tensor for NAME, got nil"
-- @usage cj.io.save_tensors("w.safetensors", { { "fc.weight", w }, { "fc.bias", b } },
--   { model = "convnet" })
function M.save_tensors(path, tensors, metadata)
  local names, values = split_tensors("save_tensors", tensors)
  metadata = check.table("save_tensors", "metadata", metadata or {})
  local keys, texts = sorted_keys("save_tensors", "metadata", metadata), {}
  for i, key in ipairs(keys) do
    texts[i] = check.string("save_tensors", "metadata." .. key, metadata[key])
  end
  return files.write_safetensors(path, names, values, keys, texts)
end

--- Reads a safetensors file of F32, F64, I64 and U8 tensors.
-- @tparam string path file name
-- @treturn table tensors by name, and at 1, 2, ... the names in the order of the file's header;
--   or nil and a message
-- @treturn table the file's metadata: strings by name
-- @usage local t, about = assert(cj.io.load_tensors "w.safetensors")
-- for _, name in ipairs(t) do print(name, t[name]) end
function M.load_tensors(path)
  local names, values, metadata = files.read_safetensors(path)
  if not names then return nil, values end
  return by_name(names, values), metadata
end

--- Writes named tensors as NumPy's npz, not compressed. The same input gives the same bytes.
-- @tparam string path file name
-- @tparam table tensors as for `save_tensors`
-- @treturn boolean true; or nil and a message
-- @raise "write_npz: expected a tensor for NAME, got nil"
-- @usage cj.io.write_npz("run.npz", { x = x, y = y })
function M.write_npz(path, tensors)
  local names, values = split_tensors("write_npz", tensors)
  return files.write_npz(path, names, values)
end

--- Reads an npz file of arrays that `read_npy` takes, compressed or not, below 4 GiB.
-- @tparam string path file name
-- @treturn table tensors by name, and at 1, 2, ... the names in the file's order; or nil and a
--   message
function M.read_npz(path)
  local names, values = files.read_npz(path)
  if not names then return nil, values end
  return by_name(names, values)
end

return M
