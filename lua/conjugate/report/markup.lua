--- Elements of HTML and SVG as text, with everything escaped.
--
-- An element is made by `markup.element(name, attributes, ...)`. Its children are elements, which
-- are taken as they are, or texts and numbers, which are escaped: so nothing that a user named can
-- end up as markup. Attributes are written in the order of their names; equal calls give equal
-- bytes.
-- @module conjugate.report.markup
local M = {}

local Element = {}
Element.__index = Element

function Element:__tostring()
  return self.text
end

local names = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

-- Control characters have no form in HTML, whatever their spelling.
local function sign_for_control(sign)
  return (sign == "\n" or sign == "\t") and sign or "\239\191\189"
end

--- Text as it stands between tags or in an attribute.
-- @tparam string|number value any text; control characters become the replacement sign
-- @treturn string
function M.escape(value)
  local text = tostring(value):gsub("[&<>\"']", names)
  return (text:gsub("[%z\1-\31\127]", sign_for_control))
end

--- Markup that is known to be right: our own style sheet, a part made elsewhere.
-- @tparam string text markup
-- @treturn table an element
function M.raw(text)
  return setmetatable({ text = text }, Element)
end

local function attribute_text(attributes)
  local keys, parts = {}, {}
  for key in pairs(attributes or {}) do keys[#keys + 1] = key end
  table.sort(keys)
  for i, key in ipairs(keys) do
    local value = attributes[key]
    if type(value) == "number" then value = M.number(value) end
    parts[i] = value == true and " " .. key or (' %s="%s"'):format(key, M.escape(value))
  end
  return table.concat(parts)
end

-- Children may be elements, texts, numbers, false (left out), or lists of these.
local function collect(children, count, out)
  for i = 1, count do
    local child = children[i]
    if getmetatable(child) == Element then
      out[#out + 1] = child.text
    elseif type(child) == "table" then
      collect(child, #child, out)
    elseif child then
      out[#out + 1] = M.escape(child)
    end
  end
  return out
end

local empty = { br = true, hr = true, img = true, meta = true, link = true }

--- An element with its children.
-- @tparam string name such as "td"
-- @tparam ?table attributes name -> text, number, or true for a name alone
-- @param ... children: elements, texts, numbers, lists of these; false and nil are left out
-- @treturn table an element; `tostring` gives its text
function M.element(name, attributes, ...)
  local head = ("<%s%s>"):format(name, attribute_text(attributes))
  if empty[name] then return M.raw(head) end
  local inside = table.concat(collect({ ... }, select("#", ...), {}))
  return M.raw(("%s%s</%s>"):format(head, inside, name))
end

--- Several elements as one.
-- @param ... as the children of an element
-- @treturn table an element
function M.list(...)
  return M.raw(table.concat(collect({ ... }, select("#", ...), {})))
end

--- A number for drawing: at most two decimals, no trailing zeros.
-- @tparam number value any finite number
-- @treturn string
function M.number(value)
  local text = ("%.2f"):format(value):gsub("%.?0+$", "")
  return text == "-0" and "0" or text
end

--- Something that depends on the machine or the hour and not on the result: marked, so that two
-- pages of the same result can be compared without it.
-- @param ... children
-- @treturn table an element of class "vary"
function M.vary(...)
  return M.element("span", { class = "vary" }, ...)
end

return M
