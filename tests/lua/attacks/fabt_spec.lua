local cj = require "conjugate"
local check_attack = require "support.check_attack"

local fabt = cj.attacks.fabt
local norms = { "linf", "l2", "l1" }

for _, norm in ipairs(norms) do
  describe("fabt under " .. norm, function()
    check_attack.laws(it, {
      make = fabt, ball = norm, steps = true, minimum = true, scale_free = true,
      options = { norm = norm, steps = 5 },
      monotone = {
        { { eps = 0 }, { eps = 0.02 }, { eps = 0.1 }, { eps = 0.5 }, { eps = 50 } },
        { { eps = 0.05, restarts = 1 }, { eps = 0.05, restarts = 2 } },
        { { eps = 0.1, targets = 1 }, { eps = 0.1, targets = 2 }, { eps = 0.1, targets = 4 } },
      },
    })
  end)
end

describe("fabt", function()
  local model, x, y = check_attack.golden("float64")

  it("gives the golden values of fab, from the run toward the nearest class", function()
    for norm, value in pairs { l2 = 0.123625, linf = 0.062826, l1 = 0.184289 } do
      assert.near(value, fabt { norm = norm } (model, x, y)[norm][1], 1e-6)
    end
  end)

  it("comes within 1.0062 d of the nearest of five planes, 1.0002 d with the search", function()
    for _, norm in ipairs(norms) do
      for key = 1, 4 do
        local m, x0, label, least = check_attack.affine(key, 6, 12)
        for _, final in ipairs { false, true } do
          local r = fabt { norm = norm, final = final } (m, x0, label)
          local ratio = r[norm][1] / least[norm]
          assert.is_true(ratio >= 1 - 1e-5 and ratio <= (final and 1.0002 or 1.0062))
        end
      end
    end
  end)

  it("makes a run for each of the rivals of the highest clean logits", function()
    -- class 1 is the likeliest rival, class 2 the nearer
    local r = fabt { norm = "l2", targets = 1 } (model, x, y)
    assert.near(1.0052133 * 0.125, r.l2[1], 1e-6)
    assert.equal(1, r.pred_adv[1])
    for targets, runs in pairs { [1] = 1, [2] = 2, [9] = 2 } do
      r = fabt { norm = "l2", targets = targets, steps = 6, restarts = 2 } (model, x, y)
      assert.equal(6 * runs * 2, r.iters[1])
      assert.equal(r.iters[1], r.backwards[1])
      assert.is_true(r.forwards[1] <= 2 * r.iters[1] + 2)
    end
  end)

  it("counts any misclassification, whichever rival it goes to", function()
    -- the way to class 1 leads through class 2
    local w = cj.tensor({ { 0, 0 }, { 1, 0 }, { 2, 0 } }, "float64")
    local b = cj.tensor({ 1, 0.4, -0.1 }, "float64")
    local function three(input)
      return cj.linear(input, w, b)
    end
    local start = cj.tensor({ { 0.1, 0.5 } }, "float64")
    local r = fabt { norm = "l2", targets = 1 } (three, start, { 0 })
    assert.same({ "SUCCESS", 2 }, { r.status[1], r.pred_adv[1] })
    assert.is_true(r.l2[1] >= 0.45 and r.l2[1] < 0.5)
  end)

  it("refuses wrong options", function()
    assert.matches("fabt: expected .* for targets", select(2, pcall(fabt, { targets = 0 })))
    local message = select(2, pcall(fabt, { target = "least" }))
    assert.matches("fabt: expected no target", message, 1, true)
  end)
end)
