local assert = require "luassert"
local cj = require "conjugate"
local layers = require "support.layers"
local misuse = require "support.misuse"

local start = { 0.5, -1.25, 2, 0 }
local gradients = {
  { 0.1, -0.2, 0.3, 1 }, { -0.4, 0.5, 0, 0.25 }, { 1.5, -1, 0.125, -2 },
}

-- The parameter after three steps; step(p, g, a, b, c, t) with three state tensors.
local function after(step)
  local p = cj.tensor(start, "float64")
  local a, b, c = cj.zeros({ 4 }, "float64"), cj.zeros({ 4 }, "float64"),
    cj.zeros({ 4 }, "float64")
  p.requires_grad = true
  for t, g in ipairs(gradients) do step(p, cj.tensor(g, "float64"), a, b, c, t) end
  return p
end

-- Values of PyTorch 2.13 in float64, the same start and gradients.
describe("sgd_step", function()
  it("is PyTorch's SGD", function()
    layers.near({ 0.38, -1.18, 1.9575, 0.075 }, after(function(p, g)
      cj.sgd_step(p, g, nil, 0.1)
    end), 1e-15)
    layers.near({ 0.39609538949999995, -1.18381947875, 1.895103568, -0.11809509999999998 },
      after(function(p, g, buf)
        cj.sgd_step(p, g, buf, { lr = 0.1, momentum = 0.9, weight_decay = 0.01 })
      end), 1e-15)
    layers.near({ 0.28495096198049991, -1.1167014492462499, 1.8573185365120002,
      -0.030530635900000019 }, after(function(p, g, buf)
      cj.sgd_step(p, g, buf, 0.1, 0.9, 0.01, true)
    end), 1e-15)
  end)
end)

describe("adam_step", function()
  it("is PyTorch's Adam", function()
    layers.near({ 0.40580874682798407, -1.1541703946068687, 1.7605991485387098,
      -0.15565616587983444 }, after(function(p, g, m, v, _, t)
      cj.adam_step(p, g, m, v, { lr = 0.1, step = t })
    end), 1e-15)
    layers.near({ 0.39409498406427673, -1.1433647792273487, 1.7736416248096287,
      -0.097089729908612893 }, after(function(p, g, m, v, _, t)
      cj.adam_step(p, g, m, v, 0.1, 0.5, 0.99, 1e-3, 0.02, t)
    end), 1e-15)
  end)
end)

describe("adamw_step", function()
  it("is PyTorch's AdamW", function()
    layers.near({ 0.40310244209305379, -1.146996541536454, 1.7491567441698981,
      -0.155090446379375 }, after(function(p, g, m, v, _, t)
      cj.adamw_step(p, g, m, v, { lr = 0.1, weight_decay = 0.02, step = t })
    end), 1e-15)
  end)
end)

describe("rmsprop_step", function()
  it("is PyTorch's RMSprop", function()
    layers.near({ -0.4941663321672346, -0.29754022843623129, 0.61208219588029522,
      -0.35298869824973977 }, after(function(p, g, s)
      cj.rmsprop_step(p, g, s, nil, nil, 0.1)
    end), 1e-15)
    layers.near({ -0.009379989734012998, -0.72311954224965691, 1.0373058173713112,
      -0.62362389271063423 }, after(function(p, g, s, buf)
      cj.rmsprop_step(p, g, s, buf, nil,
        { lr = 0.1, alpha = 0.9, eps = 1e-3, weight_decay = 0.02, momentum = 0.8 })
    end), 1e-14)
    layers.near({ -0.05905099590013059, -0.69076686712917956, 1.0423124603384735,
      -0.68002045860408566 }, after(function(p, g, s, buf, mean)
      cj.rmsprop_step(p, g, s, buf, mean, { lr = 0.1, alpha = 0.9, momentum = 0.8 })
    end), 1e-14)
  end)
end)

describe("an optimiser's step", function()
  it("changes a leaf in place, off the tape", function()
    local p = cj.ones { 3 }
    p.requires_grad = true
    local y = cj.sgd_step(p, cj.ones { 3 }, nil, 0.5)
    layers.near({ 0.5, 0.5, 0.5 }, p)
    layers.near({ 0.5, 0.5, 0.5 }, y)
    assert.is_false(y.requires_grad)
    assert.is_true(p.requires_grad)
  end)

  it("gives the same bytes for any number of threads", function()
    local g = layers.random({ 100003 }, 1, "float32")
    layers.threads_agree(function()
      local p, m, v = cj.ones { 100003 }, cj.zeros { 100003 }, cj.zeros { 100003 }
      cj.adam_step(p, g, m, v, { lr = 0.1, step = 1 })
      return { p, m, v }
    end)
  end)

  it("says what does not fit", function()
    local p, g = cj.ones { 3 }, cj.ones { 3 }
    misuse.raises("expected sizes [3] for gradient, got [2]", cj.sgd_step, p, cj.ones { 2 }, nil, 1)
    misuse.raises("for gradient, got float64", cj.sgd_step, p, cj.ones({ 3 }, "float64"), nil, 1)
    misuse.raises("state tensor for momentum 0.9", cj.sgd_step, p, g, nil, 1, 0.9)
    misuse.raises("contiguous tensor for first state", cj.sgd_step, p, g,
      cj.zeros({ 3, 2 }):select(2, 1), 1, 0.9)
    misuse.raises("step", cj.adam_step, p, g, cj.zeros { 3 }, cj.zeros { 3 }, { lr = 1, step = 0 })
  end)

  it("survives failing allocations", function()
    local p, g, buf = cj.ones { 3 }, cj.ones { 3 }, cj.zeros { 3 }
    layers.starves(function() cj.sgd_step(p, g, buf, 0.1, 0.9) end)
  end)
end)
