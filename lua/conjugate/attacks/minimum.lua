--- Least distance: the smallest radius at which an attack of fixed budget succeeds, found by
-- bisection for every sample (`conjugate.attacks.kinds.search`).
--
-- Options besides the common ones: `attack`, the name or family of an attack ("pgd"), with its
-- options in `options`; or an attack; or a function(eps) that gives one. An attack's radius is
-- scaled, and its step in proportion; a function is called for every radius. `eps0`: the first
-- radius tried (the attack's own, else 0.02); `tries` (9); `eps`: no radius above it is tried. A
-- named attack stops at its first success (`early`) unless its options say otherwise.
--
-- A sample that fails at all radii is returned unchanged, with status FAIL. The result has the
-- lists `radius` and `failed` besides (see `conjugate.attacks.kinds.search`).
-- @module conjugate.attacks.minimum
-- @usage local nearest = cj.attacks.minimum { attack = "pgd", options = { norm = "l2" }, eps0 = 1 }
-- print(nearest(net, x, y):distortion "l2")
-- @source Su et al., ECCV 2018, section 3 (the search)
local attacks = require "conjugate.attacks"
local check = require "conjugate.check"
local define = require "conjugate.attacks.define"
local positive = require("conjugate.attacks.kinds.options").positive
local search = require "conjugate.attacks.kinds.search"

local USUAL = 0.02

local function family_of(o, name)
  if type(o.attack) ~= "string" then return o.attack end
  local family = attacks[o.attack]
  if type(family) ~= "table" or not family.description then
    check.fail(name, 'expected an attack or the name of one for attack, got "%s"', o.attack)
  end
  return family
end

-- An attack of the family, with the common options of the search and its own.
local function make(family, o, name)
  local own = { eps = o.eps0, loss = o.loss, bounds = o.bounds, clip_box = o.clip_box }
  if family.defaults and family.defaults.early ~= nil then own.early = true end
  for key, value in pairs(o.options or {}) do own[key] = value end
  return search.renamed(family(own), name)
end

local function check_inner(o, name)
  if o.options and (type(o.attack) == "function" or o.attack.settings) then
    check.fail(name, "options go with the name or the family of an attack")
  end
end

local rules = search.options()
rules.attack = { "string|table|callable", "pgd" }
rules.options = { "table" }

return define {
  name = "minimum",
  summary = "least radius at which another attack succeeds",
  formula = "min eps: attack(x, eps) succeeds",
  conjugate = "that of the attack",
  source = "Su et al., ECCV 2018",
  options = rules,
  prepare = function(o, name)
    if o.eps0 then positive(name, "eps0", o.eps0) end
    local inner = family_of(o, name)
    check_inner(o, name)
    if type(inner) == "function" then
      o.eps0 = o.eps0 or USUAL
      return search.settings(o, name, inner, "linf")
    end
    if inner.description then
      o.eps0 = o.eps0 or USUAL
      inner = make(inner, o, name)
    elseif not (inner.settings and inner.family) then
      check.fail(name, "expected an attack for attack, got %s", check.describe(inner))
    end
    o.eps0 = o.eps0 or inner.options.eps
    return search.settings(o, name, inner, inner.settings.norm)
  end,
  call = search.call,
}
