--- The small set that comes with the package: real MNIST digits, 600 of each class for training and
-- 100 of each for testing. See the README beside the files for the rule, source and licence.
-- @module conjugate.data.mini
local idx = require "conjugate.data.idx"

local M = {
  name = "mini",
  title = "6,000 + 1,000 MNIST digits, shipped with the package",
  files = idx.files,
  class_names = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" },
}

-- The files lie beside this one, wherever the package is installed.
local here = debug.getinfo(1, "S").source:match "^@(.*)mini%.lua$" or ""

--- The folder of the files.
-- @treturn string its path
function M.folder()
  return here .. "mini"
end

--- Reads the set.
-- @treturn Set training set [6000, 1, 28, 28]; or nil and a message
-- @treturn Set test set [1000, 1, 28, 28]
function M.load()
  local paths = {}
  for i, name in ipairs(M.files) do paths[i] = M.folder() .. "/" .. name .. ".gz" end
  return idx.read(M, paths)
end

return M
