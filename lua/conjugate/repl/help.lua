--- Help at the prompt: what there is, and the documentation of one name, taken from its source.
-- @module conjugate.repl.help
local M = {}

local OVERVIEW = [[
Type an expression to see its value, or any Lua statement. Names you make stay.
  local train, test = cj.data.load "mini"          real digits that come with the package
  local net = cj.models.convnet { data = train }   a network; print(net) shows its layers
  cj.fit(net, train, { epochs = 2 })               train it
  local pgd = cj.attacks.pgd { eps = 0.1, alpha = 0.025, steps = 4 }
  cj.evaluate(net, test, { pgd })                  clean and attacked accuracy, with intervals
Tab completes, arrows recall, Ctrl-C stops what is running, an empty line ends unfinished input.
  :help NAME    documentation of a function, such as :help cj.fit
  :time EXPR    runs EXPR and says how long it took
  :quit         leaves (so does Ctrl-D)]]

local function lines_of(path)
  local file = io.open(path)
  if not file then return nil end
  local lines = {}
  for line in file:lines() do lines[#lines + 1] = line end
  file:close()
  return lines
end

-- The comment block that ends just above line `last`.
local function block_above(lines, last)
  local first = last
  while first > 1 and lines[first - 1]:match "^%s*%-%-" do first = first - 1 end
  if first == last then return nil end
  local block = {}
  for i = first, last - 1 do block[#block + 1] = (lines[i]:gsub("^%s*%-%-%-?%s?", "")) end
  return table.concat(block, "\n")
end

local function documentation(f)
  local info = debug.getinfo(f, "S")
  local path = info.source:match "^@(.+)$"
  local lines = path and lines_of(path)
  return lines and block_above(lines, info.linedefined)
end

-- Operators are made from entries `def { name = "NAME" ... }`, one comment block above each.
local function operator_documentation(name, folder)
  for _, path in ipairs(folder) do
    local lines = lines_of(path) or {}
    for i, line in ipairs(lines) do
      if line:find('name = "' .. name .. '"', 1, true) and line:find "^def" then
        return block_above(lines, i)
      end
    end
  end
  return nil
end

local function operator_files()
  local files = {}
  for name in pairs(package.loaded) do
    local path = type(name) == "string" and name:match "^conjugate%.ops%."
      and package.searchpath and package.searchpath(name, package.path)
    if path then files[#files + 1] = path end
  end
  table.sort(files)
  return files
end

local function look_up(name, env)
  local value = env
  for part in name:gmatch "[^.:]+" do
    local ok, inner = pcall(function() return value[part] end)
    if not ok or inner == nil then return nil end
    value = inner
  end
  return value
end

local function callable(value)
  if type(value) == "function" then return value end
  local meta = getmetatable(value)
  return type(meta) == "table" and type(meta.__call) == "function" and meta.__call
end

--- Help on a name, or the overview.
-- @tparam string name such as "cj.fit"; "" for the overview
-- @tparam table env where the name is looked up
-- @treturn string
function M.text(name, env)
  if name == "" then return OVERVIEW end
  local value = look_up(name, env)
  if value == nil then return ("there is no %s here"):format(name) end
  local f = callable(value)
  local text = operator_documentation(name:match "[^.:]+$", operator_files())
    or f and documentation(f)
  return text or ("%s is a %s without documentation"):format(name, type(value))
end

return M
