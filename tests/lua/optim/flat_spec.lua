local assert = require "luassert"
local cj = require "conjugate"
local starve = require "support.starve"

-- The bytes that matter: equal numbers, -0 apart from 0, all NaN alike.
local function values(tensors)
  local list = {}
  for i, t in ipairs(tensors) do
    list[i] = {}
    for k, v in ipairs(t:detach():reshape({ -1 }):table()) do
      list[i][k] = v == 0 and tostring(1 / v) or ("%.17g"):format(v)
    end
  end
  return list
end

local function state_values(optimizer)
  local list = {}
  for i, pair in ipairs(optimizer:state_dict().tensors) do list[i] = pair[2] end
  return values(list)
end

-- How many operator calls `f` needs for the steps of `optimizer`.
local function count_updates(optimizer, f)
  local class, calls = optimizer.class, 0
  local update = class.update
  class.update = function(...)
    calls = calls + 1
    return update(...)
  end
  local ok, message = pcall(f)
  class.update = update
  assert(ok, message)
  return calls
end

-- Parameters of odd sizes; one is a scalar, one is empty.
local function parameters(dtype)
  cj.seed(5)
  local list = {}
  for i, shape in ipairs { { 3, 5 }, { 17 }, {}, { 0, 2 }, { 2, 16 }, { 40000 }, { 1 } } do
    list[i] = cj.randn(shape):to(dtype or "float32")
    list[i].requires_grad = true
  end
  return list
end

-- A loss whose gradient differs from step to step; parameter `without` does not take part.
local function loss(list, step, without)
  local sum = 0
  for i, p in ipairs(list) do
    if i ~= without then
      sum = sum + (p * p * (0.5 + i / 8) + p * step):sum():to "float64"
    end
  end
  return sum
end

local function train(list, optimizer, first, last, without)
  for step = first, last do
    optimizer:zero_grad()
    loss(list, step, step % 3 == 0 and without or nil):backward()
    optimizer:step()
  end
end

-- Views of all parameters: while they live, the parameters cannot be moved.
local function views(list)
  local held = {}
  for i, p in ipairs(list) do held[i] = p:detach() end
  return held
end

local optimisers = {
  { "sgd", { lr = 0.05, weight_decay = 0.01 } },
  { "sgd", { lr = 0.05, momentum = 0.9, nesterov = true } },
  { "adam", { lr = 0.01, weight_decay = 0.1 } },
  { "adam", { lr = 0.01, eps = 0 } },
  { "adamw", { lr = 0.01 } },
  { "rmsprop", { lr = 0.01 } },
  { "rmsprop", { lr = 0.01, momentum = 0.5, weight_decay = 0.1, eps = 0 } },
}

