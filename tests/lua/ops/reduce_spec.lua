local check_op = require "support.check_op"
local cj = require "conjugate"

-- Folds a nested table over dims (a set), by plain recursion: a list of { key, value } pairs first.
local function walk(t, shape, f, index)
  index = index or {}
  if #index == #shape then return f(index, t) end
  for i = 1, shape[#index + 1] do
    index[#index + 1] = i
    walk(t[i], shape, f, index)
    index[#index] = nil
  end
end

-- Elements by their kept indices, in row-major order of these: { { x, x, ... }, ... }.
local function groups_of(x, dims)
  local folded, order, groups = {}, {}, {}
  for _, d in ipairs(dims) do folded[d] = true end
  walk(x:table(), x.shape, function(index, v)
    local kept = {}
    for d, i in ipairs(index) do
      if not folded[d] then kept[#kept + 1] = ("%03d"):format(i) end
    end
    local key = table.concat(kept, ",")
    if not groups[key] then
      groups[key] = {}
      order[#order + 1] = key
    end
    table.insert(groups[key], v)
  end)
  table.sort(order)
  for i, key in ipairs(order) do order[i] = groups[key] end
  return order
end

local references = {
  sum = function(list)
    local s = 0
    for _, v in ipairs(list) do s = s + v end
    return s
  end,
  mean = function(list)
    local s = 0
    for _, v in ipairs(list) do s = s + v end
    return s / #list
  end,
  prod = function(list)
    local s = 1
    for _, v in ipairs(list) do s = s * v end
    return s
  end,
}

local dims_of_three = { { 1 }, { 2 }, { 3 }, { 1, 2 }, { 2, 3 }, { 1, 3 }, { 1, 2, 3 } }

local function check_values(name, x)
  for _, dims in ipairs(dims_of_three) do
    local got = x[name](x, dims):reshape(-1):table()
    for i, list in ipairs(groups_of(x, dims)) do
      local expected = references[name](list)
      assert.near(expected, got[i], 1e-5 * math.max(1, math.abs(expected)))
    end
  end
end

local function of_name(name, dims, keepdim)
  return function(x) return cj[name](x, dims, keepdim) end
end

describe("reductions", function()
  for _, name in ipairs { "sum", "mean", "prod" } do
    it(name .. " folds any dimensions of any sizes", function()
      for _, dtype in ipairs { "float32", "float64" } do
        check_values(name, check_op.numbers({ 3, 17, 5 }, 0.5, 1.5):to(dtype))
        check_values(name, check_op.numbers({ 2, 3, 33 }, 0.5, 1.5):to(dtype):transpose(1, 3))
        check_values(name, check_op.numbers({ 2, 1, 130 }, 0.8, 1.2):to(dtype))
      end
    end)

    it(name .. " keeps all laws", function()
      local x = check_op.numbers({ 2, 3, 5 }, 0.5, 1.5)
      for _, dims in ipairs(dims_of_three) do check_op.gradient(of_name(name, dims), { x }) end
      check_op.laws(of_name(name, 2), { x },
        { large = { check_op.numbers({ 3, 300, 200 }, 0.9, 1.1) } })
      check_op.laws(of_name(name, { -1, 1 }, true), { x },
        { large = { check_op.numbers({ 200, 3, 300 }, 0.9, 1.1) } })
      check_op.laws(of_name(name), { x }, { large = { check_op.numbers({ 200000 }, 0.99, 1.01) } })
      check_op.laws(of_name(name, 1), { x },
        { large = { check_op.numbers({ 9000, 20 }, 0.99, 1.01) } })
    end)
  end

  it("give the sizes asked for", function()
    local x = cj.ones { 2, 3, 4 }
    assert.same({}, x:sum().shape)
    assert.same({ 3, 4 }, x:sum(1).shape)
    assert.same({ 2, 3 }, x:sum(-1).shape)
    assert.same({ 2, 1, 4 }, x:mean(2, true).shape)
    assert.same({ 1, 1, 1 }, x:prod({}, true).shape)
    assert.same({ 4 }, x:sum({ 1, 2 }).shape)
    assert.same({ 1, 3, 1 }, x:sum({ 3, 1 }, true).shape)
    assert.equal(7, cj.tensor(7):sum():item())
  end)

  it("fold nothing into 0, 1 or NaN", function()
    local x = cj.zeros { 2, 0, 3 }
    assert.equal(0, x:sum():item())
    assert.same({ { 0, 0, 0 }, { 0, 0, 0 } }, x:sum(2):table())
    assert.same({ 1, 1, 1 }, x:prod({ 1, 2 }):table())
    assert.same({ 2, 0 }, x:sum(3).shape)
    assert.same({ { 1, 1, 1 }, { 1, 1, 1 } }, x:mean(2):isnan():table())
  end)

  it("sum integers in int64", function()
    local x = cj.full({ 300, 5 }, 255, "uint8")
    assert.equal("int64", x:sum().dtype)
    assert.equal(300 * 5 * 255, x:sum():item())
    assert.same({ 76500, 76500, 76500, 76500, 76500 }, x:sum(1):table())
    assert.equal(2 ^ 40, cj.full({ 40 }, 2, "int64"):prod():item())
    assert.error_matches(function() x:mean() end, "mean: expected a float tensor, got uint8")
  end)

  it("sum many float32 numbers to the last digit", function()
    local n = 3000001
    local x = cj.full({ n }, 0.1)
    local exact = n * cj.tensor(0.1):item()
    assert.near(exact, x:sum():item(), exact * 6e-8)
    assert.near(0.1, x:mean():item(), 1e-8)
    assert.near(exact, x:unsqueeze(2):expand(n, 2):sum(1):get(2), exact * 6e-8)
  end)

  it("give the product's slope around zeros", function()
    local x = cj.tensor({ { 2, 0, 3 }, { 0, 0, 5 }, { 1, 2, 4 } }, { requires_grad = true })
    x:prod(2):sum():backward()
    assert.same({ { 0, 6, 0 }, { 0, 0, 0 }, { 8, 4, 2 } }, x.grad:table())
  end)

  it("say which dimension there is not", function()
    local x = cj.zeros { 2, 3 }
    assert.error_matches(function() x:sum(3) end,
      "sum: expected a dimension from 1 to 2 %(or %-1 to %-2%), got 3")
    assert.error_matches(function() x:sum { 1, -2 } end,
      "sum: expected each dimension once, got 1 twice")
    assert.error_matches(function() x:mean(0) end, "mean: dims counts from 1")
    assert.error_matches(function() cj.tensor(1):sum(1) end, "at least one dimension")
  end)
end)

describe("composed reductions", function()
  it("any and all", function()
    local x = cj.tensor { { 0, 2 }, { 0, 0 }, { 3, 0 / 0 } }
    assert.equal(1, x:any():item())
    assert.equal(0, x:all():item())
    assert.same({ 1, 0, 1 }, x:any(2):table())
    assert.same({ 0, 0, 1 }, x:all(-1):table())
    assert.equal(0, cj.zeros({ 0 }):any():item())
    assert.equal(1, cj.zeros({ 0 }):all():item())
    assert.equal("uint8", x:any().dtype)
  end)

  it("var and std", function()
    local x = cj.tensor({ { 1, 2, 6 }, { 0, 0, 3 } }, "float64")
    assert.near(7, x:var(2):get(1), 1e-12)
    assert.near(14 / 3, x:var(2, false, 0):get(1), 1e-12)
    assert.near(math.sqrt(3), x:std(2):get(2), 1e-12)
    check_op.gradient(function(t) return t:std(2) end, { x })
  end)

  it("norm", function()
    local x = cj.tensor({ { 3, -4 }, { 0, 2 } }, "float64")
    assert.near(math.sqrt(29), x:norm():item(), 1e-12)
    assert.same({ 7, 2 }, x:norm(1, 2):table())
    assert.same({ 5, 2 }, x:norm(2, 2):table())
    assert.same({ { 3, 4 } }, x:norm(math.huge, 1, true):table())
    assert.error_matches(function() x:norm(3) end, "norm: expected 1, 2 or math.huge for p, got 3")
    check_op.gradient(function(t) return t:norm(2, 2) end, { x })
  end)
end)
