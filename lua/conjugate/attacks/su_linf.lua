--- Worst-case max-norm distortion of Su et al.: the least eps at which I-FGSM with `steps` steps of
-- eps / `steps` succeeds, found by `tries` halvings, doublings and bisections from `eps0`
-- (`conjugate.attacks.kinds.search`). `r.linf` of the successes is the distortion;
-- `r:distortion "linf"` its mean.
--
-- Options besides the common ones: `steps` (50), `eps0` (0.02), `tries` (9), `eps` (no radius above
-- it is tried), `early` (true: a run stops at its first success). `target` is "random" unless
-- given; `target = false` is untargeted. FAIL returns x.
-- @module conjugate.attacks.su_linf
-- @usage print(cj.attacks.su_linf {} (net, x, y):distortion "linf")
-- @source Su et al., ECCV 2018, section 3; Adversarial_Survey@353ef69
local bim = require "conjugate.attacks.bim"
local check = require "conjugate.check"
local define = require "conjugate.attacks.define"
local search = require "conjugate.attacks.kinds.search"

local rules = search.options()
rules.eps0 = { "number", 0.02 }
rules.steps = { "integer", 50 }
rules.early = true
rules.target = { "integer|string|tensor|table|boolean", "random" }

return define {
  name = "su_linf",
  summary = "least eps at which I-FGSM succeeds",
  formula = "min eps: x <- P(x + eps/N sign(grad CE(x, y))) succeeds",
  conjugate = "eps/N sign(grad l(X_N, y))",
  source = "Su et al., ECCV 2018",
  options = rules,
  prepare = function(o, name)
    check.integer(name, "steps", o.steps, 0)
    local settings = search.settings(o, name, nil, "linf")
    settings.inner = bim {
      eps = o.eps0, alpha = o.eps0 / math.max(o.steps, 1), steps = o.steps, loss = o.loss,
      early = o.early, bounds = o.bounds, clip_box = o.clip_box, quiet = true,
    }
    search.renamed(settings.inner, name)
    return settings
  end,
  call = search.call,
}
