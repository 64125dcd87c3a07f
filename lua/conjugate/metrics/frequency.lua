--- How much of a perturbation is of high frequency.
--
-- For each image, `A = |fftshift(FFT2(grey))|` and `ratio = (sum A - sum over LF of A) / sum A`,
-- where LF is a square of low frequencies. The paper's square holds the frequencies -1..2 of a 32 x
-- 32 image and -2..3 of a 28 x 28 one: it is not symmetric. An image whose spectrum is zero has no
-- ratio; it is left out and counted.
-- @module conjugate.metrics.frequency
-- @source Zhang et al., arXiv 2205.01493, supplement, Fig. 5
local check = require "conjugate.check"
local ops = require "conjugate.ops"

local M = {}

local BT601 = { 0.299, 0.587, 0.114 }
local PART = 512 -- images at a time; each has its own spectrum, so results do not depend on it

local windows = {
  paper = { [32] = { -1, 2 }, [28] = { -2, 3 } },
  symmetric = { [32] = { -2, 2 }, [28] = { -3, 3 } },
}

-- Lowest and highest frequency of the window for a side of n pixels.
local function window_of(window, n)
  if type(window) == "table" then return window[1], window[2] end
  local found = windows[window][n]
  if not found then
    check.fail("ratio", "the %s window is known for sides of 28 and 32, not %d: "
      .. "give window = { lowest, highest frequency }", window, n)
  end
  return found[1], found[2]
end

local function check_window(window)
  if type(window) ~= "table" then
    return check.one_of("ratio", "window", window, { "paper", "symmetric" })
  end
  check.integer("ratio", "window[1]", window[1])
  check.integer("ratio", "window[2]", window[2], window[1])
  return window
end

local function channel_weights(grey, channels)
  if channels == 1 then return { 1 } end
  if type(grey) == "table" then
    if #grey ~= channels then
      check.fail("grey", "expected %d weights, one a channel, got %d", channels, #grey)
    end
    return grey
  end
  check.one_of("grey", "grey", grey, { "bt601", "mean" })
  if grey == "bt601" and channels == 3 then return BT601 end
  if grey == "bt601" then
    check.fail("grey", 'the weights of BT.601 are for 3 channels, got %d: use grey = "mean"',
      channels)
  end
  local weights = {}
  for c = 1, channels do weights[c] = 1 / channels end
  return weights
end

--- Mixes the channels of images.
-- @tparam Tensor x floats [B, C, H, W]
-- @param[opt="bt601"] grey "bt601" (0.299 R + 0.587 G + 0.114 B), "mean", or one weight a channel
-- @treturn Tensor [B, H, W]
function M.grey(x, grey)
  check.tensor("grey", "x", x, "float", 4)
  local sum
  for c, weight in ipairs(channel_weights(grey or "bt601", x:size(2))) do
    local part = x:select(2, c)
    if weight ~= 1 then part = part * weight end
    sum = sum and sum + part or part
  end
  return sum
end

-- Rows and columns of the window, as the first index (from 1) and the count.
local function place(window, n)
  local low, high = window_of(window, n)
  local first = math.floor(n / 2) + low
  if first < 0 or math.floor(n / 2) + high >= n then
    check.fail("ratio", "the window %d..%d does not fit %d pixels", low, high, n)
  end
  return first + 1, high - low + 1
end

local function total(a)
  return a:to("float64"):reshape({ a:size(1), -1 }):sum(2):table()
end

local function part_ratios(x, o, ratios)
  local a = ops.spectrum(M.grey(x, o.grey):contiguous())
  if o.measure ~= "modulus" then a = a * a end
  local r, rows = place(o.window, a:size(2))
  local c, columns = place(o.window, a:size(3))
  local all, low = total(a), total(a:narrow(2, r, rows):narrow(3, c, columns))
  for i, sum in ipairs(all) do
    local inside = low[i]
    if o.measure == "frobenius" then sum, inside = math.sqrt(sum), math.sqrt(inside) end
    ratios[#ratios + 1] = sum > 0 and (sum - inside) / sum or false
  end
end

--- High-frequency ratio of each image and its mean.
-- @tparam Tensor delta perturbations, floats [B, C, H, W]
-- @tparam[opt] table opts `window`: "paper" (default), "symmetric" (-2..2 of 32, -3..3 of 28) or {
--   lowest, highest frequency } for rows and columns; `measure`: "modulus" (default), "energy" (A
--   squared) or "frobenius" (norms instead of sums); `grey`: "bt601" (default for colour), "mean",
--   or weights
-- @treturn table `mean` and `sd` (nil when no image has a ratio), `sum`, `count` (images with one),
--   `undefined` (images with none), `ratios` (list; false where undefined)
-- @raise sizes without a known window; wrong options
-- @usage local r = cj.metrics.frequency.ratio(delta)
-- print(r.mean, r.undefined)
function M.ratio(delta, opts)
  check.tensor("ratio", "delta", delta, "float", 4)
  local o = check.options("ratio", opts, {
    window = { "string|table", "paper" }, measure = "modulus", grey = { "string|table", "bt601" },
  })
  check_window(o.window)
  check.one_of("ratio", "measure", o.measure, { "modulus", "energy", "frobenius" })
  local ratios, count = {}, delta:size(1)
  delta = delta:detach()
  for first = 1, count, PART do
    part_ratios(delta:narrow(1, first, math.min(PART, count - first + 1)), o, ratios)
  end
  local sum, squares, n = 0, 0, 0
  for _, ratio in ipairs(ratios) do
    if ratio then sum, squares, n = sum + ratio, squares + ratio * ratio, n + 1 end
  end
  local mean = n > 0 and sum / n or nil
  local sd = n > 1 and math.sqrt(math.max(squares - n * mean * mean, 0) / (n - 1)) or nil
  return { mean = mean, sd = sd, sum = sum, count = n, undefined = count - n, ratios = ratios }
end

--- Mean modulus by distance from frequency 0.
-- @tparam Tensor delta floats [B, C, H, W], B at least 1
-- @param[opt] grey as for `ratio`
-- @treturn {number,...} entry k: mean of A over all images and all frequencies whose distance from
--   0 rounds to k - 1
function M.profile(delta, grey)
  check.tensor("profile", "delta", delta, "float", 4)
  grey = grey or (delta:size(2) == 3 and "bt601" or "mean")
  local a = ops.spectrum(M.grey(delta:detach(), grey):contiguous())
  local mean = a:to("float64"):mean(1):table()
  local sums, counts = {}, {}
  local mid_row, mid_column = math.floor(#mean / 2) + 1, math.floor(#mean[1] / 2) + 1
  for r, row in ipairs(mean) do
    for c, value in ipairs(row) do
      local ring = math.floor(math.sqrt((r - mid_row) ^ 2 + (c - mid_column) ^ 2) + 0.5) + 1
      sums[ring], counts[ring] = (sums[ring] or 0) + value, (counts[ring] or 0) + 1
    end
  end
  for ring, sum in ipairs(sums) do sums[ring] = sum / counts[ring] end
  return sums
end

return M
