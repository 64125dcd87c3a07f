--- Optimisers and schedules: `cj.optim`.
-- @module conjugate.optim
local adam = require "conjugate.optim.adam"

return {
  sgd = require "conjugate.optim.sgd",
  adam = adam.adam,
  adamw = adam.adamw,
  rmsprop = require "conjugate.optim.rmsprop",
  schedules = require "conjugate.optim.schedules",
}
