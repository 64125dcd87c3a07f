local cj = require "conjugate"
local core = require "conjugate.core"
local starve = require "support.starve"
local raises = require("support.misuse").raises

local function leaf(values, dtype)
  return cj.tensor(values, { dtype = dtype or "float64", requires_grad = true })
end

-- Central differences of the scalar f at x, in double.
local function slope(f, x, h)
  local g, plain = {}, x:detach():clone()
  for i = 1, x:numel() do
    local v = plain[i]
    plain[i] = v + h
    local up = f(plain):item()
    plain[i] = v - h
    local down = f(plain):item()
    plain[i] = v
    g[i] = (up - down) / (2 * h)
  end
  return cj.tensor(g, "float64")
end

describe("gradients", function()
  it("agree with closed forms", function()
    local x = leaf { 1, -2, 3 }
    local y = (x * x * x + 2 * x):sum()
    y:backward()
    assert.same({ 5, 14, 29 }, x.grad:table())
  end)

  it("agree with finite differences through a longer formula", function()
    local function f(x)
      return ((x * x + 1):log() * (x / 3):sigmoid() - x:tanh() ^ 2):sum()
    end
    local x = leaf { 0.3, -1.2, 2.5, 0 }
    f(x):backward()
    local close, worst = x.grad:allclose(slope(f, x, 1e-5), 1e-6, 1e-9)
    assert.is_true(close, worst)
  end)

  it("sum over the dimensions that broadcasting repeats", function()
    local b, x = leaf { 1, 2 }, leaf { { 1, 2 }, { 3, 4 }, { 5, 6 } };
    (x * b):sum():backward()
    assert.same({ 9, 12 }, b.grad:table())
    assert.same({ { 1, 2 }, { 1, 2 }, { 1, 2 } }, x.grad:table())
  end)

  it("flow through views and indexing", function()
    local x = leaf { { 1, 2 }, { 3, 4 } };
    (x:t()[1] * x[2]):sum():backward() -- x11 x21 + x21 x22
    assert.same({ { 3, 0 }, { 5, 3 } }, x.grad:table())
    local v = leaf { 1, 2, 3 };
    (v[2] * v[2]):backward()
    assert.same({ 0, 4, 0 }, v.grad:table())
  end)

  it("accumulate in leaves until cleared", function()
    local x = leaf { 1, 2 };
    (x * 2):sum():backward();
    (x * 3):sum():backward()
    assert.same({ 5, 5 }, x.grad:table())
    x.grad = nil
    assert.is_nil(x.grad);
    (x * 3):sum():backward()
    assert.same({ 3, 3 }, x.grad:table())
    x.grad:zero_()
    assert.same({ 0, 0 }, x.grad:table())
  end)

  it("of a tensor used twice add up", function()
    local x = leaf { 3 }
    local y = x * x
    local z = y * y + y
    z:backward()
    assert.near(4 * 27 + 6, x.grad:item(), 1e-12)
  end)

  it("start from a given gradient", function()
    local x = leaf { 1, 2 };
    (x * x):backward(cj.tensor({ 1, 10 }, "float64"))
    assert.same({ 2, 40 }, x.grad:table())
    raises("backward: ", (x * x).backward, x * x)
    raises("backward: ", (x * x).backward, x * x, cj.zeros { 3 })
  end)

  it("keep the graph only when asked", function()
    local x = leaf { 2 }
    local y = x * x
    y:backward(nil, true)
    y:backward()
    assert.same({ 8 }, x.grad:table())
    raises("freed", y.backward, y)
  end)

  it("need something that wants one", function()
    local x = cj.tensor { 1 }
    raises("backward: ", x.backward, x)
    local n = cj.zeros({ 2 }, "int64")
    raises("only float tensors have gradients, got int64", function() n.requires_grad = true end)
  end)
end)

describe("cj.grad", function()
  it("gives gradients and leaves the leaves alone", function()
    local x, w = leaf { 1, 2 }, leaf { 3, 4 }
    local y = (x * x * w):sum()
    local gx = cj.grad(y, x, { keep = true })
    assert.same({ 6, 16 }, gx:table())
    local list = cj.grad(y, { w, x })
    assert.same({ 1, 4 }, list[1]:table())
    assert.same({ 6, 16 }, list[2]:table())
    assert.is_nil(x.grad)
  end)

  it("takes results on the way, and gives zeros where nothing depends", function()
    local x, other = leaf { 2 }, leaf { 7, 7 }
    local mid = x * 3
    local g = cj.grad((mid * mid):sum(), { mid, other })
    assert.same({ 12 }, g[1]:table())
    assert.same({ 0, 0 }, g[2]:table())
  end)

  it("takes several outputs", function()
    local x = leaf { 1, 2 }
    local g = cj.grad({ (x * x):sum(), x:sum() }, x)
    assert.same({ 3, 5 }, g:table())
    g = cj.grad({ x * x, x * 1 }, x, {
      gradient = { cj.tensor({ 1, 0 }, "float64"), cj.tensor({ 0, 5 }, "float64") },
    })
    assert.same({ 2, 5 }, g:table())
  end)

  it("refuses misuse", function()
    local x = leaf { 1, 2 }
    raises("grad: expected a table for outputs, got nil", cj.grad, nil, x)
    raises("grad: expected a table for inputs, got nil", cj.grad, x:sum())
    raises("grad: input 1 does not want a gradient", cj.grad, x:sum(), cj.zeros { 2 })
    raises("has 2 elements", cj.grad, { x * 2 }, x)
    raises('grad: there is no option "keeep" (did you mean "keep"?)', cj.grad, x:sum(), x,
      { keeep = true })
  end)
end)

