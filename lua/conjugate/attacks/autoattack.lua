--- AutoAttack: a fixed sequence of attacks without parameters to tune, for a robust accuracy that
-- can be compared.
--
-- `version` "standard" (default) runs APGD-CE, APGD-T with 9 targets, FAB-T with 9 targets and
-- Square with 5000 queries, in the ball of radius `eps` of `norm` "linf" or "l2". For "l1" it is
-- APGD-CE with 5 restarts, APGD-T with 5 targets (both with shrinking radii) and FAB-T: Square is
-- not defined there. "rand", for models that answer at random, runs APGD-CE and APGD-DLR with
-- gradients averaged over 20 passes. Each attack sees the samples that are still robust, from the
-- clean x; a sample that fell costs nothing more. (So auto-PGD stops at its first success here,
-- which changes no verdict.) Every success is decided by one more pass on what is returned.
--
-- `seed` keys all random numbers; by default that of `cj.seed`, and the result records it. `out`:
-- folder of a journal. A call that was killed or interrupted goes on from there when it is made
-- again, and ends with the same bytes; a folder of another model, other images or other options is
-- refused. `steps` (100), `queries` (5000), `targets` (9; 5 for l1) and `attacks` (names such as
-- "apgd-ce", "apgd-t", "fab-t", "square") make it cheaper, and no longer the standard: the result
-- says so. `batch` (32): samples between two entries of the journal
-- (with many threads take 16 for each, at least).
--
-- The result has the columns of every attack, with the cross entropy as loss, and `by`: for each
-- sample the attack that broke it, "clean" (wrong already), or "" (robust). SUCCESS gives what that
-- attack gave, FAIL the iterate of highest cross entropy of APGD-CE, ALREADY x. `warnings` are
-- the flags of AutoAttack: a model that answers at random, probabilities, zero gradients at the
-- start, Square beating the gradient attacks, too few classes. A robust sample costs about 7,800
-- forward and 1,900 backward passes.
-- @module conjugate.attacks.autoattack
-- @usage local result = cj.attacks.autoattack { eps = 8 / 255, seed = 1 }(net, x, y)
-- print(result:robust_accuracy())
-- @source Croce and Hein, ICML 2020; l1: Croce and Hein, ICML 2021
local attacks = require "conjugate.attacks"
local check = require "conjugate.check"
local define = require "conjugate.attacks.define"
local ensemble = require "conjugate.attacks.kinds.ensemble"
local options = require "conjugate.attacks.kinds.options"
local search = require "conjugate.attacks.kinds.search"

local AVERAGES, BEATEN = 20, 0.2 -- passes of a gradient; percent of the samples

-- name, family, its options, passes it costs for a robust sample (a backward pass counts twice).
local function stages_of(o, usual)
  local steps, avg, l1 = o.steps, AVERAGES, o.norm == "l1"
  local restarts, rivals = l1 and 5 or 1, o.targets == usual.targets and 9 or o.targets
  if o.version == "rand" then
    return {
      { "apgd-ce", "apgd", { avg = avg, steps = steps }, 3 * avg * steps },
      { "apgd-dlr", "apgd", { loss = "dlr", avg = avg, steps = steps }, 3 * avg * steps },
    }
  end
  local list = {
    { "apgd-ce", "apgd", { restarts = restarts, steps = steps, early = true },
      3 * restarts * steps },
    { "apgd-t", "apgdt", { targets = o.targets, steps = steps, early = true },
      3 * o.targets * steps },
    { "fab-t", "fabt", { targets = rivals, steps = steps }, 4 * rivals * steps },
  }
  if not l1 then list[4] = { "square", "square", { queries = o.queries }, o.queries } end
  return list
end

local function make(family, own, o, name)
  own.norm, own.eps, own.bounds, own.clip_box = o.norm, o.eps, o.bounds, o.clip_box
  local maker = attacks[family]
  if not maker then check.fail(name, 'there is no attack "%s", which it needs', family) end
  return search.renamed(maker(own), name)
end

