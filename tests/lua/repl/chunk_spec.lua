local assert = require "luassert"
local chunk = require "conjugate.repl.chunk"

local function run(source, env)
  return assert(chunk.compile(source, env))()
end

describe("repl.chunk", function()
  it("gives the value of an expression without = or return", function()
    assert.equal(3, run("1 + 2", {}))
    assert.same({ 1, nil, 3 }, { run("1, nil, 3", {}) })
  end)

  it("lets names outlive a leading local", function()
    local env = {}
    run("local a, b = 1, 2", env)
    run("local function f() return a + b end", env)
    assert.equal(3, run("f()", env))
    run("local a", env)
    assert.is_nil(env.a)
  end)

  it("keeps a local that is not at the start", function()
    local env = {}
    run("do local hidden = 1 end", env)
    assert.is_nil(env.hidden)
  end)

  it("asks for more when the text ends too early", function()
    for _, source in ipairs { "for i = 1, 3 do", "f(", "x = {", "local s = [[a", "if x then" } do
      local f, message = chunk.compile(source, {})
      assert.is_nil(f)
      assert.equal("more", message)
    end
  end)

  it("reports a syntax error at once", function()
    local f, message = chunk.compile("x = = 2", {})
    assert.is_nil(f)
    assert.matches("prompt:1: unexpected symbol near '='", message)
  end)
end)
