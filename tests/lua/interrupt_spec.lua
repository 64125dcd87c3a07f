local core = require "conjugate.core"
local cj = require "conjugate"

-- Ctrl-C after a short while, from another process.
local function soon(seconds)
  local pid = io.open("/proc/self/stat"):read "*n"
  os.execute(("(sleep %g; kill -INT %d) >/dev/null 2>&1 &"):format(seconds, pid))
end

describe("Ctrl-C while armed", function()
  before_each(function() core.interrupt_arm(true) end)
  after_each(function() core.interrupt_arm(false) end)

  local function stops(f)
    soon(0.2)
    local begin = core.clock()
    local ok, message = pcall(f)
    assert.is_false(ok)
    assert.truthy(tostring(message):find "interrupted$")
    assert.is_true(core.clock() - begin < 5)
  end

  it("stops a compiled loop", function()
    stops(function()
      local x = 0
      for i = 1, 1e13 do x = x + i % 3 end
      return x
    end)
  end)

  it("stops a loop of tensor calls", function()
    stops(function()
      local x = cj.ones(300, 300)
      for _ = 1, 1e9 do x = x * 1 end
    end)
  end)

  it("stops a loop inside a coroutine", function()
    stops(coroutine.wrap(function()
      local x = 0
      for i = 1, 1e13 do x = x + i % 7 end
      return x
    end))
  end)

  it("leaves everything usable", function()
    assert.same({ 2, 2 }, (cj.ones(2) * 2):table())
  end)
end)

describe("Ctrl-C while a prompt waits", function()
  it("is remembered", function()
    core.interrupt_note(true)
    assert.is_false(core.interrupt_taken())
    core.interrupt_signal()
    assert.is_true(core.interrupt_taken())
    assert.is_false(core.interrupt_taken())
    core.interrupt_note(false)
  end)
end)
