local check_op = require "support.check_op"
local cj = require "conjugate"

local function whole(list)
  return cj.tensor(list, "int64")
end

describe("index_select", function()
  it("takes slices in any order, repeatedly", function()
    local x = cj.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    assert.same({ { 3, 1, 3 }, { 6, 4, 6 } }, x:index_select(2, whole { 3, 1, 3 }):table())
    assert.same({ { 4, 5, 6 } }, x:index_select(1, whole { 2 }):table())
    assert.same({ 0, 3 }, x:index_select(1, cj.zeros({ 0 }, "int64")).shape)
    for _, dtype in ipairs { "float64", "int64", "uint8" } do
      assert.same({ { 6 }, }, x:to(dtype):index_select(2, whole { 3 }):narrow(1, 2, 1):table())
    end
  end)

  it("keeps all laws", function()
    local index = whole { 3, 1, 3, 2 }
    for dim = 1, 3 do
      check_op.laws(function(t) return cj.index_select(t, dim, index) end,
        { check_op.numbers { 3, 4, 5 } }, { large = { check_op.numbers { 30, 40, 50 } } })
    end
    check_op.threads(function(t) return t:index_select(1, index) end,
      { check_op.numbers { 3, 20000 } })
  end)

  it("checks every index first", function()
    local x = cj.zeros { 2, 3 }
    assert.error_matches(function() x:index_select(2, whole { 1, 4 }) end,
      "index_select: expected indices from 1 to 3, got 4")
    assert.error_matches(function() x:index_select(2, whole { 0 }) end, "from 1 to 3, got 0")
    assert.error_matches(function() x:index_select(2, whole { -1 }) end, "from 1 to 3, got %-1")
    assert.error_matches(function() x:index_select(1, cj.ones { 2 }) end,
      "index_select: expected int64 for the index, got float32")
    assert.error_matches(function() x:index_select(1, whole { { 1 } }) end,
      "index_select: expected 1 dimensions for the index")
  end)
end)

describe("flip", function()
  it("reverses dimensions", function()
    local x = cj.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    assert.same({ { 3, 2, 1 }, { 6, 5, 4 } }, x:flip(2):table())
    assert.same({ { 6, 5, 4 }, { 3, 2, 1 } }, cj.flip(x, { 1, -1 }):table())
    assert.has_error(function() x:flip(3) end)
    assert.error_matches(function() x:flip() end, "flip: expected a table for dims")
  end)
end)

describe("gather", function()
  it("takes one element per index", function()
    local x = cj.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    assert.same({ { 3, 3 }, { 4, 5 } }, x:gather(2, whole { { 3, 3 }, { 1, 2 } }):table())
    assert.same({ { 4, 2, 6 } }, x:gather(1, whole { { 2, 1, 2 } }):table())
    assert.same({ { 4 } }, x:gather(1, whole { { 2 } }):table())
    assert.same({ 4, 1 }, cj.tensor({ 1, 7, 4 }, "uint8"):gather(1, whole { 3, 1 }):table())
  end)

  it("keeps all laws", function()
    local index = whole { { { 1, 3 }, { 2, 2 } }, { { 3, 3 }, { 1, 1 } } }
    check_op.laws(function(t) return cj.gather(t, 1, index) end,
      { check_op.numbers { 3, 4, 5 } })
    check_op.laws(function(t) return cj.gather(t, 2, index) end, { check_op.numbers { 2, 3, 2 } })
    check_op.laws(function(t) return cj.gather(t, -1, index) end, { check_op.numbers { 2, 2, 3 } })
    local many = (check_op.numbers({ 300, 101 }, 1, 8)):to "int64"
    check_op.threads(function(t) return t:gather(2, many) end, { check_op.numbers { 300, 7 } })
  end)

  it("says what does not fit", function()
    local x = cj.zeros { 2, 3 }
    assert.error_matches(function() x:gather(2, whole { { 4 } }) end,
      "gather: expected indices from 1 to 3, got 4")
    assert.error_matches(function() x:gather(2, whole { 1 }) end,
      "gather: expected an index that fits in %[2, 3%] but for dimension 2, got %[1%]")
    assert.error_matches(function() x:gather(2, whole { { 1 }, { 1 }, { 1 } }) end, "got %[3, 1%]")
  end)
end)

describe("scatter_add", function()
  it("adds at the places that gather reads", function()
    local x = cj.ones { 2, 3 }
    local y = x:scatter_add(2, whole { { 3, 3 }, { 1, 2 } }, cj.tensor { { 5, 6 }, { 7, 8 } })
    assert.same({ { 1, 1, 12 }, { 8, 9, 1 } }, y:table())
    assert.same({ { 1, 1, 1 }, { 1, 1, 1 } }, x:table())
    assert.same({ 4, 0 }, cj.zeros({ 2 }, "uint8"):scatter_add(1, whole { 1, 1 },
      cj.tensor({ 250, 10 }, "uint8")):table())
  end)

  it("keeps all laws", function()
    local index = whole { { 1, 3, 1 }, { 2, 2, 2 } }
    check_op.laws(function(t, s) return cj.scatter_add(t, 2, index, s) end,
      { check_op.numbers { 2, 4 }, check_op.numbers({ 2, 3 }, -1, 1, 2) })
    check_op.laws(function(t, s) return cj.scatter_add(t, 1, index, s) end,
      { check_op.numbers { 3, 3 }, check_op.numbers({ 2, 3 }, -1, 1, 2) })
  end)

  it("says what does not fit", function()
    local x = cj.zeros { 2, 3 }
    assert.error_matches(function() x:scatter_add(2, whole { { 1 } }, cj.zeros { 2, 1 }) end,
      "scatter_add: expected a source of the index's sizes %[1, 1%], got %[2, 1%]")
    assert.error_matches(function()
      x:scatter_add(2, whole { { 1 } }, cj.zeros({ 1, 1 }, "float64"))
    end, "scatter_add: expected float32 for the source, got float64")
  end)
end)

describe("one_hot", function()
  it("turns labels, counted from 0, into unit vectors", function()
    local y = cj.one_hot(whole { 2, 0 }, 3)
    assert.equal("float32", y.dtype)
    assert.same({ { 0, 0, 1 }, { 1, 0, 0 } }, y:table())
    assert.same({ 2, 1, 4 }, cj.one_hot(whole { { 2 }, { 0 } }, 4).shape)
    for _, dtype in ipairs { "float64", "int64", "uint8" } do
      assert.same({ { 0, 1 } }, cj.one_hot(whole { 1 }, 2, dtype):table())
    end
    assert.same({ 0, 3 }, cj.one_hot(cj.zeros({ 0 }, "int64"), 3).shape)
  end)

  it("refuses labels that are no class", function()
    assert.error_matches(function() cj.one_hot(whole { 3 }, 3) end,
      "one_hot: expected labels from 0 to 2, got 3")
    assert.error_matches(function() cj.one_hot(whole { -1 }, 3) end, "got %-1")
    assert.error_matches(function() cj.one_hot(cj.zeros { 1 }, 3) end,
      "one_hot: expected an int64 tensor, got float32")
  end)
end)
