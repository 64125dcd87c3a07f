local assert = require "luassert"
local cj = require "conjugate"
local guards = require "conjugate.metrics.guards"
local misuse = require "support.misuse"
local toy = require "support.toy"

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

-- What cannot mean what it says is refused wherever models are judged, each with its own name.
describe("an evaluation, a study and a battery", function()
  local weight = cj.tensor { { 1, 1, -1, -1 }, { -1, -1, 1, 1 } }
  local set = toy.set(12, 3)
  local x, y = set:batch(1, 12)

  local function model(input) return cj.linear(input:reshape { input:size(1), 4 }, weight) end
  local function with(change)
    return function(input) return change(model(input)) end
  end
  local function data(images, labels, classes)
    return cj.data.set { images = images, labels = labels, classes = classes or 2, name = "bad" }
  end

  local judges = {
    evaluate = function(net, d)
      return cj.evaluate(net, d, { cj.attacks.fgsm { eps = 0.1 } }, { quiet = true })
    end,
    study = function(net, d)
      return cj.study("sign", net, d, { eps = 0.1, points = 1, quiet = true })
    end,
    battery = function(net, d)
      return cj.battery(net, d, { eps = 0.1, steps = 4, queries = 10, draws = 1, quiet = true })
    end,
  }

  local cases = {
    { "pixels must lie in [0, 1]", model, data(x * 255, y) },
    { "pixels must lie in [0, 1]", model, data(x - 0.5, y) },
    { "pixels must lie in [0, 1]", model, data(x * 0 / 0, y) },
    { "leave the last softmax out", with(function(z) return z:softmax(2) end), set },
    { "logits that are not finite", with(function(z) return z * 0 / 0 end), set },
    { "logits that are not finite", with(function(z) return z / 0 end), set },
    { "gives 2 logits, but the data have 3 classes", model, data(x, y, 3) },
    { "must give logits [12, K]", with(function(z) return z:sum(2) end), set },
    { "train mode", setmetatable({ training = true }, {
      __call = function(_, input) return model(input) end,
    }), set },
  }

  for name, judge in pairs(judges) do
    it(("refuses the same: %s"):format(name), function()
      assert.is_table(judge(model, set)) -- nothing is wrong with the rest
      for _, case in ipairs(cases) do
        local message = misuse.raises(case[1], judge, case[2], case[3])
        assert.is_truthy(message:find(name .. ": ", 1, true), message)
      end
      misuse.raises("expected labels in 0..1, got", judge, model, data(x, y + 7))
    end)
  end

  it("treat a model without gradients as each must", function()
    local function cut(input) return model(input):detach() end
    misuse.raises("all-zero input gradient", judges.evaluate, cut, set)
    assert.is_truthy(judges.study(cut, set).warnings[1]:find("100.00 %", 1, true))
    assert.equal("masked", judges.battery(cut, set).verdict)
    local r = cj.attacks.fgsm { eps = 0.1, quiet = true } (cut, x, y)
    assert.is_truthy(r.warnings[1]:find("every gradient was zero", 1, true))
    assert.same({}, cj.attacks.fgsm { eps = 0.1, quiet = true } (model, x, y).warnings)
  end)

  it("warn where many gradients are zero, and not where few are", function()
    local function saturated(input) return model(input) * 200 end
    local r = cj.evaluate(saturated, set, { cj.attacks.fgsm { eps = 0.1 } }, { quiet = true })
    assert.is_true(r.attacks[1].zero_gradients > 1 and r.attacks[1].zero_gradients < 100)
    assert.is_truthy(r.warnings[1]:find("zero everywhere", 1, true))
    assert.same({}, judges.evaluate(model, set).warnings)
    assert.same({}, judges.study(model, set).warnings)
  end)
end)
