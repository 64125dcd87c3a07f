--- Layers, containers, criteria and initialisers: `cj.nn`.
-- @module conjugate.nn
local M = {
  init = require "conjugate.nn.initial",
  class = require("conjugate.nn.module").class,
  is_module = require("conjugate.nn.module").is_module,
}

local families = {
  "activation", "conv", "criteria", "linear", "norm", "pool", "sequential", "shape",
  "spectral_norm",
}

for _, family in ipairs(families) do
  for name, value in pairs(require("conjugate.nn." .. family)) do M[name] = value end
end

return M
