--- Stochastic gradient descent.
-- @module conjugate.optim.sgd
local check = require "conjugate.check"
local define = require "conjugate.optim.define"

--- p <- p - lr d, with g' = g + weight_decay p, b <- momentum b + (1 - dampening) g' (b = g' at the
-- first step), and d = b, or g' + momentum b with Nesterov's variant; without momentum d = g'.
-- @function sgd
-- @tparam Module|table parameters a module, or a list of tensors
-- @tparam[opt] table options lr (1e-2), momentum (0), dampening (0), weight_decay (0),
--  nesterov (false)
-- @treturn Optimizer
-- @raise unknown options; nesterov without momentum or with dampening
-- @source Sutskever et al., ICML 2013; PyTorch, SGD
return define {
  name = "sgd",
  options = { lr = 1e-2, momentum = 0, dampening = 0, weight_decay = 0, nesterov = false },
  check = function(o)
    if o.nesterov and (o.momentum == 0 or o.dampening ~= 0) then
      check.fail("sgd", "nesterov needs a momentum above 0 and no dampening, got %g and %g",
        o.momentum, o.dampening)
    end
  end,
  slots = function(o)
    return o.momentum > 0 and { "momentum_buffer" } or {}
  end,
  update = function(o, p, g, slots, step)
    p:sgd_step(g, slots.momentum_buffer, o.lr, o.momentum, step == 1 and 0 or o.dampening,
      o.weight_decay, o.nesterov)
  end,
}
