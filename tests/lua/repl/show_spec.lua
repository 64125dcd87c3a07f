local assert = require "luassert"
local show = require "conjugate.repl.show"

describe("repl.show", function()
  it("prints small tables on one line, keys in order", function()
    assert.equal('{ 1, 2, b = "x", c = true }', show.text { 1, 2, c = true, b = "x" })
    assert.equal("{}", show.text {})
    assert.equal('"a\\nb"', show.text "a\nb")
  end)

  it("never floods", function()
    local long = {}
    for i = 1, 10000 do long[i] = i end
    local text = show.text(long)
    assert.matches("%.%.%. 9960 more", text)
    assert.is_true(#text < 1000)
  end)

  it("ends on tables that hold themselves and on deep ones", function()
    local loop = {}
    loop.me = loop
    assert.equal("{ me = (shown above) }", show.text(loop))
    assert.equal("{ { { { { ... } } } } }", show.text { { { { { 1 } } } } })
  end)

  it("survives a value whose tostring fails", function()
    local bad = setmetatable({}, { __tostring = function() error "no" end })
    assert.matches("cannot be shown", show.text(bad))
  end)
end)
