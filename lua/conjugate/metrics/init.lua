--- Metrics, each loaded on first use by its file name.
-- @module conjugate.metrics
local M = {}

-- Functions people call, and the file each is in.
local functions = {
  evaluate = "evaluate", accuracy = "accuracy", count = "accuracy", interval = "wilson",
  eight_bit = "rounding",
  clever = "clever", clever_points = "clever",
}

return setmetatable(M, {
  __index = function(self, name)
    local file = functions[name]
    local value
    if file then
      value = require("conjugate.metrics." .. file)[name]
    elseif type(name) == "string" then
      local module = "conjugate.metrics." .. name
      value = package.searchpath(module, package.path) and require(module) or nil
    end
    rawset(self, name, value)
    return value
  end,
})
