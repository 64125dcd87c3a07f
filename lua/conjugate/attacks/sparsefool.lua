--- SparseFool: few pixels, by walks along single elements over DeepFool's boundary.
-- Each turn lets DeepFool (Euclidean) find the boundary behind x_i, takes it for the plane at
-- `x_i + lambda r`, and moves one element of x_i after the other, in the order of falling slope, as
-- far as is needed or the box allows, until the plane is crossed. It ends at the first
-- misclassified `clip(x + (1 + overshoot)(x_i - x))`. A larger lambda changes more pixels in fewer
-- turns. The box holds the walks and the result, not DeepFool's own points: the model must have an
-- answer there too.
--
-- Options besides the common ones: `lambda` (3), `outer` (20: most turns), `eps` (infinite): a
-- success may change at most so many pixels; of DeepFool: `steps` (50), `overshoot` (0.02),
-- `classes` (10), `stab` (1e-4). There is no target. FAIL returns x itself. A turn costs up to
-- steps * (2 forward passes + classes - 1 backward passes) + 2F + B. `iters` counts turns. The
-- result's `pixels` lists how many pixels of each sample were changed: places [H, W] where some
-- channel moved by more than 1e-6 (0 for FAIL); `l0` counts elements.
-- @module conjugate.attacks.sparsefool
-- @usage local r = cj.attacks.sparsefool { lambda = 1 } (net, x, y)
-- print(r.pixels[1])
-- @source Modas, Moosavi-Dezfooli & Frossard, CVPR 2019, algorithms 1 and 2
local check = require "conjugate.check"
local define = require "conjugate.attacks.define"
local run = require "conjugate.attacks.kinds.run"

return define {
  name = "sparsefool",
  summary = "SparseFool, few pixels over DeepFool's boundary",
  formula = "x_d <- clamp(x_d + |f| / |w_d| sign(w_d)), |w_d| falling",
  conjugate = "single elements of grad (z_k - z_y) by falling size",
  source = "Modas et al., CVPR 2019",
  options = {
    eps = { "number", math.huge },
    lambda = { "number", 3 },
    outer = { "integer", 20 },
    steps = { "integer", 50 },
    overshoot = { "number", 0.02 },
    classes = { "integer", 10 },
    stab = { "number", 1e-4 },
  },
  prepare = function(o, name)
    check.number(name, "lambda", o.lambda, 0, 1e6)
    check.integer(name, "outer", o.outer, 0)
    check.number(name, "overshoot", o.overshoot, 0, 1e6)
    check.integer(name, "classes", o.classes, 2)
    check.number(name, "stab", o.stab, 0, 1e6)
    return {
      method = "sparsefool", norm = "l1", eps = o.eps, steps = o.steps, extras = 1,
      untargeted = "any class but the label will do",
      numbers = {
        lambda = o.lambda, outer = o.outer, overshoot = o.overshoot, classes = o.classes,
        stab = o.stab,
      },
    }
  end,
  call = function(attack, model, x, y, opts)
    local r = run(attack, model, x, y, opts)
    r.pixels = r.extra:reshape({ -1 }):table()
    return r
  end,
}
