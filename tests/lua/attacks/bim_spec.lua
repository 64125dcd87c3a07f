local cj = require "conjugate"
local check_attack = require "support.check_attack"

local bim = cj.attacks.bim

describe("bim", function()
  check_attack.laws(it, {
    make = bim, options = { eps = 8 / 255 }, ball = "linf", steps = true, losses = true,
    monotone = { { eps = 2 / 255 }, { eps = 8 / 255 }, { eps = 32 / 255 }, { eps = 100 / 255 } },
  })

  it("takes Kurakin's steps: floor(min(255 eps + 4, 1.25 * 255 eps)) of 1/255", function()
    assert.equal(10, bim { eps = 8 / 255 }.options.steps)
    assert.near(1 / 255, bim { eps = 8 / 255 }.options.alpha, 1e-16)
    assert.equal(20, bim { eps = 16 / 255 }.options.steps)
    assert.equal(36, bim { eps = 32 / 255 }.options.steps)
    assert.equal(5, bim { eps = 4 / 255 }.options.steps)
    assert.equal(1, bim { eps = 0.1 / 255, quiet = true }.options.steps)
    assert.equal(3, bim { eps = 8 / 255, steps = 3, quiet = true }.options.steps)
  end)

  it("ends on the edge of the ball of the golden model", function()
    local model, x, y = check_attack.golden("float64")
    local r = bim { eps = 8 / 255 } (model, x, y)
    assert.near(8 / 255, r.linf[1], 1e-15)
    assert.same({ 11, 10 }, { r.forwards[1], r.backwards[1] })
  end)

  it("has no random start", function()
    assert.error_matches(function() bim { eps = 0.1, random = true } end, "no option \"random\"")
  end)
end)
