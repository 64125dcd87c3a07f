--- Carlini and Wagner's attack: the nearest wrong input in the Euclidean norm, by Adam on a
-- variable w in which the box is no bound, x(w) = (tanh(w) + 1) / 2.
-- For each of `csteps` values of c it makes `steps` steps on `|x(w) - x|^2 + c max(0, f + kappa)`
-- from x; f is the lead of the label over its best rival, or of the best rival over the target. c
-- grows tenfold until one has succeeded and is bisected after that. The nearest success of all
-- steps is the result. Distances are in pixel units.
--
-- Options besides the common ones: `kappa` (0), by how much the goal must be reached, in logits;
-- `c0` (1e-3), the first c; `csteps` (9); from 10 on the last run takes the least c that has
-- succeeded; `steps` (10000); `lr` (0.01), Adam's rate; `abort` (true): a c is given up for a
-- sample whose loss has not fallen by a factor .9999 in a tenth of the steps. `eps` (none): only
-- successes within this distance count. `loss` ("margin") is what the records show. The setting of
-- Su et al. 2018 is `{ steps = 1000, lr = 0.001, c0 = 0.01 }`.
--
-- Pixels at a bound begin to move after some 500 steps of lr = 0.01: w begins at +-7.25 there. With
-- `abort` an image of such pixels alone needs steps = 2000 or more, or a larger lr.
--
-- FAIL and ALREADY give x itself, with `paper` too. A sample costs at most csteps * steps * (F + B)
-- and 3 F; steps at which the goal is reached with kappa to spare need no B.
-- @module conjugate.attacks.cw2
-- @usage local cw2 = cj.attacks.cw2 { steps = 1000 }
-- print(cw2(net, x, y):distortion "l2")
-- @source Carlini and Wagner, IEEE S&P 2017, sections V and VI
local check = require "conjugate.check"
local define = require "conjugate.attacks.define"

local function positive(name, key, v)
  check.number(name, key, v)
  if not (v > 0 and v < math.huge) then
    check.fail(name, "expected a finite number above 0 for %s, got %.14g", key, v)
  end
end

return define {
  name = "cw2",
  summary = "Carlini and Wagner's attack of least Euclidean distance",
  formula = "min |x(w) - x|^2 + c max(0, f(x(w)) + kappa)",
  conjugate = "Adam's step on the distance and the margin, in w = atanh(2 x - 1)",
  source = "Carlini and Wagner, S&P 2017",
  options = {
    eps = { "number", math.huge },
    kappa = 0,
    c0 = 1e-3,
    csteps = { "integer", 9 },
    steps = { "integer", 10000 },
    lr = 0.01,
    abort = true,
    loss = "margin",
  },
  prepare = function(o, name)
    check.number(name, "kappa", o.kappa, 0, 1e9)
    positive(name, "c0", o.c0)
    positive(name, "lr", o.lr)
    check.integer(name, "csteps", o.csteps, 1)
    if not o.clip_box or o.bounds[1] == o.bounds[2] then
      check.fail(name, "expected a box: clip_box = true, and bounds that differ")
    end
    return {
      method = "cw2", norm = "l2", eps = o.eps, steps = o.steps,
      numbers = {
        kappa = o.kappa, c0 = o.c0, csteps = o.csteps, lr = o.lr, abort = o.abort and 1 or 0,
      },
    }
  end,
}
