local assert = require "luassert"
local repl = require "conjugate.repl"

-- Runs a session on the given lines; gives all that it wrote, and its names.
local function session(lines)
  local written, env = {}, setmetatable({}, { __index = _G })
  local position = 0
  repl.run {
    env = env,
    quiet = true,
    write = function(text) written[#written + 1] = text end,
    reader = {
      read = function()
        position = position + 1
        return lines[position]
      end,
      remember = function() end,
      close = function() end,
    },
  }
  return table.concat(written), env
end

describe("repl", function()
  it("prints values of expressions, and nothing for statements", function()
    assert.equal("3\n", session { "1 + 2", "x = 5" })
    assert.equal("7\n", session { "x = 5", "= x + 2" })
  end)

  it("joins lines until the input is complete", function()
    local _, env = session { "function f(a)", "  return a * 2", "end", "y = f(4)" }
    assert.equal(8, env.y)
  end)

  it("keeps the session after an error, and shows where it was", function()
    local text, env = session { "z = 1", "error 'broken'", "z = z + 1" }
    assert.matches("broken", text)
    assert.matches("stack traceback", text)
    assert.equal(2, env.z)
  end)

  it("prints tensors with shape and type", function()
    local text = session { "cj.zeros { 2, 3 }" }
    assert.matches("%[2, 3%]", text)
    assert.matches("float32", text)
  end)

  it("knows its commands", function()
    assert.matches("Tab completes", session { ":help" })
    assert.matches("5\n%d+%.%d+ s\n", session { ":time 2 + 3" })
    assert.matches("no command", session { ":nonsense" })
    assert.equal("", session { ":quit", "print 'never'" })
  end)

  it("shows the documentation of a function", function()
    assert.matches("identity", session { ":help cj.eye" })
  end)
end)
