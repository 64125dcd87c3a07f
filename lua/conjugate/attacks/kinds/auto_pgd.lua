--- Auto-PGD: options, settings and records that `apgd` and `apgdt` share.
-- @module conjugate.attacks.kinds.auto_pgd
local check = require "conjugate.check"
local options = require "conjugate.attacks.kinds.options"
local run = require "conjugate.attacks.kinds.run"

local M = {}

--- Rules of the options besides the common ones.
-- `norm`; `steps` of a run; `restarts`; `rho`: the step is halved unless more than this share of
-- the steps rose; `avg`: passes whose gradients are averaged, for random models; `early`: stop a
-- sample at its first success.
-- @tparam[opt] table more further rules, or rules that replace these
-- @treturn table
function M.options(more)
  local rules = {
    norm = { "string|number", "linf" },
    steps = { "integer", 100 },
    restarts = { "integer", 1 },
    rho = { "number", 0.75 },
    avg = { "integer", 1 },
    early = false,
  }
  for key, rule in pairs(more or {}) do rules[key] = rule end
  return rules
end

--- Settings of the loop.
-- @tparam table o options
-- @string name of the attack
-- @tparam integer targets rivals that are attacked one after the other; 0: the loss is untargeted
-- @treturn table
function M.settings(o, name, targets)
  check.integer(name, "steps", o.steps, 0)
  check.number(name, "rho", o.rho, 0, 1)
  check.integer(name, "avg", o.avg, 1)
  local loose = o.norm == "l1" or o.avg > 1 -- not every point it asks about counts
  return {
    method = loose and "apgd_loose" or "apgd", norm = o.norm, eps = o.eps, steps = o.steps,
    restarts = o.restarts, random = true, early = o.early, extras = 2,
    numbers = { rho = o.rho, avg = o.avg, targets = targets },
  }
end

-- What the method gives besides the record.
local function read_extra(r)
  local any = false
  r.run, r.zero_start = {}, {}
  for i, pair in ipairs(r.n > 0 and r.extra:table() or {}) do
    r.zero_start[i], r.run[i] = pair[1] == 1, pair[2]
    any = any or r.zero_start[i]
  end
  return any
end

--- Runs the attack. The result has besides `run`: for each sample the number of the run (restarts
-- of the first target, then of the second ...) whose point is returned as a success, or 0; and
-- `zero_start`: whether the first gradient was zero everywhere.
-- @tparam table attack the attack
-- @param model x -> logits
-- @tparam Tensor x inputs
-- @tparam Tensor|table y labels
-- @tparam[opt] table opts of this call
-- @treturn table result
function M.call(attack, model, x, y, opts)
  local r = run(attack, model, x, y, opts)
  if not read_extra(r) then return r end
  local quiet = opts and opts.quiet
  if quiet == nil then quiet = attack.options.quiet end
  local text = "the gradient was zero everywhere at the start of some samples"
  r.warnings[#r.warnings + 1] = text
  options.warn(attack.name, text, quiet)
  return r
end

return M
