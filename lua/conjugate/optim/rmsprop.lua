--- RMSprop.
-- @module conjugate.optim.rmsprop
local cj = require "conjugate"
local define = require "conjugate.optim.define"

--- v <- rho v + (1 - rho) g'^2 with g' = g + weight_decay p, and p <- p - lr g' / (sqrt(v) + eps);
-- with momentum b <- momentum b + g' / (sqrt(v) + eps), p <- p - lr b.
-- @function rmsprop
-- @tparam Module|table parameters a module, or a list of tensors
-- @tparam[opt] table options lr (1e-3), rho (0.9), eps (1e-8), momentum (0), weight_decay (0)
-- @treturn Optimizer
-- @raise unknown options, negative numbers
-- @source Tieleman and Hinton, Coursera lecture 6.5 (2012); PyTorch, RMSprop
return define {
  name = "rmsprop",
  options = { lr = 1e-3, rho = 0.9, eps = 1e-8, momentum = 0, weight_decay = 0 },
  slots = function(o)
    return o.momentum > 0 and { "square_avg", "momentum_buffer" } or { "square_avg" }
  end,
  update = function(o, p, g, s)
    cj.rmsprop_step(p, g, s.square_avg, s.momentum_buffer, nil, o.lr, o.rho, o.eps,
      o.weight_decay, o.momentum)
  end,
}
