local assert = require "luassert"
local cj = require "conjugate"
local guards = require "conjugate.metrics.guards"

describe("guards", function()
  it("stop a network in train mode", function()
    assert.error_matches(function() guards.mode("evaluate", { training = true }) end,
      "evaluate: the network is in train mode")
    guards.mode("evaluate", { training = false })
    guards.mode("evaluate", print)
  end)

  it("stop pixels outside [0, 1] and say what to do", function()
    assert.error_matches(function() guards.pixels("f", cj.full({ 2, 2 }, 255)) end,
      "these lie in %[255, 255%]")
    assert.error_matches(function() guards.pixels("f", cj.full({ 2, 2 }, -0.1)) end, "divide bytes")
    assert.error_matches(function() guards.pixels("f", cj.full({ 2, 2 }, 0 / 0)) end, "pixels")
    guards.pixels("f", cj.tensor { 0, 0.5, 1 })
  end)

  it("stop logits of the wrong form", function()
    local z = cj.tensor { { 1, -2, 3 }, { 0, 5, -1 } }
    guards.logits("f", z, 2, 3)
    assert.error_matches(function() guards.logits("f", z, 3) end, "must give logits %[3, K%]")
    assert.error_matches(function() guards.logits("f", z, 2, 10) end, "3 logits, but the data "
      .. "have 10")
    assert.error_matches(function() guards.logits("f", cj.ones { 2 }, 2) end, "must give logits")
  end)

  it("stop logits that are not finite", function()
    for _, bad in ipairs { 0 / 0, math.huge, -math.huge } do
      local z = cj.tensor { { 1, -2 }, { 0, bad } }
      assert.error_matches(function() guards.logits("f", z, 2) end, "not finite")
    end
  end)

  it("stop probabilities", function()
    local p = cj.tensor({ { 1, -2, 3 }, { 0, 5, -1 } }):softmax(2)
    assert.error_matches(function() guards.logits("f", p, 2) end, "leave the last softmax out")
    guards.logits("f", p + 1, 2)
  end)

  it("stop a model that changes its mind", function()
    local z = cj.ones { 2, 2 }
    guards.repeatable("f", z, z:clone())
    assert.error_matches(function() guards.repeatable("f", z, z + 0.25) end, "differ by 0.25")
  end)

  it("stop gradients that are zero everywhere", function()
    guards.gradients("f", "pgd", 9, 10)
    assert.error_matches(function() guards.gradients("f", "pgd", 10, 10) end,
      "pgd saw an all%-zero input gradient for all 10 samples")
  end)
end)
