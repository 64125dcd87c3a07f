--- Conjugates: fields over inputs, usually made from gradients, that can be followed as attacks or
-- measured. A new one is a function of the gradient.
--
--     local mine = cj.conjugate {
--       name = "smoothed sign",
--       direction = function(g, state) return cj.blur(g, 1.0):sign() end,
--     }
--     local result = mine:attack { eps = 0.1 }(net, x, y)
--
-- A field of any other kind is a function of the point: `field = function(x) return 0.5 - x end`
-- walks towards grey. `cj.conjugate.of "deepfool"` is the effective conjugate of an attack.
-- @module conjugate.attacks.conjugate
local check = require "conjugate.check"
local core = require "conjugate.core"
local effective = require "conjugate.attacks.kinds.effective"
local ops = require "conjugate.ops"

local M = {}

local Conjugate = {}
Conjugate.__index = Conjugate

-- By name: those of the core, then those made in this session, in the order they were made.
local known, order = {}, {}

local function register(c)
  if not known[c.name] then order[#order + 1] = c.name end
  known[c.name] = c
  return c
end

--- Follows the conjugate as an attack; see `conjugate.attacks.follow`.
-- @tparam table opts `eps` and the other options of `follow`
-- @treturn table an attack, to be called with (model, x, y)
function Conjugate:attack(opts)
  local o = { conjugate = self }
  for key, v in pairs(check.table(self.name, "options", opts)) do o[key] = v end
  return require("conjugate.attacks").follow(o)
end

--- The direction of a conjugate.
-- @string fn caller, for messages
-- @treturn string|function name of a direction of the core, or a function(g, state)
-- @raise when there is none, as for attacks without gradients
function Conjugate:follow(fn)
  if not self.direction then
    check.fail(fn, 'the conjugate "%s" has no field: %s', self.name, self.formula)
  end
  return self.direction
end

-- The field where the loop stands.
local function value_at(c, g, state)
  if c.at then return c.at(state.x, state) end
  if type(c.direction) == "string" then return core.attack_direct(c.direction, g) end
  return c.direction(g, state)
end

--- The field at x; of a conjugate made from gradients the direction of the first step, for the
-- gradient of the summed cross entropy (or another loss).
-- @param model x -> logits
-- @tparam Tensor x floats [N, ...]
-- @tparam Tensor|table y labels
-- @tparam[opt] table opts options of `follow` other than the step and the ball: `loss`, `batch` ...
-- @treturn Tensor like x
-- @raise 'field: the conjugate "of onepixel" has no field: none given: ...'
function Conjugate:field(model, x, y, opts)
  local parts = {}
  self:follow "field"
  local probe = setmetatable({
    name = self.name,
    scale = "none",
    direction = function(g, state)
      parts[#parts + 1] = value_at(self, g, state)
      return parts[#parts]
    end,
  }, Conjugate)
  local o = { conjugate = probe, eps = 1, alpha = 1, steps = 1, paper = true, clip_box = false }
  for key, v in pairs(opts or {}) do o[key] = v end
  require("conjugate.attacks").follow(o)(model, x, y)
  return #parts == 1 and parts[1] or ops.cat(parts, 1)
end

function Conjugate:__tostring()
  return ("conjugate %s: %s"):format(self.name, self.formula)
end

--- Makes a conjugate and adds it to the list.
-- `name`: not empty. `direction(g, state)`: from the gradient g of what is climbed, [B, ...] with
-- one row a sample, to the field, of the same sizes and type; each row must depend on its own
-- sample only. `state` is a table that lives through one run of a batch: `state.x` is where the
-- gradient was taken, `state.step` counts from 1, `state.steps`, `state.eps` and `state.alpha` are
-- those of the attack, and tensors [B, ...] put into it keep their rows when samples finish early.
-- `field(x, state)`, instead of a direction: the field at x by itself, whatever the gradient is.
-- Both may read `state.model`, `state.y` (labels, int64 [B]) and `state.rows` (the samples'
-- numbers in the call, from 1, int64 [B]); passes they make through the model are not counted.
-- `scale`: "none" (default), "linf" or "l2", the norm that is brought to 1 before a step.
-- `formula`, `source`: for the list.
-- @function conjugate
-- @tparam table d description
-- @treturn table with `name`, `direction`, `scale`, `formula`, `source`, `attack(opts)`,
--   `field(model, x, y)`
-- @raise "conjugate: expected a function for direction, got nil" and the like
-- @usage local mine = cj.conjugate {
--   name = "half sign",
--   direction = function(g) return g:sign() * 0.5 end,
-- }
local function make(_, d)
  local o = check.options("conjugate", d, {
    name = { type = "string", required = true },
    direction = { "function" },
    field = { "function" },
    scale = "none",
    formula = "given by a Lua function",
    source = "this session",
  })
  if o.name == "" then check.fail("conjugate", "expected a name that is not empty for name") end
  check.one_of("conjugate", "scale", o.scale, { "none", "linf", "l2" })
  local field = o.field
  o.field, o.at = nil, field -- the method `field` says what the field is, however it is given
  if field and o.direction then
    check.fail("conjugate", "expected a direction or a field, got both")
  end
  if field then o.direction = function(_, state) return field(state.x, state) end end
  if not o.direction then
    check.fail("conjugate", "expected a function for direction, got nil")
  end
  return register(setmetatable(o, Conjugate))
end

local function is_attack(name)
  for _, a in ipairs(require("conjugate.attacks").names()) do
    if a == name and name ~= "follow" then return true end
  end
  return false
end

--- The effective conjugate of an attack, after Table 4 of the paper.
-- Its field is as in the table, without regard to direction: where the attack walks against it
-- (toward a target class), so does `follow`. What iterates starts at x, with the attack's own
-- defaults. An attack that uses no gradient has a conjugate without a field.
-- @string attack its name
-- @tparam[opt] table opts of the field: `target` (of "target1", "least" by default, and "jsma",
--   "second": a label, a list with one for each sample, "least" or "second" likeliest class besides
--   the label), `jacobian` ("logits" or "softmax"; "jsma"), `eps` (0.1), `alpha`, `steps` ("pgd",
--   "bim", "ill"), `classes` (10; "deepfool", "sparsefool")
-- @treturn table a conjugate, named "of ATTACK"
-- @raise 'conjugate.of: expected the name of an attack, got "nothing"'; wrong options
-- @source Zhang et al., arXiv 2205.01493, table 4
function M.of(attack, opts)
  check.string("conjugate.of", "attack", attack)
  if not is_attack(attack) then
    check.fail("conjugate.of", 'expected the name of an attack, got "%s"', attack)
  end
  local family, entry = require("conjugate.attacks")[attack], effective.fields[attack]
  local c = { name = "of " .. attack, source = family.source, scale = "none" }
  c.formula = entry and entry.formula or family.conjugate
  local o = effective.read(entry or {}, opts)
  if entry then
    function c.at(x, state) return entry.field(x, state, o) end
    function c.direction(_, state)
      local field = c.at(state.x, state)
      return entry.sense == -1 and -field or field
    end
  end
  return setmetatable(c, Conjugate)
end

--- A conjugate by itself or by name; "of ATTACK" is the effective one of an attack.
-- @param c a conjugate, or the name of one
-- @treturn ?table nil when there is none
function M.find(c)
  if getmetatable(c) == Conjugate then return c end
  if type(c) ~= "string" then return nil end
  local attack = c:match "^of (.+)$"
  return known[c] or attack and is_attack(attack) and M.of(attack) or nil
end

--- What conjugates there are: those of the core, those made in this session, and the effective ones
-- of the attacks.
-- @treturn {table,...} each with `name`, `formula`, `source`
function M.list()
  local list = {}
  for _, name in ipairs(order) do
    local c = known[name]
    list[#list + 1] = { name = name, formula = c.formula, source = c.source }
  end
  for _, name in ipairs(require("conjugate.attacks").names()) do
    local c = M.find("of " .. name)
    if c then list[#list + 1] = { name = c.name, formula = c.formula, source = c.source } end
  end
  return list
end

local built_in = {
  sign = { "sign(g)", "Goodfellow et al., ICLR 2015" },
  raw = { "g", "Agarwal et al. 2020" },
  l2_unit = { "g / ||g||_2", "steepest step under the Euclidean norm" },
  l1_top = { "sign(g_i) at the largest |g_i|", "steepest step under the l1 norm" },
}

for _, name in ipairs(core.attack_directions()) do
  local text = built_in[name] or { "a direction of the core", "this package" }
  register(setmetatable({
    name = name, direction = name, scale = "none", formula = text[1], source = text[2],
  }, Conjugate))
end

return setmetatable(M, { __call = make })
