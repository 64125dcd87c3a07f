local assert = require "luassert"
local core = require "conjugate.core"
local interrupt = require "conjugate.run.interrupt"

describe("interrupt.guard", function()
  it("lets the first Ctrl-C wait for a poll", function()
    local reached
    local ok, message = interrupt.guard(function()
      core.interrupt_signal()
      reached = interrupt.pending()
      interrupt.poll()
      reached = "too far"
    end)
    assert.is_false(ok)
    assert.is_true(interrupt.is(message))
    assert.is_true(reached)
  end)

  it("raises at once on the second", function()
    local reached
    local ok, message = interrupt.guard(function()
      core.interrupt_signal()
      core.interrupt_signal()
      for _ = 1, 1e7 do reached = true end
      reached = "too far"
    end)
    assert.is_false(ok)
    assert.is_true(interrupt.is(message))
    assert.are_not.equal("too far", reached)
  end)

  it("does not lose a Ctrl-C that nobody polled", function()
    assert.is_false((interrupt.guard(core.interrupt_signal)))
  end)

  it("passes errors on and leaves nothing held", function()
    local ok, message = interrupt.guard(function() error("mine", 0) end)
    assert.is_false(ok)
    assert.equal("mine", message)
    assert.is_false(interrupt.pending())
    assert.is_false(core.interrupt_hold(false))
    assert.is_false(core.interrupt_arm(false))
  end)

  it("may be nested: the outer one gets what the inner one did not poll", function()
    local ok = interrupt.guard(function()
      assert.is_true((interrupt.guard(core.interrupt_signal)))
      interrupt.poll()
    end)
    assert.is_false(ok)
  end)
end)
