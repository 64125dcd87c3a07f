-- Every option of every attack, given every kind of nonsense: an error that names the attack, the
-- option, what was expected and what came, at the line of the caller.
local cj = require "conjugate"
local core = require "conjugate.core"
local options = require "conjugate.attacks.kinds.options"
local cheap = require "support.cheap"

local NAN, INF = 0 / 0, math.huge

-- Nonsense for a kind that has sense for one option: "attack.option", or "option" of all attacks.
local sensible = {
  ["jsma.theta"] = { -1 },
}

local nonsense = {
  number = { -1, NAN, INF, -INF, "text", {}, true },
  integer = { -1, 1.5, NAN, INF, -INF, 2 ^ 60, "text", {}, true },
  boolean = { 0, "yes", {} },
  string = { "nonsense", "", 1.5, {}, true },
  callable = { 3, "text", {}, true },
  table = { 3, "text", {}, { 1, 0 }, { NAN, 1 }, { 0, NAN }, { "a", "b" } },
}

-- Options that may be of several kinds.
local several = {
  eps = { -1, NAN, INF, -INF, "text", true, {}, { 0.1, -1 }, { 0.1, NAN }, { "a" }, { 0.1, 0.1 } },
  norm = { "l7", "", 7, NAN, {}, true },
  target = { "nearest", "", 1.5, NAN, true, -1, { "a" }, { 0.5 }, { -1 } },
  conjugate = { "nonsense", 3, {}, true },
  attack = { "nonsense", 3, {}, true },
  options = { 3, "text", true },
  out = { "", 3, {}, true },
  at = { 3, "text", { -1 }, { 1.5 }, { "a" }, { NAN }, { 1000 } },
}

-- Sense in some attacks, where it is the default.
local function is_sensible(name, key, value, default)
  for _, known in ipairs(sensible[name .. "." .. key] or sensible[key] or {}) do
    if known == value then return true end
  end
  return value == default
end

local function kind_of(rule)
  if type(rule) ~= "table" then return type(rule), rule end
  return rule.type or rule[1], rule.default == nil and rule[2] or rule.default
end

local function rules_of(name)
  local rules = {}
  for key, rule in pairs(options.common) do rules[key] = rule end
  for key, rule in pairs(cj.attacks[name].defaults or {}) do rules[key] = rule end
  return rules
end

-- What is wrong with the message an attack gives for an option; nil when it is right.
local function fault(name, key, value)
  local o = cheap(name)
  o[key] = value
  local ok, message = pcall(cj.attacks[name], o)
  local what = ("%s { %s = %s }"):format(name, key, core.describe(value))
  if ok then return what .. " is taken" end
  if not tostring(message):find("options_spec.lua:%d+: " .. name .. ": expected ")
    or not (message:find("for " .. key, 1, true) or message:find("no " .. key, 1, true))
    or not message:find(", got ", 1, true) then
    return what .. ": " .. tostring(message)
  end
end

describe("nonsense for the options of", function()
  for _, name in ipairs(cj.attacks.names()) do
    it(name .. " is refused", function()
      local faults, tried = {}, 0
      for key, rule in pairs(rules_of(name)) do
        local kind, default = kind_of(rule)
        local list = several[key] or nonsense[kind]
        assert.is_table(list, ("%s.%s: add nonsense of kind %s"):format(name, key, kind))
        for _, value in ipairs(list) do
          tried = tried + 1
          if not is_sensible(name, key, value, default) then
            faults[#faults + 1] = fault(name, key, value)
          end
        end
      end
      table.sort(faults)
      assert.same({}, faults)
      assert.is_true(tried > 50)
    end)
  end
end)
