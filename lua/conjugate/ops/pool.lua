--- Pooling: maxima and means over windows of images.
-- @module conjugate.ops.pool
local def = require "conjugate.ops.define"

local window = {
  "x", { "kernel", "pair" }, { "stride", "pair", 0 }, { "padding", "pair", 0 },
}

--- Largest value of each window; the first of equal values gets the gradient, NaN beats all.
-- @function max_pool2d
-- @tparam Tensor x floats [B, C, H, W]
-- @tparam number|table kernel window size, one number or {height, width}
-- @tparam[opt=kernel] number|table stride 0 stands for the kernel
-- @tparam[opt=0] number|table padding at most half the kernel; such places never win
-- @treturn Tensor [B, C, H', W'], H' = floor((H + 2 padding - kernel) / stride) + 1
-- @raise when sizes do not fit or the window is larger than the padded image
-- @source Jarrett et al., ICCV 2009
def { name = "max_pool2d", args = window }

--- Mean of each window; places of the padding count as zeros.
-- @function avg_pool2d
-- @tparam Tensor x floats [B, C, H, W]
-- @tparam number|table kernel window size, one number or {height, width}
-- @tparam[opt=kernel] number|table stride 0 stands for the kernel
-- @tparam[opt=0] number|table padding at most half the kernel
-- @treturn Tensor [B, C, H', W'], H' = floor((H + 2 padding - kernel) / stride) + 1
-- @raise when sizes do not fit or the window is larger than the padded image
-- @source LeCun et al., Proc. IEEE 86 (1998)
def { name = "avg_pool2d", args = window }

--- Means over as many windows as asked for: output i of H' covers rows floor(i H / H') to
-- ceil((i+1) H / H'), counted from 0 and without the last. Size 1 is the global mean.
-- @function adaptive_avg_pool2d
-- @tparam Tensor x floats [B, C, H, W]
-- @tparam[opt=1] number|table size one number or {height, width} of the result
-- @treturn Tensor [B, C, H', W']
-- @raise when x has other than four dimensions or no pixel
-- @source Lin, Chen and Yan, ICLR 2014 (global mean)
def { name = "adaptive_avg_pool2d", args = { "x", { "size", "pair", 1 } } }
