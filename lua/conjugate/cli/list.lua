--- `conjugate list`: what there is by name.
-- @module conjugate.cli.list
local system = require "conjugate.run.system"

local M = {}

M.summary = "list attacks, models, data sets or conjugates"
M.description = "Lists what other commands take by name."
M.examples = {
  { "list attacks", "one name a line, with what it is" },
  { "list data --json", "the same for programs" },
}
M.order = { "kind", "items", "name" }

function M.define(parser)
  parser:argument("kind", "What to list."):choices { "attacks", "models", "data", "conjugates" }
end

-- Folder of a package of ours, found as require finds it.
local function folder_of(name)
  local path = package.searchpath("conjugate." .. name, package.path)
  return path and path:match "^(.*)/[^/]*$"
end

-- First sentence of a module's leading comment.
local function summary_of(path)
  local text = (system.read(path) or ""):match "^%-%-%-%s*([^\n]+)" or ""
  return (text:gsub("%s+$", ""))
end

-- One item a file of the folder that is a thing by itself, not machinery.
local function files_of(name, machinery)
  local folder, items = folder_of(name), {}
  for _, file in ipairs(folder and system.list(folder) or {}) do
    local item = file:match "^(.+)%.lua$"
    if item and not machinery[item] then
      items[#items + 1] = { name = item, summary = summary_of(folder .. "/" .. file) }
    end
  end
  return items
end

--- Names of the data sets we know.
-- @treturn {string,...}
function M.data_names()
  local data = require("conjugate").data
  return data.names and data.names() or { "mini", "mnist", "fashion_mnist", "cifar10" }
end

local listers = {
  attacks = function()
    return files_of("attacks", { init = true, define = true, result = true, loop = true })
  end,
  models = function()
    return files_of("models", { init = true, blocks = true })
  end,
  data = function()
    local items = {}
    for _, name in ipairs(M.data_names()) do
      local train, test = require("conjugate").data.load(name)
      items[#items + 1] = {
        name = name, found = train ~= nil,
        summary = train and ("%d training and %d test images"):format(train:size(), test:size())
          or "not found: " .. tostring(test),
      }
    end
    return items
  end,
}

-- A conjugate is a direction; every gradient attack brings one.
listers.conjugates = listers.attacks

function M.run(options)
  local items, lines = listers[options.kind](), {}
  for i, item in ipairs(items) do
    lines[i] = ("%-16s %s"):format(item.name, item.summary)
  end
  return { kind = options.kind, items = items }, table.concat(lines, "\n")
end

return M
