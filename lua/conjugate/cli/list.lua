--- `conjugate list`: what there is by name.
-- @module conjugate.cli.list
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

--- Names of the data sets we know.
-- @treturn {string,...}
function M.data_names()
  local data = require("conjugate").data
  return data.names and data.names() or { "mini", "mnist", "fashion_mnist", "cifar10" }
end

local listers = {
  attacks = function()
    local items = {}
    for i, attack in ipairs(require("conjugate").attacks.list()) do
      items[i] = { name = attack.name, summary = attack.summary, source = attack.source }
    end
    return items
  end,
  models = function()
    local items = {}
    for i, model in ipairs(require("conjugate").models.list()) do
      items[i] = {
        name = model.name, summary = model.what, source = model.source,
        classifier = model.classifier,
      }
    end
    return items
  end,
  conjugates = function()
    local items = {}
    for i, conjugate in ipairs(require("conjugate").conjugate.list()) do
      items[i] = {
        name = conjugate.name, summary = conjugate.formula, source = conjugate.source,
      }
    end
    return items
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

function M.run(options)
  local items, lines = listers[options.kind](), {}
  for i, item in ipairs(items) do
    lines[i] = ("%-22s %s"):format(item.name, item.summary or "")
  end
  return { kind = options.kind, items = items }, table.concat(lines, "\n")
end

return M
