-- Examples in Markdown texts: their code, what they say they print, and whether that is what came.
local assert = require "luassert"

local M = {}

--- The Lua blocks of a Markdown text in order. What a block prints is the next block without a
-- language, when no other Lua block stands between them.
-- @tparam string text
-- @treturn {table,...} { code =, output = text or nil, line = }
function M.find(text)
  local list, language, lines, number = {}, nil, nil, 0
  for line in (text .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    local fence = line:match "^```(%w*)$"
    if not fence then
      if lines then lines[#lines + 1] = line end
    elseif not lines then
      language, lines = fence, {}
    else
      local block = table.concat(lines, "\n") .. "\n"
      if language == "lua" then
        list[#list + 1] = { code = block, line = number - #lines }
      elseif language == "" and #list > 0 and not list[#list].output then
        list[#list].output = block
      end
      lines = nil
    end
  end
  return list
end

local function without_times(text) return (text:gsub(",? *[%d.]+ s%f[%A]", "")) end

-- The words between numbers, with blanks as one; and the numbers.
local function parts(text)
  local numbers = {}
  local words = text:gsub("%d+%.?%d*", function(digits)
    numbers[#numbers + 1] = tonumber(digits)
    return "#"
  end)
  return (words:gsub("[ \t]+", " ")), numbers
end

--- Fails unless two texts agree in all but times and, as far as `near` allows, numbers.
-- @tparam string expected
-- @tparam string got
-- @tparam function near two numbers -> may one stand for the other?
function M.agree(expected, got, near)
  local words, numbers = parts(without_times(expected))
  local got_words, got_numbers = parts(without_times(got))
  assert.equal(words, got_words)
  for i, number in ipairs(numbers) do
    assert(near(number, got_numbers[i]), ("number %d: the text has %g, got %g in\n%s"):format(i,
      number, got_numbers[i], got))
  end
end

return M
