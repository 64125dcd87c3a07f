--- Metrics, each loaded on first use by its file name.
-- @module conjugate.metrics
local M = {}

-- Functions people call, and the file each is in.
local functions = {
  evaluate = "evaluate", accuracy = "accuracy", count = "accuracy", interval = "wilson",
  eight_bit = "rounding", eight_bit_accuracy = "eight_bit_accuracy",
  clever = "clever", clever_points = "clever", distortion = "distortion",
  empirical_robustness = "distortion", su = "distortion", curve = "curve",
  calibration = "calibration", calibration_of = "calibration", transfer = "transfer",
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
