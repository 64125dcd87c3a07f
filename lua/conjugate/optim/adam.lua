--- Adam and AdamW.
-- @module conjugate.optim.adam
local cj = require "conjugate"
local define = require "conjugate.optim.define"

local function slots()
  return { "exp_avg", "exp_avg_sq" }
end

local function update(operator)
  return function(o, p, g, s, step)
    operator(p, g, s.exp_avg, s.exp_avg_sq, o.lr, o.beta1, o.beta2, o.eps, o.weight_decay, step)
  end
end

local M = {}

--- m <- beta1 m + (1 - beta1) g', v <- beta2 v + (1 - beta2) g'^2, g' = g + weight_decay p, and
-- p <- p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps) at step t.
-- @function adam
-- @tparam Module|table parameters a module, or a list of tensors
-- @tparam[opt] table options lr (1e-3), beta1 (0.9), beta2 (0.999), eps (1e-8), weight_decay (0)
-- @treturn Optimizer
-- @raise unknown options, negative numbers
-- @source Kingma and Ba, ICLR 2015; PyTorch, Adam
M.adam = define {
  name = "adam",
  options = { lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0 },
  slots = slots,
  update = update(cj.adam_step),
}

--- Adam with decoupled decay: p <- (1 - lr weight_decay) p, then Adam's step on the plain gradient.
-- @function adamw
-- @tparam Module|table parameters a module, or a list of tensors
-- @tparam[opt] table options lr (1e-3), beta1 (0.9), beta2 (0.999), eps (1e-8), weight_decay (0.01)
-- @treturn Optimizer
-- @raise unknown options, negative numbers
-- @source Loshchilov and Hutter, ICLR 2019; PyTorch, AdamW
M.adamw = define {
  name = "adamw",
  options = { lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2 },
  slots = slots,
  update = update(cj.adamw_step),
}

return M
