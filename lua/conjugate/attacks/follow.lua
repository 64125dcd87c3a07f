--- Follows a conjugate as an attack: `x <- P(x + alpha * d(g))`, with d its direction.
-- Options besides the common ones: `conjugate` (made by `cj.conjugate`, or the name of one), and
-- those of `pgd`: `alpha` (eps/4), `steps` (4), `norm` of the ball, `restarts`, `random`, `best`,
-- `early`. `scale` brings the max norm ("linf") or the Euclidean norm ("l2") of each sample's
-- direction to 1 before the step; "none" takes it as it is. The default is what the conjugate says.
-- @module conjugate.attacks.follow
-- @usage local a = cj.attacks.follow { conjugate = "sign", eps = 0.1 }
-- @source this package; for the conjugates of the paper see `cj.conjugate.list()`
local check = require "conjugate.check"
local define = require "conjugate.attacks.define"
local iterated = require "conjugate.attacks.kinds.iterated"

local options = iterated.options { conjugate = { "string|table" }, scale = { "string" } }

return define {
  name = "follow",
  summary = "a conjugate of your own, followed as an attack",
  formula = "x <- P(x + alpha d(grad))",
  conjugate = "yours",
  source = "this package",
  options = options,
  prepare = function(o, name)
    local conjugate = require("conjugate.attacks").conjugate
    local c = conjugate.find(o.conjugate)
    if not c then
      check.fail(name, "expected a conjugate or the name of one for conjugate, got %s",
        check.describe(o.conjugate))
    end
    local s = iterated.settings(o, name, o.eps / 4)
    o.scale = check.one_of(name, "scale", o.scale or c.scale, { "none", "linf", "l2" })
    s.direction, s.scale, s.free = c:follow(name), o.scale, true
    return s
  end,
}
