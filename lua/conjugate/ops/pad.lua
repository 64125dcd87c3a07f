--- Padding.
-- @module conjugate.ops.pad
local def = require "conjugate.ops.define"

--- Adds elements at the ends of the last dimensions, or with negative amounts cuts them off.
-- `cj.pad(images, { left, right, top, bottom })`.
-- @function pad
-- @tparam Tensor x floats of any shape
-- @tparam table amounts pairs (before, after), the last dimension first
-- @tparam[opt="constant"] string mode "constant", "reflect" (the border is not repeated; amounts
--   below the size) or "replicate"
-- @tparam[opt=0] number value of the new elements, for "constant"
-- @treturn Tensor the larger or smaller tensor
-- @raise when there are more pairs than dimensions or amounts do not fit
-- @source convention of PyTorch
def {
  name = "pad",
  args = {
    "x", { "amounts", "numbers" },
    { "mode", "choice", "constant", { "constant", "reflect", "replicate" } },
    { "value", "number", 0 },
  },
  inplace = false,
}
