--- Options that every gradient attack has, their checks and warnings.
-- @module conjugate.attacks.kinds.options
local check = require "conjugate.check"
local core = require "conjugate.core"

local M = {}

--- Rules of the common options.
-- `eps`: radius in pixel units. `loss`: "ce", "margin" (or "cw"), "dlr". `target`: nil
-- (untargeted), a label, int64 [N] or a list, "least" (likely), "second" (likeliest besides the
-- label), "random". `same_target`: allow a target that is the label. `clip_box`, `bounds`: keep
-- pixels in the box. `paper`: attack samples that are wrong already too, and return the last
-- iterate. `batch`: samples at a time; results do not depend on it. `seed`: of random starts and
-- targets; by default that of `cj.seed`. `quiet`: no warnings on the terminal.
M.common = {
  eps = { type = "number", required = true },
  loss = "ce",
  target = { "integer|string|tensor|table" },
  same_target = false,
  clip_box = true,
  bounds = { "table", { 0, 1 } },
  paper = false,
  batch = { "integer", 128 },
  seed = { "integer" },
  quiet = { "boolean" },
}

local norm_names = {
  linf = "linf", inf = "linf", Linf = "linf", [math.huge] = "linf",
  l2 = "l2", L2 = "l2", [2] = "l2", ["2"] = "l2",
  l1 = "l1", L1 = "l1", [1] = "l1", ["1"] = "l1",
}

--- The name of a norm.
-- @string fn caller, for messages
-- @param norm "linf", "l2", "l1", or math.huge, 2, 1
-- @treturn string "linf", "l2" or "l1"
function M.norm(fn, norm)
  return norm_names[norm]
    or check.fail(fn, 'expected "linf", "l2" or "l1" for norm, got %s', check.describe(norm))
end

local losses = { ce = "ce", margin = "margin", cw = "margin", dlr = "dlr" }

local function check_bounds(fn, bounds)
  local low, high = bounds[1], bounds[2]
  check.number(fn, "bounds[1]", low)
  check.number(fn, "bounds[2]", high)
  if low > high then
    check.fail(fn, "expected { low, high } for bounds, low first, got { %.14g, %.14g }", low, high)
  end
end

--- A finite number above 0.
-- @string fn caller
-- @string name the option
-- @param v its value
-- @treturn number v
-- @raise "FN: expected a finite number above 0 for NAME, got V"
function M.positive(fn, name, v)
  check.number(fn, name, v)
  if not (v > 0 and v < math.huge) then
    check.fail(fn, "expected a finite number above 0 for %s, got %.14g", name, v)
  end
  return v
end

-- The target as an option: labels are known to be in range only when the model was called.
local function check_labels(fn, target)
  if type(target) == "number" then
    check.integer(fn, "target", target, 0)
  elseif target == true then
    check.fail(fn, "expected a label or a list of labels for target, got true")
  elseif core.is_tensor(target) then
    check.tensor(fn, "target", target, "int64", 1)
  elseif type(target) == "table" then
    for _, label in ipairs(target) do check.integer(fn, "target", label, 0) end
  end
end

--- Target of a call: a goal of the loop, and the targets of each sample where they are given.
-- @string fn caller
-- @param target option as the user gave it
-- @treturn ?string goal; nil: untargeted
-- @return a label, a list or a tensor; nil otherwise
function M.goal(fn, target)
  if target == nil then return nil end
  if type(target) ~= "string" then return "given", target end
  local names = { least = "least", least_likely = "least", random = "random", second = "second",
    runner_up = "second" }
  return names[target] or check.fail(fn,
    'expected a label, a list of labels, "least", "second" or "random" for target, got "%s"',
    target)
end

--- Refuses a target where an attack has none.
-- @string fn caller
-- @tparam table s settings of the attack; `untargeted` says why it has none
-- @param target option as the user gave it
-- @raise "FN: expected no target, got 1: any class but the label will do"
function M.check_target(fn, s, target)
  if target ~= nil and s.untargeted then
    check.fail(fn, "expected no target, got %s: %s", check.describe(target), s.untargeted)
  end
end

