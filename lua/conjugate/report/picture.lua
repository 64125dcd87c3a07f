--- Pictures inside a page: PNG bytes as data URIs.
-- @module conjugate.report.picture
local bit = require "bit"
local markup = require "conjugate.report.markup"

local M = {}

local band, rshift = bit.band, bit.rshift

local letters = {}
do
  local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  for i = 0, 63 do letters[i] = alphabet:sub(i + 1, i + 1) end
end

--- Base64.
-- @tparam string bytes any bytes
-- @treturn string four letters for every three bytes, padded with "="
-- @source RFC 4648, section 4
function M.base64(bytes)
  local parts = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local all = a * 65536 + (b or 0) * 256 + (c or 0)
    parts[#parts + 1] = letters[rshift(all, 18)] .. letters[band(rshift(all, 12), 63)]
      .. (b and letters[band(rshift(all, 6), 63)] or "=") .. (c and letters[band(all, 63)] or "=")
  end
  return table.concat(parts)
end

-- A number of four bytes, the first the highest.
local function read_number(bytes, from)
  local a, b, c, d = bytes:byte(from, from + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

--- A PNG file as an image of the page.
-- @tparam string bytes the file
-- @tparam string text what is to be seen, for those who do not see it
-- @treturn table an element, `<img>`, as large as the picture is
function M.image(bytes, text)
  return markup.element("img", {
    src = "data:image/png;base64," .. M.base64(bytes), alt = text,
    width = read_number(bytes, 17), height = read_number(bytes, 21), -- where its header has them
  })
end

return M
