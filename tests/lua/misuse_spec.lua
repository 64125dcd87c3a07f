-- Wrong values in every place of every function: the error must name the function and the line of
-- the call, and must not come from inside the package.
local cj = require "conjugate"
local core = require "conjugate.core"
local misuse = require "support.misuse"

local skipped = { release = true } -- released tensors are fine there

-- Calls f with all pairs of values; gives messages that are not in order.
local function bad_messages(name, f, values)
  local bad = {}
  for i = 1, values.n do
    for j = 1, values.n do
      local a, b = values[i], values[j]
      local ok, message = pcall(f, a, b)
      if not ok and not tostring(message):find "^%S*misuse_spec%.lua:%d+: [%w_%.]+: " then
        bad[#bad + 1] = ("%s(%s, %s): %s"):format(name, core.describe(a), core.describe(b),
          tostring(message))
      end
    end
  end
  return bad
end

describe("wrong arguments", function()
  it("of functions are named clearly", function()
    local bad = {}
    for name, f in pairs(cj) do
      if type(f) == "function" and not skipped[name] then
        for _, m in ipairs(bad_messages(name, f, misuse.kinds(cj))) do
          bad[#bad + 1] = m
        end
      end
    end
    assert.same({}, bad)
  end)

  it("of methods are named clearly", function()
    local bad = {}
    for name, f in pairs(core.methods) do
      if not skipped[name] then
        local x = cj.zeros { 2, 3 }
        local bound = function(a, b) return f(x, a, b) end
        for _, m in ipairs(bad_messages(name, bound, misuse.kinds(cj))) do
          bad[#bad + 1] = m
        end
      end
    end
    assert.same({}, bad)
  end)

  it("of fields and indices are named clearly", function()
    local bad = {}
    local x = cj.zeros { 2, 3 }
    for _, m in ipairs(bad_messages("index", function(a) return x[a] end, misuse.kinds(cj))) do
      bad[#bad + 1] = m
    end
    local function assign(a, b)
      x[a] = b
    end
    for _, m in ipairs(bad_messages("assign", assign, misuse.kinds(cj))) do bad[#bad + 1] = m end
    assert.same({}, bad)
  end)
end)