--- Reads options: common and the attack's own.
-- @string name of the attack
-- @tparam ?table opts what the user gave
-- @tparam ?table own rules of the attack
-- @treturn table option name -> value
-- @raise unknown names, wrong types, values out of range
function M.read(name, opts, own)
  local rules = {}
  for key, rule in pairs(M.common) do rules[key] = rule end
  for key, rule in pairs(own or {}) do rules[key] = rule end
  local o = check.options(name, opts, rules)
  check.number(name, "eps", o.eps, 0)
  local may_be_infinite = own and own.eps -- an attack with its own rule for eps has no ball
  if o.eps == math.huge and not may_be_infinite then
    check.fail(name, "expected a finite number for eps, got inf")
  end
  o.loss = losses[o.loss]
    or check.fail(name, 'expected "ce", "margin" or "dlr" for loss, got "%s"', opts.loss)
  if o.norm ~= nil then o.norm = M.norm(name, o.norm) end
  check.integer(name, "batch", o.batch, 1)
  check_bounds(name, o.bounds)
  if o.target then M.goal(name, o.target) end
  check_labels(name, o.target)
  if o.seed ~= nil then check.integer(name, "seed", o.seed, 0) end
  return o
end

local function check_restarts(name, restarts, random)
  if restarts > 1 and not random then
    check.fail(name, "expected random = true with %d restarts: without it all are the same",
      restarts)
  end
end

-- Settings of the loop that a description need not give.
local defaults = {
  method = "ascent", numbers = {}, extras = 0, alpha = 0, scale = "none", goal = "away",
  restarts = 1,
}

--- Fills in what follows from the common options, and checks the loop's settings.
-- @tparam table s settings from `prepare`; completed in place
-- @tparam table o options from `read`
-- @string name of the attack
-- @raise alpha that is not above 0, restarts without random starts
function M.complete(s, o, name)
  s.name, s.loss, s.batch = name, o.loss, o.batch
  for key, value in pairs(defaults) do
    if s[key] == nil then s[key] = value end
  end
  if s.low == nil then
    s.low = o.clip_box and o.bounds[1] or -math.huge
    s.high = o.clip_box and o.bounds[2] or math.huge
  end
  M.check_target(name, s, o.target)
  check.integer(name, "steps", s.steps, 0)
  check.integer(name, "restarts", s.restarts, 1)
  if s.method ~= "ascent" then return end
  if o.eps > 0 then M.positive(name, "alpha", s.alpha) end
  check_restarts(name, s.restarts, s.random)
end

--- What is allowed but probably not meant.
-- @tparam table s completed settings
-- @treturn {string,...} one text each
function M.warnings(s)
  local list = {}
  local still = s.one_step or s.eps == 0 or s.eps == math.huge or s.steps == 0
  if still or s.method ~= "ascent" then return list end
  if s.alpha > 2 * s.eps * (1 + 1e-9) then
    list[1] = ("alpha = %.6g is more than twice eps = %.6g: every step leaves the ball"):format(
      s.alpha, s.eps)
  end
  if not s.free and s.steps * s.alpha < s.eps * (1 - 1e-9) and not s.random then
    list[#list + 1] = ("steps * alpha = %.6g is less than eps = %.6g: without a random start the "
      .. "edge of the ball is out of reach"):format(s.steps * s.alpha, s.eps)
  end
  return list
end

local said = {}

--- Says a warning on the terminal, each text once; nothing when quiet.
-- @string name of the attack
-- @string text the warning
-- @tparam ?boolean quiet from the options
function M.warn(name, text, quiet)
  local line = name .. ": " .. text
  if quiet or said[line] or os.getenv "CONJUGATE_QUIET" == "1" then return end
  said[line] = true
  io.stderr:write("conjugate: warning: ", line, "\n")
end

local function value_text(v)
  if type(v) == "number" then return ("%.6g"):format(v) end
  if type(v) == "table" and type(v[1]) == "number" then
    return ("{ %s }"):format(table.concat(v, ", "))
  end
  if core.is_tensor(v) then return "tensor" end
  return type(v) == "table" and (v.name or "table") or tostring(v)
end

--- An attack in one line, such as "pgd(alpha = 0.025, eps = 0.1, steps = 4)"; options that have
-- their default value are left out.
-- @string name of the attack
-- @tparam table o its options
-- @tparam ?table own rules of the attack
-- @treturn string
function M.describe(name, o, own)
  local parts = {}
  for key, v in pairs(o) do
    local rule = own and own[key]
    if rule == nil then rule = M.common[key] end
    local default = rule
    if type(rule) == "table" then default = rule[2] end
    if type(v) ~= "function" and v ~= default then
      parts[#parts + 1] = key .. " = " .. value_text(v)
    end
  end
  table.sort(parts)
  return ("%s(%s)"):format(name, table.concat(parts, ", "))
end

return M
