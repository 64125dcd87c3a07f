--- Spectra of images.
-- @module conjugate.ops.spectrum
local def = require "conjugate.ops.define"

--- Moduli of the two-dimensional Fourier transform of images, with frequency 0 in the middle:
-- `|fftshift(FFT2(x))|`; frequency (0, 0) stands at row H/2 + 1, column W/2 + 1 (rounded down
-- before the 1 is added). Computed in float32, good to about 1e-6 of the largest value. Has no
-- gradient.
-- @function spectrum
-- @tparam Tensor x floats [..., H, W]
-- @treturn Tensor same shape as x, every element >= 0
-- @raise "spectrum: expected images [..., H, W] for x, got [3]"
-- @source KISS FFT
def { name = "spectrum", args = { "x" }, inplace = false }
