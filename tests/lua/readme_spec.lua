-- The Lua examples of README.md run as they are printed there, each in a process of its own, and
-- print what the block without a language after them shows.
local assert = require "luassert"
local folder = require "support.folder"

-- Training rounds differently from one processor and instruction set to another; over a hundred
-- steps that moves an accuracy by a few percent. Times are not compared at all.
local PERCENT = 6 -- between two percentages
local COUNT = 60 -- between two counts out of 1000
local RATIO = 0.06 -- between numbers up to 1

-- The Lua blocks of a Markdown text in order: { code =, output = text or nil, line = }.
local function examples(text)
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

local function near(a, b)
  local largest = math.max(a, b)
  return math.abs(a - b) <= (largest > 100 and COUNT or largest > 1 and PERCENT or RATIO)
end

local function agree(expected, got)
  local words, numbers = parts(without_times(expected))
  local got_words, got_numbers = parts(without_times(got))
  assert.equal(words, got_words)
  for i, number in ipairs(numbers) do
    assert(near(number, got_numbers[i]), ("number %d: README has %g, got %g in\n%s"):format(i,
      number, got_numbers[i], got))
  end
end

describe("README.md", function()
  local dir
  setup(function() dir = folder.make() end)
  teardown(function() folder.remove(dir) end)

  local list = examples(folder.read "README.md")

  it("has the first example and a new conjugate, with what they print", function()
    assert.is_true(#list >= 2)
    assert.is_string(list[1].output)
    assert.is_string(list[2].output)
  end)

  for i, example in ipairs(list) do
    it(("has an example at line %d that runs"):format(example.line), function()
      local script, out = ("%s/%d.lua"):format(dir, i), ("%s/%d.txt"):format(dir, i)
      folder.write(script, example.code)
      local status = os.execute(("luajit %s > %s 2>&1"):format(script, out))
      assert.equal(0, status, folder.read(out))
      if example.output then agree(example.output, folder.read(out)) end
    end)
  end
end)
