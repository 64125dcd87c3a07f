--- Tensors as text: never a flood. Small ones in full, large ones by their edges, and then one line
-- with type, sizes, smallest and largest element, and the number of NaNs.
-- @module conjugate.show
local core = require "conjugate.core"

local M = {}

local WIDTH, EDGE = 88, 3 -- columns of a line; elements kept at each end
local MOST_ROWS, MOST_LISTED = 14, 200 -- rows of a matrix and elements of a list shown in full
local GAP = false -- stands for what is left out

local function range(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

-- The indices 1..n that are shown, with GAP where some are left out.
local function chosen(n, most, edge)
  if n <= most then return range(n) end
  local list = range(edge)
  list[#list + 1] = GAP
  for i = n - edge + 1, n do list[#list + 1] = i end
  return list
end

-- What is shown of every dimension: little of leading ones, one slice of those before the last 4.
local function choose_all(shape, width)
  local n, list = #shape, {}
  for d = 1, n do
    if d == n then
      local most = n == 1 and MOST_LISTED or math.max(2 * EDGE, math.floor(WIDTH / width))
      list[d] = chosen(shape[d], most, EDGE)
    elseif d == n - 1 then
      list[d] = chosen(shape[d], MOST_ROWS, EDGE)
    elseif d > n - 4 then
      list[d] = chosen(shape[d], n == 3 and 3 or 2, 1)
    else
      list[d] = shape[d] > 1 and { 1, GAP } or { 1 }
    end
  end
  return list
end

-- Walks over the shown elements: each(value) in order.
local function visit(x, picks, index, d, each)
  if d > #picks then
    each(x:get(unpack(index, 1, #picks)))
    return
  end
  for _, i in ipairs(picks[d]) do
    if i then
      index[d] = i
      visit(x, picks, index, d + 1, each)
    end
  end
end

local function is_finite(v)
  return v == v and v ~= math.huge and v ~= -math.huge
end

local function special(v)
  if v ~= v then return "nan" end
  return v > 0 and "inf" or "-inf"
end

-- One format for all shown elements, as NumPy and PyTorch choose it.
local function formatter(values, whole_type)
  local whole, largest, smallest = true, 0, math.huge
  for _, v in ipairs(values) do
    if is_finite(v) then
      local size = math.abs(v)
      whole = whole and v == math.floor(v)
      largest = math.max(largest, size)
      if size > 0 then smallest = math.min(smallest, size) end
    end
  end
  local pattern = "%.4f"
  if whole_type then
    pattern = "%.0f"
  elseif largest >= 1e8 or (not whole and smallest < 1e-4)
    or (not whole and largest / smallest > 1e6) then
    pattern = "%.4e"
  elseif whole then
    pattern = "%.0f."
  end
  return function(v)
    return is_finite(v) and pattern:format(v) or special(v)
  end
end

local function pad(text, width)
  return (" "):rep(width - #text) .. text
end

-- A row of elements; a long list is broken into lines.
local function join_row(cells, indent, width)
  local lines, line = {}, ""
  for i, cell in ipairs(cells) do
    local text = pad(cell, cell == "..." and 3 or width) .. (i < #cells and ", " or "")
    if #line + #text > WIDTH and line ~= "" then
      lines[#lines + 1] = (line:gsub(" $", ""))
      line = ""
    end
    line = line .. text
  end
  lines[#lines + 1] = line
  return "[" .. table.concat(lines, "\n" .. (" "):rep(indent + 1)) .. "]"
end

local function render(x, picks, index, d, form)
  local cells, last = {}, d == #picks
  for k, i in ipairs(picks[d]) do
    index[d] = i or nil
    if not i then
      cells[k] = "..."
    elseif last then
      cells[k] = form.text(x:get(unpack(index, 1, d)))
    else
      cells[k] = render(x, picks, index, d + 1, form)
    end
  end
  if last then return join_row(cells, d - 1, form.width) end
  local blank = ("\n"):rep(math.min(2, #picks - d))
  return "[" .. table.concat(cells, "," .. blank .. (" "):rep(d)) .. "]"
end

local function widest(values, text)
  local width = 0
  for _, v in ipairs(values) do width = math.max(width, #text(v)) end
  return width
end

local function body(x)
  local shape, whole_type = x.shape, not x.dtype:find "^float"
  if #shape == 0 then return formatter({ x:item() }, whole_type)(x:item()) end
  if x:numel() == 0 then return "[]" end
  local values = {}
  local function keep(v)
    values[#values + 1] = v
  end
  visit(x, choose_all(shape, 1), {}, 1, keep)
  local text = formatter(values, whole_type)
  local width = widest(values, text)
  local picks = choose_all(shape, width + 2)
  return render(x, picks, {}, 1, { text = text, width = width })
end

local function sizes_text(shape)
  local list = {}
  for i, n in ipairs(shape) do list[i] = ("%.0f"):format(n) end
  return "[" .. table.concat(list, ", ") .. "]"
end

--- The line under a tensor: type, sizes, range, and what is not finite.
-- @tparam Tensor x any tensor
-- @treturn string such as "float32 [2, 3], min 0, max 1, 2 NaN"
function M.caption(x)
  local min, max, nans, infinite = x:summary()
  local parts = { x.dtype .. " " .. sizes_text(x.shape) }
  if min and x:numel() > 1 then
    parts[#parts + 1] = ("min %.5g"):format(min)
    parts[#parts + 1] = ("max %.5g"):format(max)
  end
  if nans > 0 then parts[#parts + 1] = ("%d NaN"):format(nans) end
  if infinite > 0 then parts[#parts + 1] = ("%d infinite"):format(infinite) end
  if x.requires_grad then
    parts[#parts + 1] = x.is_leaf and "requires_grad" or "on the tape"
  end
  return table.concat(parts, ", ")
end

--- A tensor as text, a few dozen lines at most.
-- @tparam Tensor x any tensor
-- @treturn string elements, and the caption under them
function M.tensor(x)
  if core.is_released(x) then return "released tensor" end
  return body(x) .. "\n" .. M.caption(x)
end

return M
