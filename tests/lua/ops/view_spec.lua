local check_op = require "support.check_op"
local cj = require "conjugate"

-- 1, 2, 3 ... in these sizes.
local function counted(...)
  local n = 1
  for _, size in ipairs { ... } do n = n * size end
  return cj.arange(1, n + 1, 1, "float64"):reshape(...)
end

local function laws(f, sizes)
  check_op.laws(f, { check_op.numbers(sizes) }, { large = { check_op.numbers { 60, 70, 20 } } })
end

describe("views", function()
  it("select takes one slice", function()
    local x = counted(2, 3)
    assert.same({ 4, 5, 6 }, x:select(1, 2):table())
    assert.same({ 2, 5 }, x:select(2, 2):table())
    assert.same({ 3, 6 }, x:select(-1, -1):table())
    assert.error_matches(function() x:select(1, 3) end,
      "select: expected an index from 1 to 2 in dimension 1, got 3")
    assert.error_matches(function() x:select(3, 1) end,
      "select: expected a dimension from 1 to 2 %(or %-1 to %-2%), got 3")
    assert.error_matches(function() x:select(1, 0) end, "select: index counts from 1")
    laws(function(t) return cj.select(t, 2, 2) end, { 2, 3, 4 })
  end)

  it("narrow takes consecutive slices", function()
    local x = counted(2, 3)
    assert.same({ { 2, 3 }, { 5, 6 } }, x:narrow(2, 2, 2):table())
    assert.same({ { 3 }, { 6 } }, x:narrow(2, -1, 1):table())
    assert.same({ 0, 3 }, x:narrow(1, 1, 0).shape)
    assert.same({ 0, 3 }, x:narrow(1, 3, 0).shape)
    assert.error_matches(function() x:narrow(1, 2, 2) end,
      "narrow: 2 elements from index 2 on do not fit in the 2 of dimension 1")
    assert.error_matches(function() x:narrow(1, 1, -1) end, "narrow: %-1 elements")
    laws(function(t) return cj.narrow(t, 3, 2, 2) end, { 2, 3, 4 })
  end)

  it("transpose and permute reorder dimensions", function()
    local x = counted(2, 3)
    assert.same({ { 1, 4 }, { 2, 5 }, { 3, 6 } }, x:transpose(1, 2):table())
    assert.same({ 4, 2, 3 }, cj.zeros({ 2, 3, 4 }):permute({ 3, 1, 2 }).shape)
    assert.same({ 3, 4, 2 }, cj.zeros({ 2, 3, 4 }):permute(2, -1, 1).shape)
    assert.equal(6, cj.permute(counted(2, 3, 1), { 3, 2, 1 }):get(1, 3, 2))
    assert.error_matches(function() x:permute { 1 } end,
      "permute: expected each of the 2 dimensions once, got 1")
    assert.error_matches(function() x:permute { 1, -2 } end,
      "permute: expected each dimension once, got 1 twice")
    laws(function(t) return cj.transpose(t, 1, 3) end, { 2, 3, 4 })
    laws(function(t) return cj.permute(t, { 3, 1, 2 }) end, { 2, 3, 4 })
  end)

  it("reshape keeps the order of the elements", function()
    local x = counted(2, 3)
    assert.same({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, x:reshape({ 3, 2 }):table())
    assert.same({ { 1, 4 }, { 2, 5 }, { 3, 6 } }, x:t():reshape(3, 2):table())
    assert.same({ 1, 6 }, x:reshape(-1, 6).shape)
    assert.same({ 0, 4 }, cj.zeros({ 2, 0 }):reshape(-1, 4).shape)
    assert.equal(7, cj.tensor({ { 7 } }):reshape({}):item())
    assert.error_matches(function() x:reshape { 4, -1 } end,
      "reshape: 6 elements of sizes %[2, 3%] do not fit in sizes %[4, %-1%]")
    assert.error_matches(function() x:reshape { 5 } end, "do not fit in sizes %[5%]")
    assert.error_matches(function() x:reshape { -1, -1 } end, "reshape: expected a whole number")
    assert.error_matches(function() cj.zeros({ 0 }):reshape { 0, -1 } end, "do not fit")
    laws(function(t) return cj.reshape(t, { 4, -1 }) end, { 2, 3, 4 })
  end)

  it("flatten joins dimensions", function()
    local x = cj.zeros { 2, 3, 4 }
    assert.same({ 24 }, x:flatten().shape)
    assert.same({ 2, 12 }, x:flatten(2).shape)
    assert.same({ 2, 12 }, x:flatten(-2).shape)
    assert.same({ 2, 3, 4 }, x:flatten(3).shape)
    assert.same({ 1 }, cj.tensor(5):flatten().shape)
    assert.error_matches(function() x:flatten(4) end, "flatten: expected a whole number")
    assert.error_matches(function() x:flatten(0) end, "flatten: expected a whole number")
    laws(function(t) return cj.flatten(t, 2) end, { 2, 3, 4 })
  end)

  it("expand repeats without copying", function()
    local x = counted(2, 1)
    assert.same({ { 1, 1, 1 }, { 2, 2, 2 } }, x:expand(2, 3):table())
    assert.same({ 4, 2, 3 }, x:expand(4, -1, 3).shape)
    assert.same({ 2, 0 }, x:expand(2, 0).shape)
    assert.same({ 2, 5 }, x:expand_as(cj.zeros { 2, 5 }).shape)
    assert.error_matches(function() x:expand(3, 3) end,
      "expand: expected size 2 in dimension 1, got 3; only 1 can grow")
    assert.error_matches(function() x:expand(-1, 2, 1) end, "expand")
    assert.error_matches(function() x:expand { 2 } end, "expand: expected 2 to 8 sizes, got 1")
    check_op.laws(function(t) return cj.expand(t, { 5, 3, 4 }) end, { check_op.numbers { 3, 1 } })
    check_op.threads(function(t) return cj.expand(t, { 300, 300 }) end,
      { check_op.numbers { 300, 1 } })
  end)

  it("squeeze and unsqueeze take out and put in dimensions of size 1", function()
    local x = cj.zeros { 1, 3, 1, 2 }
    assert.same({ 3, 2 }, x:squeeze().shape)
    assert.same({ 3, 1, 2 }, x:squeeze(1).shape)
    assert.same({ 1, 3, 1, 2 }, x:squeeze(2).shape)
    assert.same({ 3, 2 }, x:squeeze({ 1, -2 }).shape)
    assert.same({}, cj.zeros({ 1, 1 }):squeeze().shape)
    local y = cj.zeros { 3, 2 }
    assert.same({ 1, 3, 2 }, y:unsqueeze(1).shape)
    assert.same({ 3, 1, 2 }, y:unsqueeze(2).shape)
    assert.same({ 3, 2, 1 }, y:unsqueeze(-1).shape)
    assert.same({ 1, 3, 2 }, y:unsqueeze(-3).shape)
    assert.error_matches(function() y:unsqueeze(4) end,
      "unsqueeze: expected a dimension from 1 to 3 %(or %-1 to %-3%), got 4")
    assert.error_matches(function() cj.zeros({ 1, 1, 1, 1, 1, 1, 1, 1 }):unsqueeze(1) end,
      "unsqueeze: expected at most 7 dimensions")
    check_op.laws(function(t) return cj.squeeze(t) end, { check_op.numbers { 2, 1, 3 } })
    laws(function(t) return cj.unsqueeze(t, 2) end, { 2, 3 })
  end)

  it("share memory with the tensor they look into", function()
    local x = counted(2, 3)
    x:transpose(1, 2):select(1, 3):fill_(0)
    x:reshape(-1):narrow(1, 1, 1):mul_(10)
    x:unsqueeze(1):squeeze():select(2, 2):neg_()
    assert.same({ { 10, -2, 0 }, { 4, -5, 0 } }, x:table())
  end)

  it("that repeat elements are not written to", function()
    local x = cj.zeros({ 1, 3 }):expand(2, 3)
    assert.error_matches(function() x:add_(cj.ones { 2, 3 }) end,
      "add_?: a view that repeats elements %(expand%) cannot be changed in place; clone it first")
    assert.error_matches(function() x:copy_(cj.ones { 2, 3 }) end, "copy_: a view that repeats")
    x:clone():add_(1)
    assert.same({ 0, 0, 0 }, x[1]:table())
  end)

  it("contiguous copies only what is scattered", function()
    local x = counted(2, 3)
    x:contiguous():fill_(7)
    assert.equal(7, x:get(1, 1))
    local y = x:t():contiguous()
    y:zero_()
    assert.is_true(y:is_contiguous())
    assert.equal(7, x:get(1, 1))
    laws(function(t) return cj.contiguous(t:transpose(1, -1)) end, { 2, 3, 4 })
  end)

  it("of views carry gradients to the first tensor", function()
    check_op.gradient(function(t)
      local v = t:permute({ 3, 1, 2 }):narrow(1, 2, 2):select(2, 1)
      return v:unsqueeze(2):expand(2, 4, 3):reshape(8, 3)
    end, { check_op.numbers { 2, 3, 4 } })
  end)

  it("exist for all types", function()
    for _, dtype in ipairs { "float32", "float64", "int64", "uint8" } do
      local x = cj.arange(0, 24, 1, dtype):reshape(2, 3, 4)
      assert.equal(14, x:permute(3, 1, 2):narrow(1, 2, 2):select(3, 1):get(2, 2))
    end
  end)
end)