describe("not recording", function()
  it("cuts by detach", function()
    local x = leaf { 2 }
    local y = x * x
    assert.is_false(y:detach().requires_grad);
    (y:detach() * x):backward()
    assert.same({ 4 }, x.grad:table())
  end)

  it("works within no_grad, and comes back after errors", function()
    local x = leaf { 2 }
    local y, extra = cj.no_grad(function(k) return x * k, "more" end, 3)
    assert.is_false(y.requires_grad)
    assert.equal("more", extra)
    assert.has_error(function() cj.no_grad(error, "oops") end, "oops")
    assert.is_true((x * 1).requires_grad)
    cj.no_grad(function()
      assert.is_true(cj.enable_grad(function() return x * 1 end).requires_grad)
    end)
  end)

  it("lets leaves be changed in place", function()
    local x = leaf { 1, 2 }
    raises("add_: a tensor that wants a gradient cannot be changed in place", x.add_, x, 1)
    raises("fill_: the tensor wants a gradient and cannot be changed in place", x.fill_, x, 1)
    raises("cannot be changed in place", function() x[1] = 3 end)
    cj.no_grad(function()
      x:add_(1)
      x[1] = 7
    end)
    assert.same({ 7, 3 }, x:table())
    assert.is_true(x.requires_grad)
  end)

  it("notices inputs that were changed after they were used", function()
    local x, w = leaf { 1, 2 }, cj.tensor({ 3, 4 }, "float64")
    local y = (x * w):sum()
    w:fill_(0)
    raises("changed in place after it was used", y.backward, y)
    local v = cj.tensor({ 3, 4 }, "float64")
    y = (x * v):sum()
    v[1] = 5
    raises("changed in place after it was used", y.backward, y)
  end)

  it("turns requires_grad on and off", function()
    local x = cj.zeros { 2 }
    x.requires_grad = true
    assert.is_true(x.requires_grad)
    assert.is_true(x.is_leaf)
    x.requires_grad = false
    assert.is_false((x * 2).requires_grad)
    assert.equal(x, x:requires_grad_())
    local y = x * 2
    assert.is_false(y.is_leaf)
    raises("leaf", function() y.requires_grad = false end)
    raises("requires_grad: expected true or false for value, got 1", function()
      x.requires_grad = 1
    end)
    raises("grad: only a tensor made with requires_grad holds a gradient", function()
      y.grad = x
    end)
  end)
end)

describe("custom operators in Lua", function()
  local cube = cj.func {
    name = "cube",
    forward = function(ctx, x)
      ctx.x = x
      return x * x * x
    end,
    backward = function(ctx, gy)
      return gy * ctx.x * ctx.x * 3
    end,
  }

  it("run forward and backward", function()
    local x = leaf { 1, 2 }
    local y = cube(x)
    assert.same({ 1, 8 }, y:table());
    (y * 2):sum():backward()
    assert.same({ 6, 24 }, x.grad:table())
  end)

  it("take several inputs, numbers among them", function()
    local axpy = cj.func {
      forward = function(ctx, a, x, y)
        ctx.a = a
        return x * a + y
      end,
      backward = function(ctx, gy)
        return nil, gy * ctx.a, gy
      end,
    }
    local x, y = leaf { 1, 2 }, leaf { 3, 4 }
    axpy(10, x, y):sum():backward()
    assert.same({ 10, 10 }, x.grad:table())
    assert.same({ 1, 1 }, y.grad:table())
  end)

  it("nest", function()
    local x = leaf { 2 }
    local outer = cj.func {
      forward = function(ctx, v)
        ctx.v = v
        return v * v
      end,
      backward = function(ctx, gy)
        local v = cj.tensor(ctx.v, { requires_grad = true })
        return cj.enable_grad(function() return cj.grad(v * v, v, { gradient = gy }) end)
      end,
    }
    cube(outer(x)):backward()
    assert.near(6 * 2 ^ 5, x.grad:item(), 1e-9)
  end)

  it("are not recorded when nothing wants a gradient", function()
    assert.is_false(cube(cj.tensor { 1 }).requires_grad)
    local x = leaf { 1 }
    assert.is_false(cj.no_grad(cube, x).requires_grad)
  end)

  it("pass errors of their backward on, whole", function()
    local thrown = {}
    local bad = cj.func {
      forward = function(_, x) return x * 1 end,
      backward = function() error(thrown) end,
    }
    local y = bad(leaf { 1 })
    local ok, message = pcall(y.backward, y)
    assert.is_false(ok)
    assert.equal(thrown, message)
    assert.is_true((leaf({ 1 }) * 1).requires_grad)
  end)

  it("check what comes back", function()
    local function with(backward)
      local f = cj.func { forward = function(_, x) return x * 1 end, backward = backward }
      return f(leaf { 1, 2 })
    end
    local y = with(function() return 3 end)
    raises("backward: expected a tensor for gradient 1, got 3", y.sum(y).backward, y:sum())
    y = with(function() return cj.zeros { 2 } end)
    raises("expected a float64 tensor [2] for gradient 1, got a float32 tensor [2]",
      y.sum(y).backward, y:sum())
    raises("expected a tensor for the result of forward, got 1",
      cj.func { forward = function() return 1 end, backward = function() end }, leaf { 1 })
    raises("func: expected a function for forward, got nil", cj.func, { backward = function() end })
    raises("func: expected a table for definition, got nil", cj.func)
  end)

  it("let go of everything they held", function()
    local before = starve.settle()
    for _ = 1, 50 do
      local x = cj.randn { 100, requires_grad = true }
      cube(x):sum():backward()
      cube(cube(x)) -- dropped without a walk
    end
    assert.equal(before, starve.settle())
  end)
end)