local function chosen(o, name, list)
  local wanted, names, stages = {}, {}, {}
  for i, stage in ipairs(list) do names[i] = stage[1] end
  for _, v in ipairs(o.attacks or names) do
    wanted[check.one_of(name, "attacks", v, names)] = true
  end
  for _, stage in ipairs(list) do
    if wanted[stage[1]] then
      stages[#stages + 1] = {
        name = stage[1], attack = make(stage[2], stage[3], o, name), cost = stage[4],
      }
    end
  end
  if #stages == 0 then check.fail(name, "expected at least one attack for attacks, got none") end
  return stages
end

-- What the user changed, as text; nil when it is the version itself.
local function changes(o, usual, stages, list)
  local found = {}
  for _, key in ipairs { "steps", "queries", "targets" } do
    if o[key] ~= usual[key] then found[#found + 1] = ("%s = %d"):format(key, o[key]) end
  end
  if #stages < #list then found[#found + 1] = ("%d of %d attacks"):format(#stages, #list) end
  return #found > 0 and table.concat(found, ", ") or nil
end

local function prepare(o, name)
  check.one_of(name, "version", o.version, { "standard", "rand" })
  local usual = { steps = 100, queries = 5000, targets = o.norm == "l1" and 5 or 9 }
  for key, value in pairs(usual) do
    o[key] = check.integer(name, key, o[key] or value, key == "targets" and 1 or 0)
  end
  if o.loss ~= "ce" then check.fail(name, "it takes no loss: each of its attacks has its own") end
  if o.out == "" then check.fail(name, 'expected a folder for out, got ""') end
  local list = stages_of(o, usual)
  local stages, names = chosen(o, name, list), {}
  for i, stage in ipairs(stages) do names[i] = stage.name end
  return {
    method = "ensemble", norm = o.norm, eps = o.eps, steps = 0,
    untargeted = "any class but the label will do",
    stages = stages, names = names, changed = changes(o, usual, stages, list),
    random_model = o.version == "rand",
    probe = make("apgd", { steps = 0 }, o, name),
  }
end

--- The flags of AutoAttack.
-- @tparam table attack made by this family
-- @tparam table found counts over all samples: `n`, `random`, `probabilities`, `zero_starts`,
--   `square`; and `classes`
-- @treturn {string,...} one text each
local function flags(attack, found)
  local o, list = attack.options, {}
  local function flag(raised, text, ...)
    if raised then list[#list + 1] = text:format(...) end
  end
  flag(attack.settings.changed, "not the %s version: %s", o.version, attack.settings.changed)
  if found.n == 0 then return list end
  flag(found.random > 0, 'the model gives different logits for the same input: use version = '
    .. '"rand"')
  flag(found.probabilities == found.n, "the model gives probabilities where logits are expected")
  flag(found.zero_starts > 0, "the gradient was zero everywhere at the start of %d of %d samples: "
    .. "gradients may be masked", found.zero_starts, found.n)
  flag(100 * found.square > BEATEN * found.n, "Square broke %d of %d samples that the gradient "
    .. "attacks left robust: gradients may be masked", found.square, found.n)
  flag(o.version ~= "rand" and found.classes - 1 < o.targets, "%d classes are too few for %d "
    .. "targets", found.classes, o.targets)
  flag(found.classes < 3, "DLR needs 3 classes: the margin is used instead")
  return list
end

local function call(attack, model, x, y, opts)
  local r = ensemble.call(attack, model, x, y, opts)
  local quiet = opts and opts.quiet
  if quiet == nil then quiet = attack.options.quiet end
  r.warnings = flags(attack, r.found)
  for _, text in ipairs(r.warnings) do options.warn(attack.name, text, quiet) end
  return r
end

return define {
  name = "autoattack",
  summary = "APGD-CE, APGD-T, FAB-T and Square in turn",
  formula = "the first success of apgd, apgdt, fabt, square",
  conjugate = "those of its attacks",
  source = "Croce and Hein, ICML 2020",
  options = {
    norm = { "string|number", "linf" },
    version = "standard",
    steps = { "integer" },
    queries = { "integer" },
    targets = { "integer" },
    attacks = { "table" },
    out = { "string" },
    batch = { "integer", 32 },
  },
  prepare = prepare,
  flags = flags,
  call = call,
}
