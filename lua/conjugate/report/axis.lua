--- One axis of a chart: its range, its ticks, and where a value stands.
-- @module conjugate.report.axis
local M = {}

local forward = {
  linear = function(v) return v end,
  sqrt = function(v) return math.sqrt(math.max(v, 0)) end,
  log = function(v) return math.log10(v) end,
}

-- 1, 2 or 5 times a power of ten, for about `count` steps.
local function nice_step(span, count)
  local raw = span / count
  local power = 10 ^ math.floor(math.log10(raw))
  for _, factor in ipairs { 1, 2, 5 } do
    if raw <= factor * power * 1.05 then return factor * power end
  end
  return 10 * power
end

-- Out to the next ticks, where no end was asked for.
local function rounded(low, high, range, count)
  local step = nice_step(high - low, count)
  if not range[1] then low = math.floor(low / step + 1e-9) * step end
  if not range[2] then high = math.ceil(high / step - 1e-9) * step end
  return low, high
end

local function linear_ticks(low, high, count)
  local ticks, step = {}, nice_step(high - low, count)
  for k = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) do
    ticks[#ticks + 1] = k * step
  end
  return ticks
end

local function log_ticks(low, high)
  local ticks = {}
  for k = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) do
    ticks[#ticks + 1] = 10 ^ k
  end
  if #ticks < 2 then return { low, high } end
  return ticks
end

-- Wide enough that something can be drawn.
local function widened(low, high, scale)
  if low > high then low, high = 1, 10 end -- nothing to show
  if low < high then return low, high end
  if scale == "log" then return low / 2, high * 2 end
  local half = low == 0 and 0.5 or math.abs(low) / 2
  return low - half, high + half
end

local function label_of(value, step)
  if value == 0 then return "0" end
  if math.abs(value) >= 1e5 or math.abs(value) < 1e-4 then return ("%.3g"):format(value) end
  local decimals = math.max(0, math.ceil(-math.log10(step) - 1e-9))
  return ("%%.%df"):format(decimals):format(value)
end

-- The least distance between neighbours, which says how many decimals the labels need.
local function least_step(ticks)
  local step = math.huge
  for i = 2, #ticks do step = math.min(step, math.abs(ticks[i] - ticks[i - 1])) end
  return step < math.huge and step or math.abs(ticks[1] or 1)
end

local function labels_of(ticks, scale)
  local labels, step = {}, least_step(ticks)
  for i, value in ipairs(ticks) do
    labels[i] = scale == "log" and ("%.3g"):format(value) or label_of(value, step)
  end
  return labels
end

local function title_of(opts)
  local label = opts.label or ""
  return (opts.unit or "") ~= "" and ("%s (%s)"):format(label, opts.unit) or label
end

--- An axis over values.
-- @tparam ?table opts `label`, `unit`, `range` ({ low, high }, either may be nil), `scale`
--   ("linear", "sqrt", "log"), `ticks` (list), `round` (ends at ticks)
-- @tparam number low least value to show
-- @tparam number high greatest value to show
-- @tparam number count about how many ticks
-- @treturn table low, high, ticks, labels, title, and place(v): 0 at low, 1 at high
function M.new(opts, low, high, count)
  opts = opts or {}
  local scale, range = opts.scale or "linear", opts.range or {}
  low, high = widened(range[1] or low, range[2] or high, scale)
  if opts.round then low, high = rounded(low, high, range, count) end
  local f = forward[scale]
  local ticks = opts.ticks or scale == "log" and log_ticks(low, high)
    or linear_ticks(low, high, count)
  return {
    low = low, high = high, ticks = ticks, labels = labels_of(ticks, scale),
    title = title_of(opts), place = function(v) return (f(v) - f(low)) / (f(high) - f(low)) end,
  }
end

return M
