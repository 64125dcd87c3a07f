--- The frame of a report: head, sections, tables, settings, foot. One file, no script, nothing
-- fetched.
-- @module conjugate.report.page
local markup = require "conjugate.report.markup"
local style = require "conjugate.report.style"

local M = {}

local element = markup.element

local function class_of(column)
  return column.number and "num" or nil
end

local function head_of(columns)
  local cells = {}
  for i, column in ipairs(columns) do
    cells[i] = element("th", { scope = "col", class = class_of(column) }, column[1],
      column.unit and ",\194\160" .. column.unit or false) -- the space does not break
  end
  return element("thead", nil, element("tr", nil, cells))
end

local function body_of(columns, rows)
  local body = {}
  for r, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      cells[i] = element(i == 1 and "th" or "td", { class = class_of(columns[i]) }, cell)
    end
    body[r] = element("tr", { class = row.total and "total" or nil }, cells)
  end
  return element("tbody", nil, body)
end

--- A table.
-- @tparam {table,...} columns each { title, number = true for right-aligned figures, unit = text }
-- @tparam {table,...} rows lists of cells (texts, elements, numbers; nil is not allowed); a row may
--   have `total = true`
-- @tparam[opt] string caption below the table
-- @treturn table an element
function M.table(columns, rows, caption)
  return markup.list(
    element("div", { class = "scroll" },
      element("table", nil, head_of(columns), body_of(columns, rows))),
    caption and element("p", { class = "caption" }, caption) or false)
end

--- Names with their values.
-- @tparam {table,...} pairs_list list of { name, value }
-- @treturn table an element
function M.facts(pairs_list)
  local parts = {}
  for _, pair in ipairs(pairs_list) do
    parts[#parts + 1] = element("dt", nil, pair[1])
    parts[#parts + 1] = element("dd", nil, pair[2])
  end
  return element("dl", nil, parts)
end

--- A chart or picture with a caption.
-- @tparam table content an element
-- @tparam ?string caption below it
-- @treturn table an element
function M.figure(content, caption)
  return element("figure", nil, content, caption and element("figcaption", nil, caption) or false)
end

--- A share in percent with its interval.
-- @tparam ?number value percent; nil is shown as a dash
-- @tparam ?table interval { low, high }, percent
-- @treturn table an element
function M.percent(value, interval)
  if not value then return markup.raw "&ndash;" end
  local text = ("%.2f"):format(value)
  if not interval then return markup.list(text) end
  -- padded with spaces as wide as figures, so that the numbers of a column stand below each other
  local range = ("[%5.2f, %5.2f]"):format(interval[1], interval[2]):gsub(" ", "\226\128\135")
  range = range:gsub(",\226\128\135", ", ")
  return markup.list(text, " ", element("span", { class = "of" }, range))
end

local function plain(value)
  if type(value) == "number" then return ("%.9g"):format(value) end
  return tostring(value)
end

--- Options as facts, in the order of their names; what is no plain value is left out.
-- @tparam table options name -> value
-- @treturn string such as "alpha = 0.025, eps = 0.1"
function M.options(options)
  local keys, parts = {}, {}
  for key, value in pairs(options or {}) do
    local kind = type(value)
    if type(key) == "string" and (kind == "number" or kind == "string" or kind == "boolean") then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys)
  for i, key in ipairs(keys) do parts[i] = ("%s = %s"):format(key, plain(options[key])) end
  return table.concat(parts, ", ")
end

--- What every report says about its origin: package, seed, machine, hour. The last two are marked
-- as varying.
-- @tparam table about `seed` and any further { name, value } in `facts`
-- @treturn {table,...} list for `facts`
function M.origin(about)
  local cj, core = require "conjugate", require "conjugate.core"
  local list = { { "version", cj._VERSION } }
  if about.seed then list[#list + 1] = { "seed", ("%.0f"):format(about.seed) } end
  for _, pair in ipairs(about.facts or {}) do list[#list + 1] = pair end
  list[#list + 1] = { "machine", markup.vary(("%s, %s, %s, %s instructions, %d threads"):format(
    jit.version, jit.os, jit.arch, core.isa(), cj.threads())) }
  list[#list + 1] = { "written", markup.vary(os.date "!%Y-%m-%d %H:%M UTC") }
  return list
end

--- A whole page.
-- @tparam table page `title`, `lead` (a sentence), `notes` (warnings, texts), `sections` (list of
--   { title, element, ... })
-- @treturn string an HTML file
function M.render(page)
  local sections, notes = {}, {}
  for i, section in ipairs(page.sections) do
    local parts = {}
    for k = 2, #section do parts[#parts + 1] = section[k] end
    sections[i] = element("section", nil, element("h2", nil, section[1]), parts)
  end
  for i, note in ipairs(page.notes or {}) do notes[i] = element("li", nil, note) end
  local body = element("body", nil,
    element("header", nil, element("h1", nil, page.title),
      page.lead and element("p", { class = "lead" }, page.lead) or false),
    #notes > 0 and element("ul", { class = "notes" }, notes) or false,
    element("main", nil, sections),
    element("footer", nil, "Everything but what is set ", markup.vary "like this",
      " depends neither on the hour, nor on threads or the size of batches."))
  local head = element("head", nil, element("meta", { charset = "utf-8" }),
    element("meta", { name = "viewport", content = "width=device-width, initial-scale=1" }),
    element("title", nil, page.title),
    element("link", { rel = "icon", href = "data:," }),
    element("style", nil, markup.raw("\n" .. style.text .. "\n")))
  return "<!DOCTYPE html>\n" .. tostring(element("html", { lang = "en" }, head, "\n", body)) .. "\n"
end

return M
