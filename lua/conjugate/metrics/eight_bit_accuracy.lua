--- Does an attack survive being stored as a picture? Robust accuracy when x_adv is rounded to 256
-- levels and brought back into the attack's ball (`cj.metrics.eight_bit`).
-- @module conjugate.metrics.eight_bit_accuracy
local check = require "conjugate.check"
local rounding = require "conjugate.metrics.rounding"
local walk = require "conjugate.metrics.walk"

local M = {}

local Result = {}

function Result.__tostring(r)
  return ("%s: RA %.2f %%, with 8 bits %.2f %% (%+.2f points), n = %d"):format(r.attack, r.ra,
    r.ra_8bit, r.change, r.n)
end

local function hits(model, x, y)
  return walk.logits(model, x):predict():eq(y):table()
end

--- Robust accuracy before and after rounding x_adv to 8 bits.
-- @function eight_bit_accuracy
-- @param net a network, or a function of images that gives logits
-- @tparam DataSet set images and labels
-- @tparam Attack attack its `norm` and `eps` give the ball
-- @tparam[opt] table opts `batch`, `seed`, `quiet`
-- @treturn table ra = #{pred(x) = y and pred(x_adv) = y} / n, ra_8bit (the same of the rounded),
--   change (ra_8bit - ra), all in percent and points; counts of both, n
-- @raise wrong arguments; what the attack raises
function M.eight_bit_accuracy(net, set, attack, opts)
  local o = walk.options("eight_bit_accuracy", opts)
  walk.check_attack("eight_bit_accuracy", attack)
  if not attack.settings then
    check.fail("eight_bit_accuracy", "expected an attack of one radius, got %s", tostring(attack))
  end
  local n, plain, eight = 0, 0, 0
  walk.each("eight_bit_accuracy", { net }, set, o, function(models, x, y, first)
    local model = models[1]
    local r = attack(model, x, y, walk.call(o, first))
    local after = rounding.eight_bit(r.x_adv, x, attack.settings.norm, attack.settings.eps)
    local clean, before, now = hits(model, x, y), hits(model, r.x_adv, y), hits(model, after, y)
    for i = 1, r.n do
      plain, eight = plain + clean[i] * before[i], eight + clean[i] * now[i]
    end
    n = n + r.n
  end)
  return setmetatable({
    attack = attack.name, n = n, ra = 100 * plain / n, ra_8bit = 100 * eight / n,
    change = 100 * (eight - plain) / n, counts = { ra = plain, ra_8bit = eight },
  }, Result)
end

return M
