--- Transposed convolution.
-- @module conjugate.ops.conv_transpose
local def = require "conjugate.ops.define"

--- Transposed convolution: the map from a convolution's output gradient to its input gradient, as a
-- layer that enlarges images.
-- @function conv_transpose2d
-- @tparam Tensor x floats [B, C, H, W]
-- @tparam Tensor weight floats [C, O/groups, kh, kw], kh and kw at most 255
-- @tparam[opt] Tensor bias floats [O]
-- @tparam[opt=1] number|table stride one number or {height, width}
-- @tparam[opt=0] number|table padding rows and columns cut off on each side
-- @tparam[opt=0] number|table output_padding rows and columns more at the end; below stride or
--   dilation
-- @tparam[opt=1] integer groups
-- @tparam[opt=1] number|table dilation
-- @treturn Tensor [B, O, H', W'],
--   H' = (H-1) stride - 2 padding + dilation (kh-1) + output_padding + 1
-- @raise when sizes or types do not fit, or the result would be empty
-- @source Zeiler et al., CVPR 2010
def {
  name = "conv_transpose2d",
  args = {
    "x", "weight", { "bias", "tensor?" },
    { "stride", "pair", 1 }, { "padding", "pair", 0 }, { "output_padding", "pair", 0 },
    { "groups", "integer", 1 }, { "dilation", "pair", 1 },
  },
}
