--- How modules show themselves: `print(net)` and `net:summary`.
-- @module conjugate.nn.describe
local M = {}
local LONG = 60 -- lines of a tree that `print` does not shorten

--- Sizes of a tensor as text.
-- @tparam Tensor tensor
-- @treturn string like "[6, 1, 5, 5]"
function M.shape(tensor)
  return "[" .. table.concat(tensor.shape, ", ") .. "]"
end

--- A whole number with commas between groups of three digits.
-- @tparam number n
-- @treturn string like "44,426"
function M.count(n)
  local text = ("%d"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (text:gsub("^,", ""))
end

-- Rows of text with columns padded to the same width; the last column is flush right.
local function columns(rows)
  local width = {}
  for _, row in ipairs(rows) do
    for c, cell in ipairs(row) do width[c] = math.max(width[c] or 0, #cell) end
  end
  local lines = {}
  for i, row in ipairs(rows) do
    local cells = {}
    for c, cell in ipairs(row) do
      local gap = (" "):rep(width[c] - #cell)
      cells[c] = c == #row and gap .. cell or cell .. gap
    end
    lines[i] = table.concat(cells, "  "):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

local function own_count(module)
  local sum = 0
  for _, name in ipairs(module._parameters) do sum = sum + module[name]:numel() end
  return sum
end

local function title(module)
  return module.class_name .. "(" .. (module.extra and module:extra() or "") .. ")"
end

local function own_shapes(module)
  local shapes = {}
  for i, name in ipairs(module._parameters) do
    shapes[i] = name .. " " .. M.shape(module[name])
  end
  return table.concat(shapes, ", ")
end

local function last_part(path)
  return path:match "[^.]*$"
end

local function depth(path)
  return path == "" and 0 or 1 + select(2, path:gsub("%.", ""))
end

-- What stands above a tree: name, size of input and output where known, counts and mode.
local function heading(module)
  local c = module.config
  local text = module.class_name
  if c and c.channels and c.size then
    text = ("%s for %dx%dx%d"):format(c.model, c.channels, c.size, c.size)
    if c.classes then text = ("%s, %d classes"):format(text, c.classes) end
  end
  return ("%s: %s parameters, %s mode"):format(text, M.count(module:num_parameters()),
    module.training and "training" or "evaluation")
end

local function row(path, part, shapes, count)
  return {
    ("  "):rep(depth(path)) .. last_part(path), title(part), shapes,
    count > 0 and M.count(count) or "",
  }
end

-- One row per module of the tree.
local function all_rows(module)
  local rows = {}
  for _, entry in ipairs(module:named_modules()) do
    local path, part = entry[1], entry[2]
    if path ~= "" then rows[#rows + 1] = row(path, part, own_shapes(part), own_count(part)) end
  end
  return rows
end

-- One row per child, each with the count of all that is in it.
local function outer_rows(module)
  local rows = {}
  for name, child in module:children() do
    local parts = #child:named_modules() - 1
    local shapes = parts > 0 and ("%d modules"):format(parts) or own_shapes(child)
    rows[#rows + 1] = row(name, child, shapes, child:num_parameters())
  end
  return rows
end

--- The tree of a module: a heading, then one line per layer with shapes and counts.
-- @tparam Module module
-- @treturn string
function M.tree(module)
  if #module._children == 0 then
    return (("%s %s"):format(title(module), own_shapes(module)):gsub("%s+$", ""))
  end
  return heading(module) .. "\n" .. columns(all_rows(module))
end

--- What `print` shows: the tree, or only its outermost modules when it is long.
-- @tparam Module module
-- @treturn string
function M.short(module)
  if #module:named_modules() <= LONG then return M.tree(module) end
  return heading(module) .. "\n" .. columns(outer_rows(module)) ..
    "\n  (net:tree() gives every layer)"
end

-- Runs f while every module without children reports its output to `seen`.
local function watched(module, seen, f)
  local watching = {}
  for _, entry in ipairs(module:named_modules()) do
    local path, part = entry[1], entry[2]
    if #part._children == 0 then
      local own = rawget(part, "forward")
      watching[#watching + 1] = { part, own }
      rawset(part, "forward", function(self, ...)
        local y = (own or getmetatable(self).forward)(self, ...)
        seen[#seen + 1] = { path, title(part), M.shape(y), M.count(own_count(part)) }
        return y
      end)
    end
  end
  local ok, message = pcall(f)
  for _, pair in ipairs(watching) do rawset(pair[1], "forward", pair[2]) end
  if not ok then error(message, 0) end
end

--- Output sizes of every layer for an input of zeros, in evaluation mode.
-- @tparam Module module
-- @tparam table sizes of the input, as { B, C, H, W }
-- @treturn string a table: layer, output shape, parameters
function M.summary(module, sizes)
  local cj = require "conjugate"
  local first = module:parameters()[1]
  local x = cj.zeros(sizes)
  if first then x = x:to(first.dtype) end
  local rows = { { "layer", "what", "output", "parameters" }, { "input", "", M.shape(x), "" } }
  local modes = {}
  for i, entry in ipairs(module:named_modules()) do modes[i] = { entry[2], entry[2].training } end
  module:eval()
  local ok, message = pcall(watched, module, rows, function()
    cj.no_grad(function() return module(x) end)
  end)
  for _, pair in ipairs(modes) do rawset(pair[1], "training", pair[2]) end
  if not ok then error(message, 0) end
  rows[#rows + 1] = { "total", "", "", M.count(module:num_parameters()) }
  return columns(rows)
end

return M
