--- Enlarging images.
-- @module conjugate.ops.upsample
local def = require "conjugate.ops.define"

--- Enlarges images by whole factors; bilinear takes pixel centres as the places of values (as
-- PyTorch with align_corners = false).
-- @function upsample
-- @tparam Tensor x floats [B, C, H, W]
-- @tparam number|table factor one number or {height, width}, whole
-- @tparam[opt="nearest"] string mode "nearest" or "bilinear"
-- @treturn Tensor [B, C, H * factor, W * factor]
-- @raise when x has other than four dimensions or a factor is not a whole number of at least 1
-- @source convention of PyTorch
def {
  name = "upsample",
  args = {
    "x", { "factor", "pair", 2 }, { "mode", "choice", "nearest", { "nearest", "bilinear" } },
  },
  inplace = false,
}
