--- Conjugates: fields over inputs, usually made from gradients, that can be followed as attacks or
-- measured. A new one is a function of the gradient.
--
--     local mine = cj.conjugate {
--       name = "smoothed sign",
--       direction = function(g, state) return cj.blur(g, 1.0):sign() end,
--     }
--     local result = mine:attack { eps = 0.1 }(net, x, y)
--
-- A field that needs no gradient is a function of the point: `field = function(x) return 0.5 - x
-- end` walks towards grey.
-- @module conjugate.attacks.conjugate
local check = require "conjugate.check"
local core = require "conjugate.core"
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

--- The field at x: the direction of the first step, for the gradient of the summed cross entropy
-- (or another loss).
-- @param model x -> logits
-- @tparam Tensor x floats [N, ...]
-- @tparam Tensor|table y labels
-- @tparam[opt] table opts options of `follow` other than the step and the ball: `loss`, `batch` ...
-- @treturn Tensor like x
function Conjugate:field(model, x, y, opts)
  local parts = {}
  local direction = type(self.direction) == "string" and self.direction
  local probe = setmetatable({
    name = self.name,
    scale = "none",
    direction = function(g, state)
      parts[#parts + 1] = direction and core.attack_direct(direction, g) or self.direction(g, state)
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
-- `field(x)`, instead of a direction: the field at x by itself, whatever the gradient is.
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
  o.field = nil -- the method of that name says what the field is, however it is given
  if field and o.direction then
    check.fail("conjugate", "expected a direction or a field, got both")
  end
  if field then o.direction = function(_, state) return field(state.x) end end
  if not o.direction then
    check.fail("conjugate", "expected a function for direction, got nil")
  end
  return register(setmetatable(o, Conjugate))
end

--- A conjugate by itself or by name.
-- @param c a conjugate, or the name of one
-- @treturn ?table nil when there is none
function M.find(c)
  if getmetatable(c) == Conjugate then return c end
  return type(c) == "string" and known[c] or nil
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
  for _, a in ipairs(require("conjugate.attacks").list()) do
    if a.name ~= "follow" then
      list[#list + 1] = { name = "of " .. a.name, formula = a.conjugate, source = a.source }
    end
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
