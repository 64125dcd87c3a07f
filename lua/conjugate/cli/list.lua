--- `conjugate list`: what there is by name.
-- @module conjugate.cli.list
local M = {}

M.summary = "list attacks, models, data sets, conjugates, losses or references"
M.description = "Lists what other commands take by name."
M.examples = {
  { "list attacks", "one name a line, with what it is" },
  { "list conjugates", "with formula and source" },
  { "list data --json", "the same for programs" },
}
M.order = { "kind", "items", "name" }

function M.define(parser)
  parser:argument("kind", "What to list."):choices {
    "attacks", "models", "data", "conjugates", "losses", "references",
  }
end

--- Names of the data sets we know.
-- @treturn {string,...}
function M.data_names()
  local data = require("conjugate").data
  return data.names and data.names() or { "mini", "mnist", "fashion_mnist", "cifar10" }
end

-- Names with what they are, from { name, text } rows.
local function described(rows)
  local items = {}
  for i, row in ipairs(rows) do items[i] = { name = row[1], summary = row[2] } end
  return items
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
        name = conjugate.name, formula = conjugate.formula, source = conjugate.source,
      }
    end
    return items
  end,
  losses = function() return described(require("conjugate").packet.about_losses) end,
  references = function() return described(require("conjugate").packet.about_references) end,
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

-- What a line shows besides the name.
local columns = { conjugates = { "formula", "source" } }

-- The width of each column but the last, which needs none.
local function widths(items, shown)
  local list = {}
  for c, column in ipairs(shown) do
    list[c] = 0
    for _, item in ipairs(items) do list[c] = math.max(list[c], #(item[column] or "")) end
  end
  list[1], list[#list] = math.max(list[1], 21), 0
  return list
end

function M.run(options)
  local items, lines = listers[options.kind](), {}
  local shown = { "name", unpack(columns[options.kind] or { "summary" }) }
  local width = widths(items, shown)
  for i, item in ipairs(items) do
    local parts = {}
    for c, column in ipairs(shown) do
      local text = item[column] or ""
      parts[c] = text .. (" "):rep(width[c] - #text)
    end
    lines[i] = table.concat(parts, "  ")
  end
  return { kind = options.kind, items = items }, table.concat(lines, "\n")
end

return M
