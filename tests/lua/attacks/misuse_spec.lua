-- Wrong calls and what they say.
local cj = require "conjugate"
local check_attack = require "support.check_attack"
local misuse = require "support.misuse"

local model, x, y = check_attack.golden()

describe("a model", function()
  it("that changes its input in place is refused", function()
    local before = x:clone()
    misuse.raises("fgsm: the model changed its input in place; let it work on x:clone()",
      cj.attacks.fgsm { eps = 0.1, quiet = true }, function(given)
        local z = model(given)
        given:detach():mul_(1)
        return z
      end, x, y)
    assert.is_true(x:allclose(before))
  end)
end)

-- { what must be said, attack, its options }
local wrong_options = {
  { "pgd: expected a number for eps, got nil", "pgd", {} },
  { "fgsm: expected a number of at least 0 for eps, got -0.1", "fgsm", { eps = -0.1 } },
  { "fgsm: expected a finite number for eps, got inf", "fgsm", { eps = math.huge } },
  { "pgd: expected a finite number above 0 for alpha, got 0", "pgd", { eps = 0.1, alpha = 0 } },
  { "above 0 for alpha, got -1", "pgd", { eps = 0.1, alpha = -1 } },
  { 'pgd: there is no option "stesp" (did you mean "steps"?)', "pgd", { eps = 0.1, stesp = 3 } },
  { "steps", "pgd", { eps = 0.1, steps = 1.5 } },
  { "steps", "pgd", { eps = 0.1, steps = -1 } },
  { "expected random = true with 3 restarts", "pgd", { eps = 0.1, restarts = 3 } },
  { 'expected "linf", "l2" or "l1" for norm', "pgd", { eps = 0.1, norm = "l7" } },
  { 'for loss, got "mse"', "pgd", { eps = 0.1, loss = "mse" } },
  { "for target, got \"nearest\"", "pgd", { eps = 0.1, target = "nearest" } },
  { "bounds", "pgd", { eps = 0.1, bounds = { 1, 0 } } },
  { "batch", "pgd", { eps = 0.1, batch = 0 } },
  { "expected alpha or rel_step, got both", "pgd", { eps = 0.1, alpha = 0.1, rel_step = 1 } },
  { "pgd: expected a table for options, got 0.1", "pgd", 0.1 },
}

-- { what must be said, model, x, y, options of the call }
local wrong_calls = {
  { "expected something callable for model", 3, x, y },
  { "expected a float tensor for x", model, "x", y },
  { "expected a float tensor for x", model, cj.zeros({ 1, 4 }, "int64"), y },
  { "expected x of sizes [N, ...]", model, cj.zeros { 4 }, y },
  { "expected 1 labels, one a sample, for y, got 2", model, x, { 0, 1 } },
  { "for y", model, x, cj.zeros { 1 } },
  { "expected labels in 0..2, got 3 for sample 1", model, x, { 3 } },
  { "expected labels in 0..2, got -1 for sample 1", model, x, { -1 } },
  { "expected x in 0..1, got 1.01 in sample 1", model, x * 2.02, y },
  { "expected x in 0..1, got -0.5 in sample 1", model, -x, y },
  { "expected targets other than the labels, got 0 for sample 1", model, x, y, { target = 0 } },
  { "expected targets in 0..2, got 5 for sample 1", model, x, y, { target = 5 } },
  { "expected a tensor for the model's result, got 3", function() return 3 end, x, y },
  { "expected logits [1, K] with K >= 2", function(t) return model(t):sum(2) end, x, y },
  { "expected logits [1, K] with K >= 2", function(t) return model(cj.cat({ t, t }, 1)) end, x, y },
  { "expected finite logits", function(t) return model(t) / 0 end, x, y },
  { "expected float logits", function() return cj.zeros({ 1, 3 }, "int64") end, x, y },
  { "there is no option \"eps\"", model, x, y, { eps = 0.2 } },
  { "index", model, x, y, { index = cj.tensor({ 1, 2 }, "int64") } },
}

describe("wrong options of attacks", function()
  for _, case in ipairs(wrong_options) do
    it("say: " .. case[1], function()
      misuse.raises(case[1], cj.attacks[case[2]], case[3])
    end)
  end
end)

describe("wrong calls of attacks", function()
  for i, case in ipairs(wrong_calls) do
    it(i .. " say: " .. case[1], function()
      misuse.raises(case[1], cj.attacks.pgd { eps = 0.1 }, case[2], case[3], case[4], case[5])
    end)
  end

  it("leave the mode of the network as it was", function()
    local net, images = check_attack.network(3)
    assert.is_false(pcall(cj.attacks.pgd { eps = 0.1 }, net, images, { 0, 1, 99 }))
    assert.is_true(net.training)
    net[4]:eval() -- one frozen layer stays frozen
    cj.attacks.pgd { eps = 0.1 } (net, images, { 0, 1, 2 })
    assert.is_true(net.training)
    assert.is_false(net[4].training)
  end)
end)

describe("warnings of attacks", function()
  local function warned(attack, m, text)
    local r = attack(m or model, x, y, { quiet = true })
    for _, warning in ipairs(r.warnings) do
      if warning:find(text, 1, true) then return true end
    end
    return false
  end

  it("name an alpha of more than twice eps", function()
    assert.is_true(warned(cj.attacks.pgd { eps = 0.1, alpha = 0.3 }, nil, "more than twice"))
    assert.is_false(warned(cj.attacks.pgd { eps = 0.1, alpha = 0.2 }, nil, "more than twice"))
  end)

  it("name a ball whose edge is out of reach", function()
    local o = { eps = 0.1, alpha = 0.01, steps = 4 }
    assert.is_true(warned(cj.attacks.pgd(o), nil, "out of reach"))
    o.random = true
    assert.is_false(warned(cj.attacks.pgd(o), nil, "out of reach"))
    assert.is_false(warned(cj.attacks.pgd { eps = 0.1 }, nil, "out of reach"))
  end)

  it("name probabilities in place of logits", function()
    local function soft(t)
      return model(t):softmax(2)
    end
    assert.is_true(warned(cj.attacks.fgsm { eps = 0.1 }, soft, "probabilities"))
    assert.is_false(warned(cj.attacks.fgsm { eps = 0.1 }, model, "probabilities"))
  end)

  it("say that DLR falls back to the margin for two classes", function()
    local two = check_attack.two_classes({ 1, 1, 1, 1 }, 0)
    local r = cj.attacks.pgd { eps = 0.1, loss = "dlr" } (two, x, y, { quiet = true })
    assert.equal("margin", r.loss)
    assert.is_true(warned(cj.attacks.pgd { eps = 0.1, loss = "dlr" }, two, "DLR needs 3 classes"))
  end)
end)

describe("an attack of no samples", function()
  it("gives an empty result", function()
    local r = cj.attacks.pgd { eps = 0.1 } (model, cj.zeros { 0, 4 }, {})
    assert.equal(0, r.n)
    assert.same({ 0, 4 }, r.x_adv.shape)
    assert.same({}, r:rows())
  end)
end)
