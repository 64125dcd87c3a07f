local cj = require "conjugate"
local check_attack = require "support.check_attack"

local apgd = cj.attacks.apgd

describe("apgd", function()
  check_attack.laws(it, {
    make = apgd, options = { eps = 0.06, steps = 12 }, ball = "linf", steps = true, losses = true,
    monotone = { { restarts = 1 }, { restarts = 2 }, { restarts = 4 } },
  })
end)

describe("apgd on DLR in the Euclidean ball", function()
  check_attack.laws(it, {
    make = apgd, ball = "l2", steps = true, losses = true,
    options = { eps = 0.3, norm = "l2", steps = 12, loss = "dlr" },
    monotone = { { eps = 0.05 }, { eps = 0.2 }, { eps = 0.8 }, { eps = 2 } },
  })
end)

describe("apgd in the l1 ball", function()
  check_attack.laws(it, {
    make = apgd, ball = "l1", steps = true, losses = true,
    options = { eps = 1, norm = "l1", steps = 15 },
    monotone = { { eps = 0.2 }, { eps = 0.8 }, { eps = 3 }, { eps = 10 } },
  })
end)