describe("long chains", function()
  it("of 100,000 calls are walked and dropped", function()
    local before = starve.settle()
    local x = leaf { 1 }
    local y = x
    for _ = 1, 100000 do y = y + 1e-9 end
    y:backward()
    assert.same({ 1 }, x.grad:table())
    y = x
    for _ = 1, 100000 do y = y * 1 end
    y, x = nil, nil -- luacheck: ignore
    assert.equal(before, starve.settle())
  end)
end)

describe("when memory runs out", function()
  it("the walk raises and leaks nothing", function()
    starve.every_allocation(function()
      local x = cj.tensor({ { 1, 2 }, { 3, 4 } }, { requires_grad = true })
      local y = (x:t() * x + x[1]):sum()
      y:backward()
      return x.grad
    end)
  end)

  it("cj.grad raises and leaks nothing", function()
    starve.every_allocation(function()
      local x = cj.tensor({ 1, 2 }, { requires_grad = true })
      return cj.grad((x * x):sum(), { x, x })
    end)
  end)

  it("custom operators raise and leak nothing", function()
    local double = cj.func {
      forward = function(_, x) return x + x end,
      backward = function(_, gy) return gy + gy end,
    }
    starve.every_allocation(function()
      local x = cj.tensor({ 1, 2 }, { requires_grad = true })
      double(double(x)):sum():backward()
      return x.grad
    end)
    assert.is_true(core.grad_enabled())
  end)
end)

describe("a gradient that is assigned", function()
  it("is copied: views and the tensor itself may be given", function()
    local x = cj.zeros { 1000, requires_grad = true }
    x.grad = cj.ones(1):expand { 1000 }
    x:sum():backward()
    assert.equal(2000, x.grad:sum():item())
    local m = leaf { { 1, 2 }, { 3, 4 } }
    m.grad = m:t()
    m:sum():backward()
    assert.same({ { 2, 4 }, { 3, 5 } }, m.grad:table())
    assert.same({ { 1, 2 }, { 3, 4 } }, m:table())
    x.grad = nil
    assert.is_nil(x.grad)
  end)

  it("survives a lack of memory", function()
    local x, g = leaf { 1, 2 }, cj.ones({ 2 }, "float64")
    x.grad = g
    local function assign() x.grad = g end
    assert.is_true(starve.every_allocation(assign) > 0)
    assert.same({ 1, 1 }, x.grad:table())
  end)
end)

describe("recording", function()
  it("cannot be left switched off by a coroutine that yields", function()
    local stuck = coroutine.wrap(function() cj.no_grad(coroutine.yield, 1) end)
    raises("attempt to yield across C-call boundary", stuck)
    assert.is_true(core.grad_enabled())
  end)

  it("leaves out integers made by custom operators", function()
    local f = cj.func {
      forward = function(_, x) return x:to "int64" end,
      backward = function(_, gy) return gy end,
    }
    assert.is_false(f(leaf { 1, 2 }).requires_grad)
  end)
end)

describe("core.apply", function()
  it("refuses a missing tensor, unless the operator can do without", function()
    local x = cj.ones { 2, 2 }
    raises("mul: expected a tensor as input 2, got none", core.apply, "mul", x, nil)
    raises("where: expected a tensor as input 3, got none", core.apply, "where", x, x, nil)
    assert.same({ { 2, 2 }, { 2, 2 } }, core.apply("linear", x, x, nil):table())
  end)
end)
