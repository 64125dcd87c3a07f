-- Wrong calls of every attack: what they say, and that nothing is left behind.
local cj = require "conjugate"
local check_attack = require "support.check_attack"
local cheap = require "support.cheap"
local misuse = require "support.misuse"

local net, x, y = check_attack.network(2)
local labels = y:table()

local function model(input)
  return net(input)
end

local function ones_with(value)
  local wrong = x:clone()
  wrong:set(2, 1, 3, 4, value)
  return wrong
end

-- { what must be said, model, x, y, options of the call }
local wrong_calls = {
  { "expected something callable for model, got 3", 3, x, y },
  { "expected something callable for model, got nil", nil, x, y },
  { "expected a float tensor for x, got", model, labels, y },
  { "expected a float tensor for x, got", model, x:to "int64", y },
  { "expected x of sizes [N, ...], got", model, cj.zeros { 4 }, y },
  { "expected x in 0..1, got 1.01 in sample 2", model, ones_with(1.01), y },
  { "expected x in 0..1, got -0.5 in sample 2", model, ones_with(-0.5), y },
  { "expected x in 0..1, got nan in sample 2", model, ones_with(0 / 0), y },
  { "expected x in 0..1, got inf in sample 2", model, ones_with(math.huge), y },
  { "expected 2 labels, one a sample, for y, got 3", model, x, { 0, 1, 2 } },
  { "expected an int64 tensor of 1 dimension for y, got", model, x, cj.zeros { 2 } },
  { "expected an int64 tensor of 1 dimension for y, got", model, x, cj.zeros({ 2, 1 }, "int64") },
  { "for y, got", model, x, "0, 1" },
  { "for y, got 1.5", model, x, 1.5 },
  { "for y, got 0.5", model, x, { 1, 0.5 } },
  { "for y, got nan", model, x, { 1, 0 / 0 } },
  { "expected labels in 0..4, got 5 for sample 2", model, x, { 0, 5 } },
  { "expected labels in 0..4, got -1 for sample 1", model, x, { -1, 0 } },
  { "expected a tensor for the model's result, got 3", function() return 3 end, x, y },
  { "expected logits [2, K] with K >= 2", function(t) return model(t):sum(2) end, x, y },
  { "expected logits [2, K] with K >= 2", function() return cj.zeros { 3, 5 } end, x, y },
  { "expected finite logits", function(t) return model(t) / 0 end, x, y },
  { "expected finite logits", function(t) return model(t) * (0 / 0) end, x, y },
  { "expected float logits", function() return cj.zeros({ 2, 5 }, "int64") end, x, y },
  { 'there is no option "eps"', model, x, y, { eps = 0.2 } },
  { "expected a table for options, got 0.2", model, x, y, 0.2 },
  { "for batch, got 0", model, x, y, { batch = 0 } },
  { "for seed, got -1", model, x, y, { seed = -1 } },
  { "for index, got", model, x, y, { index = cj.zeros { 2 } } },
  { "for index, got -1", model, x, y, { index = -1 } },
  { "for index, got", model, x, y, { index = cj.zeros({ 3 }, "int64") } },
  { "for quiet, got 1", model, x, y, { quiet = 1 } },
}

local wrong_radii = {
  { "expected 2 radii, one a sample, got 1", { 0.1 } },
  { "for radii, got -1", { 0.1, -1 } },
  { "for radii, got nan", { 0.1, 0 / 0 } },
  { "for radii, got", x },
}

local wrong_targets = {
  { "expected targets other than the labels, got", labels },
  { "expected targets in 0..4, got 5 for sample 2", { (labels[1] + 1) % 5, 5 } },
  { "expected targets in 0..4, got -1 for sample 1", { -1, (labels[2] + 1) % 5 } },
  { "expected 2 labels, one a sample, for targets, got 1", { 0 } },
  { "for targets, got", cj.zeros { 2 } },
  { "for targets, got 0.5", { 1, 0.5 } },
  { 'for target, got "nearest"', "nearest" },
}

local function check_call(name, text, ...)
  local message = misuse.raises(text, cj.attacks[name](cheap(name)), ...)
  assert.matches("^%S*:%d+: " .. name .. ": ", message)
end

-- What an attack that takes no radii says of them.
local function without_radii(name)
  local s = cj.attacks[name](cheap(name)).settings
  if s.method == "search" or s.method == "ensemble" then return 'there is no option "radii"' end
  return s.method == "ascent" and s.eps == math.huge and "expected no radii, got" or nil
end

describe("wrong calls of", function()
  for _, name in ipairs(cj.attacks.names()) do
    it(name .. " say what is wrong", function()
      for _, case in ipairs(wrong_calls) do
        check_call(name, case[1], case[2], case[3], case[4], case[5])
      end
    end)

    it(name .. " with a target say what is wrong", function()
      local none = cj.attacks[name](cheap(name)).settings.untargeted
      for _, case in ipairs(wrong_targets) do
        check_call(name, none and "expected no target, got" or case[1], model, x, y,
          { target = case[2] })
      end
    end)

    it(name .. " with radii say what is wrong", function()
      for _, case in ipairs(wrong_radii) do
        check_call(name, without_radii(name) or case[1], model, x, y, { radii = case[2] })
      end
    end)

    it(name .. " leave the mode of the network as it was", function()
      local own, images = check_attack.network(2)
      own[4]:eval() -- one frozen layer stays frozen
      for _, given in ipairs { { 0, 99 }, labels } do
        pcall(cj.attacks[name](cheap(name)), own, images, given)
        assert.is_true(own.training)
        assert.is_true(own[1].training)
        assert.is_false(own[4].training)
      end
    end)

    it(name .. ", as probabilities for logits, are named in the result", function()
      local function soft(t)
        return model(t):softmax(2)
      end
      local attack = cj.attacks[name](cheap(name))
      local text = "the model gives probabilities where logits are expected"
      local function is_warned(m)
        for _, warning in ipairs(attack(m, x, y).warnings) do
          if warning == text then return true end
        end
        return false
      end
      assert.is_true(is_warned(soft))
      assert.is_false(is_warned(model))
    end)

    it(name .. " of no samples are none", function()
      local r = cj.attacks[name](cheap(name))(model, cj.zeros { 0, 1, 6, 6 }, {})
      assert.equal(0, r.n)
      assert.same({ 0, 1, 6, 6 }, r.x_adv.shape)
      assert.same({}, r:rows())
    end)
  end
end)
