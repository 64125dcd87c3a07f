--- `conjugate reproduce NAME`: runs the script of a table or figure.
-- @module conjugate.cli.reproduce
local system = require "conjugate.run.system"

local M = {}

M.summary = "run the script of a table or figure"
M.description = "Runs scripts/experiments/NAME.lua; without a name it lists those that are there."
M.examples = {
  { "reproduce", "names of the scripts" },
  { "reproduce table2 --out runs/table2", "runs one of them, if it is there" },
}
M.out = "Run directory of the script."

function M.define(parser)
  parser:argument("name", "Name of the script."):args "?"
  parser:option("--folder", "Where the scripts are."):default "scripts/experiments"
end

function M.run(options)
  local names, lines = {}, {}
  for _, file in ipairs(system.list(options.folder) or {}) do
    local name = file:match "^(.+)%.lua$"
    if name then names[#names + 1] = name end
  end
  if options.name then
    local path = ("%s/%s.lua"):format(options.folder, options.name)
    if not system.exists(path) then
      return nil, ("there is no script %s; there are: %s"):format(path,
        #names > 0 and table.concat(names, ", ") or "none yet")
    end
    return require("conjugate.cli.run").run {
      file = path, seed = options.seed,
      passed = { out = options.out, quiet = options.quiet, json = options.json },
    }
  end
  for i, name in ipairs(names) do lines[i] = name end
  if #names == 0 then lines[1] = "no scripts in " .. options.folder .. " yet" end
  return { scripts = require("conjugate.run.json").array(names) }, table.concat(lines, "\n")
end

return M
