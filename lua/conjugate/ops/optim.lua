--- Steps of optimisers: one call changes one parameter and its state in place.
-- State tensors have the parameter's type and sizes and begin as zeros. The formulas are PyTorch's.
-- @module conjugate.ops.optim
local def = require "conjugate.ops.define"

--- Gradient descent: `g += weight_decay p; buf = momentum buf + g; p -= lr buf`, with Nesterov
-- `p -= lr (g + momentum buf)`; without buf `p -= lr g`.
-- @function sgd_step
-- @tparam Tensor p parameter, floats
-- @tparam Tensor g gradient, same shape
-- @tparam[opt] Tensor buf state; needed for momentum
-- @tparam number lr rate
-- @tparam[opt=0] number momentum
-- @tparam[opt=0] number weight_decay
-- @tparam[opt=false] boolean nesterov
-- @treturn Tensor p itself, cut from the tape
-- @raise when sizes or types differ or a tensor is not contiguous
-- @source Sutskever et al., ICML 2013
def {
  name = "sgd_step",
  args = {
    "p", "g", { "buf", "tensor?" }, { "lr", "number" }, { "momentum", "number", 0 },
    { "weight_decay", "number", 0 }, { "nesterov", "boolean", 0 },
  },
  method = false,
}

local adam_args = {
  "p", "g", "m", "v", { "lr", "number" }, { "beta1", "number", 0.9 }, { "beta2", "number", 0.999 },
  { "eps", "number", 1e-8 }, { "weight_decay", "number", 0 }, { "step", "integer" },
}

--- Adam: `m += (1-b1)(g-m); v = b2 v + (1-b2) g^2;
-- p -= lr / (1-b1^t) * m / (sqrt(v) / sqrt(1-b2^t) + eps)`, after `g += weight_decay p`.
-- @function adam_step
-- @tparam Tensor p parameter, floats
-- @tparam Tensor g gradient, same shape
-- @tparam Tensor m first moment, state
-- @tparam Tensor v second moment, state
-- @tparam number lr rate
-- @tparam[opt=0.9] number beta1
-- @tparam[opt=0.999] number beta2
-- @tparam[opt=1e-8] number eps
-- @tparam[opt=0] number weight_decay
-- @tparam integer step number t of this step, from 1
-- @treturn Tensor p itself, cut from the tape
-- @raise when sizes or types differ or a tensor is not contiguous
-- @source Kingma and Ba, ICLR 2015
def { name = "adam_step", args = adam_args, method = false }

--- Adam with decoupled weight decay: `p *= 1 - lr weight_decay`, then Adam's step without decay.
-- @function adamw_step
-- @tparam Tensor p parameter, floats
-- @tparam Tensor g gradient, same shape
-- @tparam Tensor m first moment, state
-- @tparam Tensor v second moment, state
-- @tparam number lr rate
-- @tparam[opt=0.9] number beta1
-- @tparam[opt=0.999] number beta2
-- @tparam[opt=1e-8] number eps
-- @tparam[opt=0] number weight_decay (PyTorch's default is 0.01)
-- @tparam integer step number t of this step, from 1
-- @treturn Tensor p itself, cut from the tape
-- @raise when sizes or types differ or a tensor is not contiguous
-- @source Loshchilov and Hutter, ICLR 2019
def { name = "adamw_step", args = adam_args, method = false }

--- RMSprop: `s = alpha s + (1-alpha) g^2; d = sqrt(s) + eps`, with mean (the centred form)
-- `d = sqrt(s - mean^2) + eps`; `p -= lr g / d`, with momentum `buf = momentum buf + g / d` and
-- `p -= lr buf`.
-- @function rmsprop_step
-- @tparam Tensor p parameter, floats
-- @tparam Tensor g gradient, same shape
-- @tparam Tensor square state
-- @tparam[opt] Tensor buf state; needed for momentum
-- @tparam[opt] Tensor mean state of the centred form
-- @tparam number lr rate
-- @tparam[opt=0.99] number alpha
-- @tparam[opt=1e-8] number eps
-- @tparam[opt=0] number weight_decay
-- @tparam[opt=0] number momentum
-- @treturn Tensor p itself, cut from the tape
-- @raise when sizes or types differ or a tensor is not contiguous
-- @source Tieleman and Hinton, lecture 6.5 (2012)
def {
  name = "rmsprop_step",
  args = {
    "p", "g", "square", { "buf", "tensor?" }, { "mean", "tensor?" }, { "lr", "number" },
    { "alpha", "number", 0.99 }, { "eps", "number", 1e-8 }, { "weight_decay", "number", 0 },
    { "momentum", "number", 0 },
  },
  method = false,
}
