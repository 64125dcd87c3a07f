--- Stochastic gradient descent.
-- @module conjugate.optim.sgd
local cj = require "conjugate"
local check = require "conjugate.check"
local define = require "conjugate.optim.define"

--- p <- p - lr d, with g' = g + weight_decay p, b <- momentum b + g', and d = b, or g' + momentum b
-- with Nesterov's variant; without momentum d = g'.
-- @function sgd
-- @tparam Module|table parameters a module, or a list of tensors
-- @tparam[opt] table options lr (1e-2), momentum (0), weight_decay (0), nesterov (false)
-- @treturn Optimizer
-- @raise unknown options; nesterov without momentum
-- @source Sutskever et al., ICML 2013; PyTorch, SGD
return define {
  name = "sgd",
  options = { lr = 1e-2, momentum = 0, weight_decay = 0, nesterov = false },
  check = function(o)
    if o.nesterov and o.momentum == 0 then
      check.fail("sgd", "expected a momentum above 0 for nesterov, got 0")
    end
  end,
  slots = function(o)
    return o.momentum > 0 and { "momentum_buffer" } or {}
  end,
  update = function(o, p, g, s)
    cj.sgd_step(p, g, s.momentum_buffer, o.lr, o.momentum, o.weight_decay, o.nesterov)
  end,
}
