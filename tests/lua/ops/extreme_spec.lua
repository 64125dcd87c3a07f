local check_op = require "support.check_op"
local cj = require "conjugate"

local nan = 0 / 0

-- Place (from 1) of the extreme of column j of a matrix, by the definition.
local function place_in_column(x, j, better)
  local best = 1
  for i = 2, x:size(1) do
    local v, old = x:get(i, j), x:get(best, j)
    if better(v, old) or (v ~= v and old == old) then best = i end
  end
  return best
end

local function above(v, old) return v > old end
local function below(v, old) return v < old end

-- Numbers with many ties, so that "the first" matters.
local function with_ties(sizes, dtype)
  return (check_op.numbers(sizes, 0, 9) - 0.5):to("int64"):to(dtype)
end

describe("extremes", function()
  for _, dtype in ipairs { "float32", "float64", "int64", "uint8" } do
    it("and their places match the definition in " .. dtype, function()
      for _, sizes in ipairs { { 1, 1 }, { 17, 3 }, { 100, 5 }, { 3, 300 }, { 33, 129 } } do
        local x = with_ties(sizes, dtype)
        local largest, smallest = x:argmax(1), x:argmin(1)
        local across = x:t():contiguous()
        check_op.same(largest, across:argmax(2))
        check_op.same(smallest, across:argmin(2))
        check_op.same(x:max(1), across:max(2))
        check_op.same(x:min(1), across:min(2))
        for j = 1, sizes[2] do
          local high = place_in_column(x, j, above)
          assert.equal(high, largest:get(j))
          assert.equal(x:get(high, j), x:max(1):get(j))
          local low = place_in_column(x, j, below)
          assert.equal(low, smallest:get(j))
          assert.equal(x:get(low, j), x:min(1):get(j))
        end
      end
    end)
  end

  it("work over all elements and several dimensions", function()
    local x = cj.tensor { { { 1, 9 }, { 3, 4 } }, { { 5, 6 }, { 9, 0 } } }
    assert.equal(9, x:max():item())
    assert.equal(2, x:argmax():item())
    assert.equal(8, x:argmin():item())
    assert.same({ 9, 9 }, x:max({ 2, 3 }):table())
    assert.same({ 2, 3 }, x:argmax({ 2, 3 }):table())
    assert.same({ { 9, 9 } }, x:max({ 1, 2 }):unsqueeze(1):table())
    assert.same({ 2, 1, 2 }, x:max(2, true).shape)
    assert.equal("int64", x:argmax().dtype)
    assert.equal(1, cj.tensor(4):argmax():item())
  end)

  it("never lose NaN", function()
    local x = cj.tensor { { 1, nan, 3, nan }, { 4, 5, 6, -math.huge } }
    assert.same({ 1, 0 }, x:max(2):isnan():table())
    assert.same({ 1, 0 }, x:min(2):isnan():table())
    assert.same({ 2, 3 }, x:argmax(2):table())
    assert.same({ 2, 4 }, x:argmin(2):table())
    assert.same({ 0, 1, 0, 1 }, x:max(1):isnan():table())
    assert.same({ 2, 1, 2, 1 }, x:argmax(1):table())
    assert.same({ 2 }, { x:argmax():item() })
    local long = cj.zeros { 200000 }
    long:set(150000, nan)
    assert.equal(150000, long:argmax():item())
    assert.equal(150000, long:argmin():item())
  end)

  for _, name in ipairs { "max", "min" } do
    it(name .. " keeps all laws", function()
      local x = check_op.numbers({ 2, 3, 5 })
      for _, dims in ipairs { { 1 }, { 2 }, { 3 }, { 1, 3 }, { 1, 2, 3 } } do
        check_op.gradient(function(t) return t[name](t, dims) end, { x })
      end
      check_op.laws(function(t) return t[name](t, 2) end, { x },
        { large = { check_op.numbers { 3, 300, 200 } } })
      check_op.laws(function(t) return t[name](t) end, { x },
        { large = { check_op.numbers { 200000 } } })
    end)
  end

  for _, name in ipairs { "argmax", "argmin" } do
    it(name .. " keeps all laws", function()
      check_op.laws(function(t) return t[name](t, 2) end, { check_op.numbers { 2, 3, 5 } },
        { gradient = false, large = { with_ties({ 3, 300, 200 }, "float64") } })
      check_op.laws(function(t) return t[name](t) end, { check_op.numbers { 2, 3, 5 } },
        { gradient = false, large = { with_ties({ 200000 }, "float64") } })
    end)
  end

  it("give the gradient to the first of equal elements", function()
    local x = cj.tensor({ { 2, 5, 5 }, { 5, 1, 0 } }, { requires_grad = true })
    x:max():backward()
    assert.same({ { 0, 1, 0 }, { 0, 0, 0 } }, x.grad:table())
    x.grad = nil
    x:max(2):sum():backward()
    assert.same({ { 0, 1, 0 }, { 1, 0, 0 } }, x.grad:table())
  end)

  it("refuse to choose from nothing", function()
    assert.error_matches(function() cj.zeros({ 0 }):max() end,
      "max: expected at least one element to choose from, got sizes %[0%]")
    assert.error_matches(function() cj.zeros({ 2, 0 }):argmin(2) end,
      "argmin: expected at least one")
    assert.same({ 0 }, cj.zeros({ 2, 0 }):max(1).shape)
  end)
end)
