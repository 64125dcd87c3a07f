local cj = require "conjugate"
local check_attack = require "support.check_attack"
local effective = require "conjugate.attacks.kinds.effective"
local misuse = require "support.misuse"

local of = cj.conjugate.of

local function row(t)
  return t:reshape({ -1 }):table()
end

local function near_rows(expected, t, tolerance)
  for i, v in ipairs(row(t)) do assert.near(expected[i], v, tolerance or 1e-12) end
end

-- grad l(x, y), by the tape.
local function slope(model, x, y)
  local leaf = x:detach():clone()
  leaf.requires_grad = true
  return cj.grad(cj.cross_entropy(model(leaf), cj.tensor(y, "int64"), "sum"), leaf)
end

-- One step of length eps from x along a conjugate, as the loop makes it.
local function step(conjugate, model, x, y, eps)
  local o = { eps = eps, alpha = eps, steps = 1, paper = true, quiet = true }
  return conjugate:attack(o)(model, x, y).x_adv
end

describe("the effective conjugate", function()
  local model, x, y = check_attack.golden("float64")

  it("of FGSM is the sign of the gradient, of FGM the gradient", function()
    local g = slope(model, x, y)
    assert.same(row(g:sign()), row(of "fgsm":field(model, x, y)))
    near_rows(row(g), of "fgm":field(model, x, y))
    assert.same(row(-g:sign()), row(of "ofgsm":field(model, x, y)))
  end)

  it("of the target class takes the gradient of that class", function()
    for target, t in pairs { [1] = 1, [2] = 2, least = 2, second = 1 } do
      assert.same(row(slope(model, x, { t }):sign()),
        row(of("target1", { target = target }):field(model, x, y)))
    end
    assert.same(row(slope(model, x, { 2 }):sign()), row(of "target1":field(model, x, y)))
  end)

  it("of iterated attacks is taken where they end", function()
    -- slopes that change sign on the way
    local function curved(input)
      return cj.cat({ (input - 0.53):abs():sum(2, true), input:sum(2, true) * 0 }, 2)
    end
    local at = cj.tensor({ { 0.5, 0.2, 0.9 } }, "float64")
    local o = { eps = 0.1, alpha = 0.05, steps = 1, paper = true, quiet = true }
    for _, name in ipairs { "pgd", "bim", "ill" } do
      local r = cj.attacks[name](o)(curved, at, { 0 })
      local label = name == "ill" and { 1 } or { 0 }
      local expected = slope(curved, r.x_adv, label):sign() * 0.05
      local field = of(name, { eps = 0.1, alpha = 0.05, steps = 1 }):field(curved, at, { 0 })
      near_rows(row(expected), field)
      assert.are_not.same(row(slope(curved, at, label):sign() * 0.05), row(field))
    end
  end)

  it("of JSMA is the saliency map of single elements, with the sign of the move", function()
    -- a = W_1 = (0, 1, 2, -1), b = W_0 + W_2 = (1, 1, 1, 3)
    near_rows({ 0, 0, 0, -3 }, of "jsma":field(model, x, y))
    -- a = W_2 = (-1, 2, 1, 2), b = W_0 + W_1 = (2, 0, 2, 0)
    near_rows({ -2, 0, 0, 0 }, of("jsma", { target = 2 }):field(model, x, y))
    local z = row(model(x))
    local p = math.exp(z[2]) / (math.exp(z[1]) + math.exp(z[2]) + math.exp(z[3]))
    local expected = {}
    for i, w in ipairs(row(-slope(model, x, { 1 }))) do -- grad log p_1
      expected[i] = (p * w) ^ 2 * (w > 0 and 1 or w < 0 and -1 or 0)
    end
    near_rows(expected, of("jsma", { jacobian = "softmax" }):field(model, x, y))
  end)

  it("of DeepFool is the normal of the nearest plane", function()
    near_rows({ -3, 3, 1, 1 }, of "deepfool":field(model, x, y)) -- .1229837 < .125
    near_rows({ -2, 2, 2, -2 }, of("deepfool", { classes = 2 }):field(model, x, y))
    -- a wrong sample keeps its label: the likelier class is the rival
    local wrong = cj.tensor({ { 0.2, 0.8, 0.6, 0.5 } }, "float64")
    local z = row(model(wrong))
    assert.is_true(z[3] > z[1])
    near_rows({ -2, 2, 2, -2 }, of("deepfool", { classes = 10 }):field(model, wrong, y))
  end)

  it("of SparseFool is taken on the boundary that DeepFool finds", function()
    local function curved(input) -- misclassified outside the ball of radius 1
      local square = (input * input):sum(2, true)
      return cj.cat({ square * 0 + 1, square }, 2)
    end
    local at = cj.tensor({ { 0.3, 0.4 } }, "float64")
    local there = cj.attacks.deepfool { quiet = true } (curved, at, { 0 })
    assert.same({ "SUCCESS" }, there.status)
    local field = effective.fields.sparsefool.field(at,
      { model = curved, y = cj.tensor({ 0 }, "int64") }, { classes = 10 })
    near_rows(row(there.x_adv * 2), field)
  end)

  it("walks as its attack does when it is followed, also toward a target", function()
    local net, images, labels = check_attack.network(8)
    net:eval()
    local o = { eps = 0.05, paper = true, quiet = true }
    for _, name in ipairs { "fgsm", "ofgsm", "target1" } do
      local expected = cj.attacks[name](o)(net, images, labels).x_adv
      assert.near(0, (step(of(name), net, images, labels, 0.05) - expected):abs():max():item(), 0)
    end
  end)

  it("goes on with the samples that go on", function()
    local net, images, labels = check_attack.network(24)
    local targets = {}
    for i, label in ipairs(labels:table()) do targets[i] = (label + 1 + i % 3) % 5 end
    local along = of("target1", { target = targets })
    local o = { eps = 0.1, alpha = 0.02, steps = 8, early = true, best = false, quiet = true }
    local together = along:attack(o)(net, images, labels)
    assert.is_true(together.counts.SUCCESS > 3 and together.counts.FAIL > 3)
    for i = 1, 24 do
      local alone = of("target1", { target = targets[i] }):attack(o)(net, images:narrow(1, i, 1),
        labels:narrow(1, i, 1))
      assert.equal(alone.status[1], together.status[i])
      assert.equal(alone.iters[1], together.iters[i])
    end
  end)

  it("gives the same bytes for any batch and number of threads", function()
    local net, images, labels = check_attack.network(9)
    for _, name in ipairs { "deepfool", "jsma", "ill", "sparsefool" } do
      local a = of(name):attack {
        eps = 0.5, norm = "l2", scale = "l2", early = true, quiet = true,
      }
      local expected, was = nil, cj.threads()
      for _, batch in ipairs { 1, 7, 64 } do
        cj.threads(batch == 7 and 2 or 1)
        local found = a(net, images, labels, { batch = batch }).x_adv:contiguous():bytes()
        expected = expected or found
        assert.is_true(found == expected, name)
      end
      cj.threads(was)
    end
  end)

  it("is given for every attack of Table 4 that uses gradients", function()
    local net, images, labels = check_attack.network(3)
    for name in pairs(effective.fields) do
      local c = assert(cj.conjugate.find("of " .. name), name)
      assert.equal("of " .. name, c.name)
      local field = c:field(net, images, labels)
      assert.same(images.shape, field.shape)
      assert.is_true(field:abs():max():item() > 0)
    end
  end)

  it("can be studied", function()
    local net, images, labels = check_attack.network(12)
    local set = {
      size = function() return 12 end,
      batch = function(_, from, count)
        return images:narrow(1, from, count), labels:narrow(1, from, count)
      end,
    }
    local o = { eps = 0.1, points = 1, quiet = true }
    for _, line in ipairs(cj.study("of fgsm", net, set, o).rows) do
      assert.equal(line.fgsm, line["one step"])
    end
    assert.matches("of deepfool", tostring(cj.study(of "deepfool", net, set, o)))
    misuse.raises('the conjugate "of onepixel" has no field', cj.study, "of onepixel", net, set, o)
  end)

  it("of an attack without gradients is none", function()
    local c = cj.conjugate.find "of onepixel"
    assert.is_string(c.formula)
    misuse.raises('the conjugate "of onepixel" has no field: none given', c.field, c, model, x, y)
    misuse.raises('follow: the conjugate "of onepixel" has no field', cj.attacks.follow,
      { eps = 0.1, conjugate = c })
  end)

  it("is zero where the model does not look at its input", function()
    local function blind(input)
      return cj.zeros({ input:size(1), 3 }, "float64") + cj.tensor({ 2, 1, 0 }, "float64")
    end
    for _, name in ipairs { "fgsm", "target1", "jsma", "deepfool" } do
      near_rows({ 0, 0, 0, 0 }, of(name):field(blind, x, y), 0)
    end
  end)

  it("says what is wrong", function()
    misuse.raises('conjugate.of: expected the name of an attack, got "nothing"', of, "nothing")
    misuse.raises("conjugate.of: expected", of, 3)
    misuse.raises("conjugate.of", of, "fgsm", { target = 1 })
    misuse.raises("conjugate.of: expected", of, "target1", { target = "random" })
    misuse.raises("conjugate.of: expected", of, "deepfool", { classes = 1 })
    misuse.raises("conjugate.of: expected", of, "jsma", { jacobian = "both" })
    misuse.raises("pgd: expected", function()
      of("pgd", { alpha = -1 }):field(model, x, y)
    end)
    assert.is_nil(cj.conjugate.find "of follow")
    assert.is_nil(cj.conjugate.find "of nothing")
  end)
end)
