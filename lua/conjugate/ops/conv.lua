--- Convolution of images.
-- @module conjugate.ops.conv
local def = require "conjugate.ops.define"

--- Two-dimensional convolution (correlation, as all networks mean it):
-- `y[n,o,i,j] = bias[o] + sum of w[o,c,r,s] * x[n,c,i*stride-padding+r*dilation, ...]`, with zeros
-- outside x.
-- The result for one image does not depend on the others.
-- @function conv2d
-- @tparam Tensor x floats [B, C, H, W]
-- @tparam Tensor weight floats [O, C/groups, kh, kw], kh and kw at most 255
-- @tparam[opt] Tensor bias floats [O]
-- @tparam[opt=1] number|table stride steps of the kernel, one number or {height, width}
-- @tparam[opt=0] number|table padding zeros on each side
-- @tparam[opt=1] number|table dilation distance of kernel places
-- @tparam[opt=1] integer groups C and O are cut into this many groups that do not mix
-- @treturn Tensor [B, O, H', W'], H' = floor((H + 2 padding - dilation (kh-1) - 1) / stride) + 1
-- @raise when sizes or types do not fit, or the kernel is larger than the padded image
-- @source LeCun et al., Proc. IEEE 86 (1998)
def {
  name = "conv2d",
  args = {
    "x", "weight", { "bias", "tensor?" },
    { "stride", "pair", 1 }, { "padding", "pair", 0 }, { "dilation", "pair", 1 },
    { "groups", "integer", 1 },
  },
}
