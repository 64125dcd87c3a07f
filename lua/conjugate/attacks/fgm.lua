--- Fast gradient method without the sign: one step along the gradient.
-- `norm = "l2"` (default): `clamp(x + eps * g / ||g||_2)`, the norm taken per sample. `raw = true`:
-- `clamp(x + eps * g)`, where the step is as long as the gradient is: on a confident model it
-- hardly moves, so look at the column `l2`. No step depends on the batch.
-- @module conjugate.attacks.fgm
-- @usage local result = cj.attacks.fgm { eps = 0.5 }(net, x, y)
-- @source raw: Agarwal et al. 2020, and arXiv 2205.01493, eq. 21; unit length: Goodfellow et al.
--   2015
local define = require "conjugate.attacks.define"
local one_step = require "conjugate.attacks.kinds.one_step"

return define {
  name = "fgm",
  summary = "fast gradient method, without the sign",
  formula = "x + eps g / ||g||_2, or x + eps g (raw)",
  conjugate = "grad l(X, y)",
  source = "Agarwal et al. 2020",
  options = one_step.options "l2",
  prepare = one_step.settings,
}