describe("the parameters of an optimiser", function()
  for _, case in ipairs(optimisers) do
    local name, options = case[1], case[2]
    local label = name .. (options.momentum and " with momentum" or "")
      .. (options.eps and " without eps" or "")
    it("are stepped at once with the bytes of steps one by one: " .. label, function()
      local alone, together = parameters(), parameters()
      local held = views(alone)
      local slow, quick = cj.optim[name](alone, options), cj.optim[name](together, options)
      assert.equal(7 * 4, count_updates(slow, function() train(alone, slow, 1, 4) end))
      assert.equal(2 * 4, count_updates(quick, function() train(together, quick, 1, 4) end))
      assert.same(values(alone), values(together))
      assert.same(values(alone), values(held))
      assert.same(state_values(slow), state_values(quick))
    end)
  end

  it("follow the operator, called by hand", function()
    local list = parameters()
    local optimizer = cj.optim.adam(list, { lr = 0.01 })
    local hand, moments = {}, {}
    for i, p in ipairs(list) do
      hand[i] = p:detach():clone()
      moments[i] = { cj.zeros(p.shape), cj.zeros(p.shape) }
    end
    for step = 1, 3 do
      train(list, optimizer, step, step)
      for i, p in ipairs(list) do
        cj.adam_step(hand[i], p.grad, moments[i][1], moments[i][2], 0.01, 0.9, 0.999, 1e-8, 0, step)
      end
    end
    assert.same(values(hand), values(list))
  end)

  it("may lack gradients in some steps", function()
    local alone, together = parameters(), parameters()
    local held = views(alone)
    local slow, quick = cj.optim.adam(alone), cj.optim.adam(together)
    train(alone, slow, 1, 7, 2)
    local calls = count_updates(quick, function() train(together, quick, 1, 7, 2) end)
    assert.equal(5 * 2 + 2 * 3, calls)
    assert.same(values(held), values(together))
    assert.same(state_values(slow), state_values(quick))
  end)

  it("may be frozen and thawed", function()
    local alone, together = parameters(), parameters()
    local held = views(alone)
    local slow, quick = cj.optim.adam(alone), cj.optim.adam(together)
    for _, pair in ipairs { { alone, slow }, { together, quick } } do
      train(pair[1], pair[2], 1, 2)
      pair[1][5].requires_grad = false
      train(pair[1], pair[2], 3, 4)
      pair[1][5].requires_grad = true
      train(pair[1], pair[2], 5, 6)
    end
    assert.same(values(held), values(together))
  end)

  it("may be of two types", function()
    local list = parameters()
    for _, p in ipairs(parameters("float64")) do list[#list + 1] = p end
    local alone = parameters()
    for _, p in ipairs(parameters("float64")) do alone[#alone + 1] = p end
    local held = views(alone)
    local slow, quick = cj.optim.rmsprop(alone), cj.optim.rmsprop(list)
    train(alone, slow, 1, 3)
    assert.equal(4 * 3, count_updates(quick, function() train(list, quick, 1, 3) end))
    assert.same(values(held), values(list))
  end)

  it("may be given twice", function()
    local function run(hold)
      local list = parameters()
      local held = hold and views(list)
      local doubled = { list[1], list[2], list[1], list[5] }
      train(list, cj.optim.sgd(doubled, { lr = 0.05, momentum = 0.5 }), 1, 3)
      return values(list), held
    end
    assert.same((run(true)), (run(false)))
  end)

  it("may be shared by two layers", function()
    cj.seed(2)
    local first, second = cj.nn.linear(4, 4), cj.nn.linear(4, 4)
    second.weight = first.weight
    local optimizer = cj.optim.sgd({ first.weight, first.bias, second.bias }, { lr = 0.001 })
    local x = cj.randn { 3, 4 }
    local before = second(first(x)):square():sum():item()
    second(first(x)):square():sum():backward()
    assert.equal(1, count_updates(optimizer, function() optimizer:step() end))
    assert.same(values { first.weight }, values { second.weight })
    assert.is_true(second(first(x)):square():sum():item() < before)
  end)

  it("may have two optimisers, one of which has taken them over", function()
    local function run(hold)
      local list = parameters()
      local held = hold and views(list)
      local one = cj.optim.adam(list)
      local two = cj.optim.sgd({ list[2], list[5], list[6] }, { lr = 0.1, momentum = 0.9 })
      for step = 1, 4 do
        train(list, one, step, step)
        train(list, two, step, step)
      end
      return { values(list), state_values(one), state_values(two) }, held
    end
    assert.same((run(true)), (run(false)))
  end)

  it("are moved again by the next optimiser", function()
    local list = parameters()
    train(list, cj.optim.adam(list), 1, 2)
    local optimizer = cj.optim.adam(list)
    assert.equal(2 * 2, count_updates(optimizer, function() train(list, optimizer, 1, 2) end))
  end)

  it("are moved though a forgotten graph still holds them", function()
    local list = parameters()
    loss(list, 1):item()
    local optimizer = cj.optim.adam(list)
    assert.equal(2, count_updates(optimizer, function() train(list, optimizer, 1, 1) end))
  end)

  it("stay where a view sees them", function()
    local list = parameters()
    local view = list[1]:detach():reshape { -1 }
    local optimizer = cj.optim.sgd(list, { lr = 1 })
    train(list, optimizer, 1, 1)
    assert.same(values { list[1] }, values { view })
    view:fill_(3)
    assert.equal(3, list[1]:detach()[1][1])
  end)

  it("keep gradients that somebody holds", function()
    local list = parameters()
    local optimizer = cj.optim.sgd(list, { lr = 0 })
    train(list, optimizer, 1, 1)
    local held, before = list[1].grad, values { list[1].grad }
    train(list, optimizer, 2, 2)
    assert.same(before, values { held })
    assert.is_not.same(before, values { list[1].grad })
  end)

  it("add up gradients of several walks", function()
    local alone, together = parameters(), parameters()
    local held = views(alone)
    local slow, quick = cj.optim.adam(alone), cj.optim.adam(together)
    for _, pair in ipairs { { alone, slow }, { together, quick } } do
      loss(pair[1], 1):backward()
      loss(pair[1], 2, 5):backward()
      pair[2]:step()
    end
    assert.same(values(held), values(together))
  end)

  it("take assigned gradients", function()
    local list = parameters()
    local optimizer = cj.optim.sgd(list, { lr = 1 })
    local before = list[2]:detach():clone()
    list[2].grad = cj.ones { 17 }
    optimizer:step()
    assert.same(values { before - 1 }, values { list[2] })
  end)

  it("make a graph that used them stale, those without a gradient apart", function()
    local list = parameters()
    local optimizer = cj.optim.sgd(list, { lr = 0.1 })
    local first, fifth = (list[1] * list[1]):sum(), (list[5] * list[5]):sum()
    list[1].grad = cj.ones { 3, 5 }
    loss(list, 1, 5):backward()
    optimizer:step()
    assert.error_matches(function() first:backward() end, "changed in place")
    assert.has_no.errors(function() fifth:backward() end)
  end)
end)

describe("the state of an optimiser", function()
  it("continues with the same bytes", function()
    local straight, stopped, resumed = parameters(), parameters(), parameters()
    local optimizer = cj.optim.adam(straight)
    train(straight, optimizer, 1, 6)
    local before = cj.optim.adam(stopped)
    train(stopped, before, 1, 3)
    local after = cj.optim.adam(resumed)
    after:load_state_dict(before:state_dict())
    cj.no_grad(function()
      for i, p in ipairs(stopped) do resumed[i]:copy_(p) end
    end)
    assert.equal(2 * 3, count_updates(after, function() train(resumed, after, 4, 6) end))
    assert.same(values(straight), values(resumed))
    assert.same(state_values(optimizer), state_values(after))
  end)

  it("stays readable when the optimiser is gone", function()
    local list = parameters()
    local optimizer = cj.optim.adam(list)
    train(list, optimizer, 1, 2)
    local state, expected = optimizer:state_dict(), state_values(optimizer)
    optimizer, list = nil, nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    for i, pair in ipairs(state.tensors) do assert.same(expected[i], values({ pair[2] })[1]) end
  end)
end)

describe("making an optimiser", function()
  it("leaves parameters and memory as they were when memory runs out", function()
    local list = parameters()
    local before = values(list)
    local needed = starve.every_allocation(function()
      cj.optim.adam { list[1], list[2], list[5] }
      for _, p in ipairs(list) do p.grad = nil end
    end)
    assert.is_true(needed > 4)
    assert.same(before, values(list))
  end)
end)
