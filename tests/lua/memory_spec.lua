local cj = require "conjugate"
local core = require "conjugate.core"
local starve = require "support.starve"
local raises = require("support.misuse").raises

describe("memory", function()
  it("of dropped tensors is given back without being asked", function()
    if os.getenv "CJ_SANITIZED" then pending "the sanitizer keeps what was freed for a while" end
    local function churn(n)
      local keep
      for i = 1, n do keep = cj.ones(64, 64) * i end
      return keep
    end
    churn(2000)
    local before = starve.resident()
    churn(20000)
    assert.is_true(starve.resident() < 1.1 * before + 4e6)
  end)

  it("of 1 MB tensors stays near what is in use", function()
    starve.settle()
    local most, base = 0, core.memory_used()
    for _ = 1, 1000 do
      cj.zeros { 512, 512 }
      most = math.max(most, core.memory_used())
    end
    assert.is_true(most - base < 64e6, most - base)
  end)

  it("is found by a collection when an allocation fails", function()
    local function once(f)
      local ends = newproxy(true) -- its finalizer lets allocations succeed again
      getmetatable(ends).__gc = function() core.memory_fail_after(-1) end
      ends = nil -- luacheck: ignore
      core.memory_fail_after(0)
      local ok, result = pcall(f)
      core.memory_fail_after(-1)
      return assert(ok and result, result)
    end
    local x = cj.ones { 3 }
    assert.same({ 0, 0 }, once(function() return cj.zeros { 2 } end):table())
    assert.same({ 2, 2, 2 }, once(function() return x + x end):table())
    assert.same({ 2, 2, 2 }, once(function() return x:add_(1) end):table())
  end)

  it("of graphs is given back with the last result", function()
    local w = cj.randn { 64, 64, requires_grad = true }
    local before
    for i = 1, 300 do
      local y = w
      for _ = 1, 5 do y = y * 1.01 + w end
      if i % 2 == 0 then y:sum():backward() end
      if i == 50 then before = starve.settle() end
    end
    assert.is_true(starve.settle() <= before + 100000)
  end)

  it("is refused in sizes that do not exist", function()
    raises("out of memory", cj.zeros, { 2 ^ 44 })
    local pages = tonumber(io.popen("getconf _PHYS_PAGES"):read "*a")
    raises("out of memory", cj.zeros, { pages * 4096 }, "uint8") -- not when it is used
    raises("memory_fail_after: expected a whole number for n, got nothing", core.memory_fail_after)
  end)
end)

describe("loading twice", function()
  it("gives the same tensors", function()
    local x = cj.tensor { 1, 2 }
    local loaded = package.loaded["conjugate.core"]
    package.loaded["conjugate.core"] = nil
    local again = require "conjugate.core"
    package.loaded["conjugate.core"] = loaded
    assert.is_true(again.is_tensor(x))
    assert.same({ 1, 2 }, again.new({ 2 }, 0):copy_(x):table())
  end)
end)

describe("threads", function()
  it("can be counted and set", function()
    local n = cj.threads()
    assert.equal(1, cj.threads(1))
    assert.equal(n, cj.threads(n))
    raises("threads: expected a whole number from 1 to 256 for count, got 0", cj.threads, 0)
    raises("threads: expected a whole number for count, got 1.5", cj.threads, 1.5)
  end)
end)
