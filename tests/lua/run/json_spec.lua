local assert = require "luassert"
local json = require "conjugate.run.json"

describe("json.encode", function()
  it("sorts keys, the named ones first", function()
    assert.equal('{"a": 1, "b": 2, "c": 3}', json.encode { c = 3, a = 1, b = 2 })
    assert.equal('{"c": 3, "a": 1}', json.encode({ a = 1, c = 3 }, { order = { "c" } }))
  end)

  it("writes numbers that read back the same, and whole ones without a point", function()
    for _, x in ipairs { 0, -1, 12345678901, 0.1, 1 / 3, 1e-300, 2 ^ 60, 97.98 } do
      assert.equal(x, tonumber(json.number(x)))
    end
    assert.equal("0.1", json.number(0.1))
    assert.equal("128", json.number(128))
  end)

  it("writes null for NaN and the infinities", function()
    assert.equal("[null, null, null]", json.encode { 0 / 0, math.huge, -math.huge })
  end)

  it("tells an empty array from an empty object", function()
    assert.equal("{}", json.encode {})
    assert.equal("[]", json.encode(json.array()))
  end)

  it("indents, with arrays of plain values on one line", function()
    assert.equal('{\n  "a": [1, 2],\n  "b": {\n    "c": true\n  }\n}',
      json.encode({ a = { 1, 2 }, b = { c = true } }, { indent = true }))
  end)

  it("refuses functions, cycles and keys that are no text", function()
    assert.error_matches(function() json.encode { f = print } end, "got function")
    local loop = {}
    loop[1] = loop
    assert.error_matches(function() json.encode(loop) end, "contains itself")
    assert.error_matches(function() json.encode { [1] = 1, x = 2 } end, "as a key")
  end)
end)

describe("json.decode", function()
  it("gives back what was encoded", function()
    local value = { a = { 1, 2.5, "x\n\"é" }, b = { c = false } }
    assert.same(value, json.decode(json.encode(value)))
  end)

  it("keeps null as json.null", function()
    local value = json.decode '{"a": null}'
    assert.equal(json.null, value.a)
    assert.equal('{"a": null}', json.encode(value))
  end)

  it("answers nil and a message for damaged text", function()
    for _, text in ipairs { "", "{", '{"a": }', "[1] x" } do
      local value, message = json.decode(text)
      assert.is_nil(value)
      assert.is_string(message)
    end
  end)
end)
