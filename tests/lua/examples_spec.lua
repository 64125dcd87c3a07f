-- The Lua examples of README.md and of the chapters run as they are printed there, each in a
-- process of its own, and print what the block without a language after them shows.
local assert = require "luassert"
local examples = require "support.examples"
local folder = require "support.folder"

-- Training rounds differently from one processor and instruction set to another; over a hundred
-- steps that moves an accuracy by a few percent. Times are not compared at all.
local PERCENT = 6 -- between two percentages
local COUNT = 60 -- between two counts out of 1000
local RATIO = 0.06 -- between numbers up to 1

local function near_accuracy(a, b)
  local largest = math.max(a, b)
  return math.abs(a - b) <= (largest > 100 and COUNT or largest > 1 and PERCENT or RATIO)
end

-- What is measured on a trained network moves less.
local function near_measure(a, b)
  return math.abs(a - b) <= math.max(0.1 * math.max(a, b), 0.02)
end

-- Others neither train nor walk chains, where rounding grows: they print the same everywhere.
local function same(a, b)
  return a == b
end

local function grows(code)
  return code:find("cj.fit", 1, true) or code:find('"mcmc"', 1, true)
end

local files = {
  { path = "README.md", near = near_accuracy },
  { path = "notebooks/uncertainty.md", near = near_measure, all = true },
}

for _, file in ipairs(files) do
  describe(file.path, function()
    local dir
    setup(function() dir = folder.make() end)
    teardown(function() folder.remove(dir) end)

    local list = examples.find(folder.read(file.path))

    it("shows what its examples print", function()
      assert.is_true(#list >= 2)
      for i = 1, file.all and #list or 2 do assert.is_string(list[i].output) end
    end)

    for i, example in ipairs(list) do
      it(("has an example at line %d that runs"):format(example.line), function()
        local script, out = ("%s/%d.lua"):format(dir, i), ("%s/%d.txt"):format(dir, i)
        folder.write(script, example.code)
        local status = os.execute(("luajit %s > %s 2>&1"):format(script, out))
        assert.equal(0, status, folder.read(out))
        if not example.output then return end
        local near = grows(example.code) and file.near or same
        examples.agree(example.output, folder.read(out), near)
      end)
    end
  end)
end
