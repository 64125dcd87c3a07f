--- How an attack is made from its description.
--
-- An attack file returns `define { ... }`: a thing to call with options, which gives an attack to
-- call with a model and inputs.
--
--     local pgd = cj.attacks.pgd { eps = 0.1, alpha = 0.025, steps = 4 }
--     local result = pgd(net, x, y)
--
-- The loop itself (start, steps, projection, box, best so far, restarts, early stopping, counts,
-- verdicts) is in C; a description only says how options become settings of that loop.
--
-- A description has `name`, `summary`, `formula`, `source`, `conjugate` (the effective conjugate in
-- words), `options` (rules for `check.options`, besides the common ones) and `prepare(options,
-- name)`, which checks the options and gives the loop's settings:
--
-- - `method`: name of a C method ("ascent": steps along a direction), and `numbers`, a table of
--   those that the method names; `extras`: how many further numbers it gives for each sample
-- - `direction` (of "ascent"): name of a C direction, or a function(g, state) of batches
-- - `norm` ("linf", "l2", "l1"), `eps` (radius, may be infinite), `alpha` (step), `steps`
-- - `scale` ("none", "linf", "l2"): norm of a step's direction that is brought to 1
-- - `untargeted`: why the attack has no target, if so
-- - `goal` ("away", "label", or set by the target), `restarts`, `random`, `best`, `early`, `every`
-- - `targeted_loss`: the loss toward a target, where it is not that of the option `loss`
-- - `one_step`, `free`: leave out the warnings about alpha; about the reach
--
-- An optional `call(attack, model, x, y, opts)` replaces the plain run of the loop.
-- @module conjugate.attacks.define
local check = require "conjugate.check"
local core = require "conjugate.core"
local options = require "conjugate.attacks.kinds.options"
local run = require "conjugate.attacks.kinds.run"
local several = require "conjugate.attacks.kinds.several"

local Attack = {}
Attack.__index = Attack

--- Attacks a batch.
-- @param model anything callable, x -> logits [N, K]; a network is put into evaluation mode
--   meanwhile
-- @tparam Tensor x floats [N, ...] in pixel units, inside the bounds
-- @tparam Tensor|table y labels 0..K-1, int64 [N] or a list
-- @tparam[opt] table opts of this call: `paper`, `batch`, `target`, `quiet`, `index` (number of the
--   first sample, or int64 [N]: numbers key the random streams; 0, 1, 2 ... by default), `seed`
-- @treturn table the result, see `conjugate.attacks.kinds.result`
-- @raise wrong arguments; what the model raises
function Attack:__call(model, x, y, opts)
  local call = self.family.description.call or run
  return call(self, model, x, y, opts)
end

function Attack:__tostring()
  return options.describe(self.name, self.options, self.family.defaults)
end

local Family = {}
Family.__index = Family

--- Makes an attack from options. A list of radii as `eps` gives an attack at all of them, see
-- `conjugate.attacks.kinds.several`.
-- @tparam table opts see the attack's file
-- @treturn table callable with (model, x, y, opts); fields `name`, `options`, `settings`,
--   `warnings`
-- @raise wrong or unknown options
function Family:__call(opts)
  if type(opts) == "table" and type(opts.eps) == "table" then return several.new(self, opts) end
  local d = self.description
  local o = options.read(d.name, opts, d.options)
  local settings = d.prepare(o, d.name)
  options.complete(settings, o, d.name)
  return setmetatable({
    name = d.name, options = o, settings = settings, family = self,
    warnings = options.warnings(settings),
  }, Attack)
end

function Family:__tostring()
  return ("%s: %s"):format(self.name, self.summary or "")
end

--- Makes the family of an attack from its description.
-- @tparam table d see above
-- @treturn table callable with options; fields `name`, `summary`, `formula`, `source`, `conjugate`
return function(d)
  check.string("define", "name", d.name)
  check.func("define", "prepare", d.prepare)
  assert(core.attack_run, "the core was built without attacks")
  return setmetatable({
    name = d.name, summary = d.summary, formula = d.formula, source = d.source,
    conjugate = d.conjugate, description = d, defaults = d.options,
  }, Family)
end
