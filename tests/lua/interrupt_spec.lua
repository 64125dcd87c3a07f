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

describe("core.finally", function()
  local function with(f)
    local left = 0
    local ok, message = pcall(core.finally, f, function() left = left + 1 end)
    assert.equal(1, left)
    return ok, message
  end

  it("cleans up after results and errors, and passes them on", function()
    assert.same({ true, 7 }, { with(function() return 7 end) })
    assert.same({ false, "mine" }, { with(function() error("mine", 0) end) })
    assert.same({ true, 1, 2 }, { pcall(core.finally, function() return 1, 2 end, collectgarbage) })
  end)

  it("lets a Ctrl-C wait for the end of the cleaning up", function()
    local done = false
    local ok, message = core.interrupt_call(false, nil, function()
      core.finally(function() end, function()
        core.interrupt_signal()
        for i = 1, 1000 do done = i end
      end)
      done = "too far"
    end)
    assert.equal(1000, done)
    assert.is_false(ok)
    assert.truthy(message:find "interrupted$")
  end)

  it("cannot be left by a yield", function()
    local stuck = coroutine.wrap(function() return with(coroutine.yield) end)
    local ok, message = stuck()
    assert.is_false(ok)
    assert.truthy(message:find("attempt to yield across C-call boundary", 1, true))
  end)
end)

describe("Ctrl-C armed by a coroutine that is gone", function()
  it("stops what runs then", function()
    coroutine.wrap(function() core.interrupt_arm(true) end)()
    collectgarbage()
    collectgarbage()
    soon(0.1)
    local ok, message = pcall(function()
      for i = 1, 1e10 do local _ = i end
    end)
    core.interrupt_arm(false)
    assert.is_false(ok)
    assert.truthy(message:find "interrupted$")
  end)
end)
