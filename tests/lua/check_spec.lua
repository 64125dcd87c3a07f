local check = require "conjugate.check"
local cj = require "conjugate"
local raises = require("support.misuse").raises

describe("check", function()
  it("passes right values on", function()
    assert.equal(1.5, check.number("f", "a", 1.5))
    assert.equal(2, check.integer("f", "a", 2, 1, 3))
    assert.equal(false, check.boolean("f", "a", false))
    assert.equal("x", check.string("f", "a", "x"))
    local t = {}
    assert.equal(t, check.table("f", "a", t))
    local x = cj.zeros { 2 }
    assert.equal(x, check.tensor("f", "a", x, "float", 1))
    assert.equal("b", check.one_of("f", "a", "b", { "a", "b" }))
  end)

  it("names function, argument, expectation and what came", function()
    raises("f: expected a number from 0 to 1 for eps, got 2", check.number, "f", "eps", 2, 0, 1)
    raises("f: expected a number for eps, got nan", check.number, "f", "eps", 0 / 0)
    raises("f: expected a whole number of at least 1 for n, got 1.9", check.integer, "f", "n", 1.9,
      1)
    raises("f: expected true or false for a, got nil", check.boolean, "f", "a", nil)
    raises("f: expected a string for a, got 3", check.string, "f", "a", 3)
    raises("f: expected a table for a, got the text \"x\"", check.table, "f", "a", "x")
    raises("f: expected a function for a, got a table", check.func, "f", "a", {})
    raises("f: expected something callable for a, got 1", check.callable, "f", "a", 1)
    raises('f: expected one of "p", "q" for a, got true', check.one_of, "f", "a", true,
      { "p", "q" })
    raises("f: expected an int64 tensor of 1 dimension for y, got a float32 tensor [2, 3]",
      check.tensor, "f", "y", cj.zeros { 2, 3 }, "int64", 1)
    raises("f: expected a float tensor for y, got an int64 tensor [2]", check.tensor, "f", "y",
      cj.zeros({ 2 }, "int64"), "float")
    raises("f: expected a tensor for y, got nil", check.tensor, "f", "y")
  end)

  it("fills options in and refuses unknown ones with a suggestion", function()
    local rules = {
      steps = 10,
      eps = { type = "number", required = true },
      name = { "string|number" },
      on = true,
    }
    assert.same({ steps = 4, eps = 0.1, on = false },
      check.options("f", { steps = 4, eps = 0.1, on = false }, rules))
    assert.same({ steps = 10, eps = 0.1, on = true, name = 3 },
      check.options("f", { eps = 0.1, name = 3 }, rules))
    raises('f: there is no option "stesp" (did you mean "steps"?)', check.options, "f",
      { eps = 1, stesp = 1 }, rules)
    raises('f: there is no option "quite_else"', check.options, "f", { quite_else = 1 }, rules)
    raises("f: expected a number for eps, got nil", check.options, "f", nil, rules)
    raises("f: expected a number for steps, got true", check.options, "f",
      { eps = 1, steps = true }, rules)
    raises("f: expected a string or a number for name, got a table", check.options, "f",
      { eps = 1, name = {} }, rules)
    raises("f: expected a table for options, got 3", check.options, "f", 3, rules)
  end)

  it("names the line of the caller, not the package's", function()
    local _, message = pcall(cj.full, 3)
    assert.truthy(message:find("check_spec.lua", 1, true), message)
    _, message = pcall(function() return cj.zeros { 2 } + {} end)
    assert.truthy(message:find("check_spec.lua", 1, true), message)
  end)
end)
