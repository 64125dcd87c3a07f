-- Lists public functions without documentation in the Lua files named; fails when there are any.
-- LDoc itself passes over them in silence.
--
--   luajit scripts/undocumented.lua FILE ...
--
-- Public is what a module or class holds: `function M.name`, `function Class:name`,
-- `M.name = function`. Not asked for: names that begin with `_`, and the parts of a protocol, which
-- are documented once, where it is defined: init, forward and extra of a layer
-- (conjugate.nn.module), define and run of a command (conjugate.cli).
local PROTOCOL = { [":init"] = true, [":forward"] = true, [":extra"] = true }
local COMMAND = { [".define"] = true, [".run"] = true }

local function wanted(path, name)
  local tail = name:match "[.:][%w_]+$"
  if not tail or tail:find "^._" or PROTOCOL[tail] then return false end
  return not (path:find "/cli/" and COMMAND[tail])
end

local count = 0
for _, path in ipairs(arg) do
  local documented, number = false, 0
  for line in io.lines(path) do
    number = number + 1
    if line:find "^%-%-%-" then
      documented = true
    elseif not line:find "^%-%-" then
      local name = line:match "^function ([%w_.:]+)" or line:match "^([%w_.]+) = function"
      if name and not documented and wanted(path, name) then
        print(("%s:%d: %s has no documentation"):format(path, number, name))
        count = count + 1
      end
      documented = false
    end
  end
end
os.exit(count == 0 and 0 or 1)
