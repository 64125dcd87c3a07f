--- A 5x7 bitmap font for captions in our own pictures: ASCII and a few signs of the field.
--
-- A glyph is five bytes, one per column, least significant bit on top. Glyphs are 5 pixels wide and
-- 7 high, descenders one more; text advances 6 pixels per sign. Unknown signs are drawn as a
-- question mark.
-- @module conjugate.plot.font

local M = { width = 5, height = 7, advance = 6 }

-- Signs 32 to 126, in order.
local ascii = [[
0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649552250 0005030000
001c224100 0041221c00 14083e0814 08083e0808 0050300000 0808080808 0060600000 2010080402
3e5149453e 00427f4000 4261514946 2141454b31 1814127f10 2745454539 3c4a494930 0171090503
3649494936 064949291e 0036360000 0056360000 0814224100 1414141414 0041221408 0201510906
324979413e 7e1111117e 7f49494936 3e41414122 7f4141221c 7f49494941 7f09090901 3e4149497a
7f0808087f 00417f4100 2040413f01 7f08142241 7f40404040 7f020c027f 7f0408107f 3e4141413e
7f09090906 3e4151215e 7f09192946 4649494931 01017f0101 3f4040403f 1f2040201f 3f4038403f
6314081463 0708700807 6151494543 007f414100 0204081020 0041417f00 0402010204 4040404040
0001020400 2054545478 7f48444438 3844444420 384444487f 3854545418 087e090102 18a4a4a47c
7f08040478 00447d4000 2040443d00 7f10284400 00417f4000 7c04180478 7c08040478 3844444438
fc44444438 38444444fc 7c08040408 4854545420 043f444020 3c4040207c 1c2040201c 3c4030403c
4428102844 1ca0a0a07c 4464544c44 0008364100 00007f0000 0041360800 0804081008
]]

-- Signs beyond ASCII, by their UTF-8 bytes.
local others = {
  ["\206\148"] = "704c434c70", -- capital delta
  ["\206\181"] = "2854545444", -- epsilon
  ["\194\177"] = "44445f4444", -- plus or minus
  ["\226\136\146"] = "0808080808", -- minus
  ["\226\134\146"] = "08082a1c08", -- arrow to the right
  ["\195\151"] = "0028102800", -- times
}

local function columns(hex)
  local glyph = {}
  for byte in hex:gmatch("%x%x") do glyph[#glyph + 1] = tonumber(byte, 16) end
  return glyph
end

local glyphs = {}
do
  local code = 32
  for hex in ascii:gmatch("%x+") do
    glyphs[string.char(code)] = columns(hex)
    code = code + 1
  end
  for sign, hex in pairs(others) do glyphs[sign] = columns(hex) end
end

--- The signs of a UTF-8 text, one string each.
-- @tparam string text any text; bytes that are no UTF-8 count as one sign each
-- @treturn {string,...} its signs in order
function M.signs(text)
  local signs = {}
  for sign in text:gmatch("[%z\1-\127\194-\244][\128-\191]*") do signs[#signs + 1] = sign end
  return signs
end

--- The five column bytes of a sign.
-- @tparam string sign one sign, UTF-8
-- @treturn {number,...} five bytes, least significant bit on top
function M.glyph(sign)
  return glyphs[sign] or glyphs["?"]
end

--- Width of a text in pixels.
-- @tparam string text UTF-8
-- @tparam[opt=1] number zoom whole pixels per font pixel
-- @treturn number pixels, without the gap after the last sign; 0 for an empty text
function M.measure(text, zoom)
  local count = #M.signs(text)
  if count == 0 then return 0 end
  return (count * M.advance - 1) * (zoom or 1)
end

return M
