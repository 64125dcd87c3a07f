--- Looking into pages: are their tags in order, and what do they say?
local M = {}

local empty = { br = true, hr = true, img = true, meta = true, link = true }

-- Are all tags closed in the order they were opened?
local function nesting_fault(body)
  local open = {}
  for closing, name in body:gmatch "<(/?)([%a][%w]*)[^<>]*>" do
    if closing == "/" then
      local last = table.remove(open)
      if last ~= name then return ("</%s> after <%s>"):format(name, last or "nothing") end
    elseif not empty[name] then
      open[#open + 1] = name
    end
  end
  return #open > 0 and ("<%s> is never closed"):format(open[#open]) or nil
end

local function quote_fault(body)
  for tag in body:gmatch "<[^<>]*>" do
    if select(2, tag:gsub('"', "")) % 2 == 1 then return "a torn attribute in " .. tag end
  end
  return nil
end

local function text_fault(body)
  local between = body:gsub("</?[%a][%w]*[^<>]*>", "")
  if between:find "[<>]" then return "a bare < or >: " .. between:match ".?.?.?[<>].?.?.?" end
  for entity in body:gmatch "&[^;%s]*;?" do
    if not entity:find "^&#?%w+;$" then return "a bare & in " .. entity end
  end
  return nil
end

--- The first thing wrong with a page's tags, or nil.
function M.fault(page)
  local body = page:gsub("<!DOCTYPE html>", "", 1):gsub("<style>.-</style>", "")
  if body:find("<!", 1, true) then return "a comment or declaration" end
  return nesting_fault(body) or quote_fault(body) or text_fault(body)
end

--- A page without what depends on the machine or the hour.
function M.without_vary(page)
  return (page:gsub('<span class="vary">.-</span>', ""))
end

--- All that a page would fetch: values of src and href, and url() of its styles, that are no data.
function M.fetched(page)
  local list = {}
  for _, name in ipairs { "src", "href" } do
    for value in page:gmatch("%s" .. name .. '="([^"]*)"') do
      if not value:find "^data:" then list[#list + 1] = value end
    end
  end
  for value in page:gmatch "url%(([^)]*)%)" do list[#list + 1] = value end
  if page:find "@import" then list[#list + 1] = "@import" end
  return list
end

--- The bytes of every picture in a page, decoded here, by another way than they were encoded.
function M.pictures(page)
  local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local list = {}
  for text in page:gmatch 'src="data:image/png;base64,([^"]*)"' do
    local bits = text:gsub("=", ""):gsub(".", function(letter)
      local value, digits = alphabet:find(letter, 1, true) - 1, {}
      for place = 6, 1, -1 do
        digits[place], value = value % 2, math.floor(value / 2)
      end
      return table.concat(digits)
    end)
    list[#list + 1] = bits:gsub("%d%d%d%d%d%d%d%d", function(byte)
      return string.char(tonumber(byte, 2))
    end):sub(1, math.floor(#bits / 8))
  end
  return list
end

--- The rows of all tables of a page: lists of the texts of their cells.
function M.rows(page)
  local rows = {}
  for row in page:gmatch "<tr[^>]*>(.-)</tr>" do
    local cells = {}
    for cell in row:gmatch "<t[hd][^>]*>(.-)</t[hd]>" do
      cells[#cells + 1] = cell:gsub("<[^>]*>", ""):gsub("\226\128\135", "")
    end
    rows[#rows + 1] = cells
  end
  return rows
end

return M
