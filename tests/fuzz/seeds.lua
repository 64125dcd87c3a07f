-- Writes small valid files for every parser, as FOLDER/FORMAT/seed: luajit seeds.lua FOLDER
local cj = require "conjugate"

local root = assert(arg[1], "usage: seeds.lua FOLDER")
local bytes = cj.arange(0, 12):to "uint8"
local writers = {
  idx = function(path)
    assert(cj.io.write_idx(path, bytes:reshape { 2, 2, 3 }))
    assert(cj.io.write_idx(path .. ".gz", bytes))
  end,
  cifar = function(path)
    assert(cj.io.write_file(path, ("\3"):rep(2 * 3073)))
  end,
  png = function(path)
    assert(cj.io.write_png(path, bytes:reshape { 3, 2, 2 }))
    assert(cj.io.write_png(path .. ".grey", bytes:reshape { 3, 4 }))
  end,
  npy = function(path)
    assert(cj.io.write_npy(path, cj.ones { 2, 3 }))
  end,
  npz = function(path)
    assert(cj.io.write_npz(path, { a = cj.ones { 2, 3 }, b = bytes }))
  end,
  safetensors = function(path)
    assert(cj.io.save_tensors(path, { a = cj.ones { 2, 3 }, b = bytes }, { k = "\195\164\n" }))
  end,
}
for format, write in pairs(writers) do
  assert(cj.io.make_folder(root .. "/" .. format))
  write(root .. "/" .. format .. "/seed")
end
