--- Reading pictures at moved points.
-- @module conjugate.ops.affine
local def = require "conjugate.ops.define"

--- Each output pixel (i, j) is x read at the point M (i, j, 1), bilinearly; rows and columns count
-- from 0 at the centre of the first pixel. Differentiable in x and in the matrix.
-- @function affine_sample
-- @tparam Tensor x floats [B, C, H, W]
-- @tparam Tensor matrix [B, 2, 3], of x's type, in pixels: the first row gives the row to read, the
--   second the column
-- @tparam[opt="nearest"] string border what lies outside: "nearest" border pixel or "zero"
-- @treturn Tensor [B, C, H, W]
-- @raise "affine_sample: expected matrix [4, 2, 3], got [4, 3, 3]"
-- @source Jaderberg et al., Spatial transformer networks, NIPS 2015
def {
  name = "affine_sample",
  args = { "x", "matrix", { "border", "choice", "nearest", { "nearest", "zero" } } },
}
