--- One-pixel attack: a few pixels of any colour, found by differential evolution (DE/rand/1).
-- A member of the population is `pixels` tuples (row, column, colour); a child is
-- `r1 + f (r2 - r3)` of three other members, and takes its parent's place if it is fitter: less
-- probability of the label, or more of the target. Positions start uniform, colours
-- N(128, 127) / 255; both are clamped. No gradient is used.
--
-- Options besides the common ones: `pixels` (1), `pop` (400 members, at least 4), `gens` (100
-- generations), `f` (0.5), `paper_stop` (false: stop at the first success; true: go on until
-- p_t > 0.9, or p_y < 0.05 without a target), `eps` (infinite): at most so many pixels, if that is
-- fewer than `pixels`. A sample costs at most pop * (gens + 1) forward passes, besides one on x and
-- one on the result. Inputs other than images [N, C, H, W] count as one row of one channel.
--
-- FAIL returns the fittest member, or x if none was fitter than x.
-- @module conjugate.attacks.onepixel
-- @usage local result = cj.attacks.onepixel { pixels = 3, seed = 1 }(net, x, y)
-- @source Su, Vargas and Sakurai, IEEE TEVC 2019, section III
local check = require "conjugate.check"
local define = require "conjugate.attacks.define"
local run = require "conjugate.attacks.kinds.run"

-- The attack with the number of channels of x, which the core needs before it sees an image.
local function for_inputs(attack, x)
  check.tensor(attack.name, "x", x, "float")
  local image = x:dim() == 4
  local places = image and x:size(3) * x:size(4) or x:dim() > 1 and x:numel() / x:size(1)
  if places and x:size(1) > 0 and attack.options.pixels > places then
    check.fail(attack.name, "expected at most %d pixels, as many as x has, got %d", places,
      attack.options.pixels)
  end
  local settings, numbers = {}, { channels = image and x:size(2) or 1 }
  for key, v in pairs(attack.settings.numbers) do numbers[key] = v end
  for key, v in pairs(attack.settings) do settings[key] = v end
  settings.numbers = numbers
  return setmetatable({ settings = settings }, { __index = attack })
end

local function check_box(name, o)
  local finite = math.abs(o.bounds[1]) < math.huge and math.abs(o.bounds[2]) < math.huge
  if not (o.clip_box and finite) then
    check.fail(name, "expected clip_box = true and finite bounds: colours are drawn between them")
  end
end

return define {
  name = "onepixel",
  summary = "a few pixels of any colour, by differential evolution",
  formula = "child = r1 + f (r2 - r3), kept if p_y is lower",
  conjugate = "none given: no gradient is used",
  source = "Su et al., IEEE TEVC 2019",
  options = {
    eps = { "number", math.huge },
    pixels = { "integer", 1 },
    pop = { "integer", 400 },
    gens = { "integer", 100 },
    f = { "number", 0.5 },
    paper_stop = false,
  },
  prepare = function(o, name)
    check.integer(name, "pixels", o.pixels, 1)
    check.integer(name, "pop", o.pop, 4, 1000000)
    check.integer(name, "gens", o.gens, 0, 1000000)
    check.number(name, "f", o.f, 0, 2)
    check_box(name, o)
    return {
      method = "onepixel", norm = "linf", eps = o.eps, steps = 0,
      numbers = {
        pixels = o.pixels, pop = o.pop, gens = o.gens, f = o.f,
        paper_stop = o.paper_stop and 1 or 0,
      },
    }
  end,
  call = function(attack, model, x, y, opts)
    return run(for_inputs(attack, x), model, x, y, opts)
  end,
}
