--- Laboratory cases of two packets: overlaps in x and in p.
-- @module conjugate.packet.lab.overlaps
local overlap = require "conjugate.packet.overlap"

-- psi^2 is a normal density around m with standard deviation s.
local function bell(m, s)
  return function(x)
    return ((x - m) ^ 2 * (-0.25 / s ^ 2)):exp()
  end
end

local function case(name, first, second, truth, rounding)
  return {
    name = name, group = "identity", truth = truth, rounding = rounding,
    measure = function()
      local o = overlap.of { low = -10, high = 14, packets = { first, second } }
      return {
        overlap_x = o.overlap_x[1][2], overlap_p = o.overlap_p[1][2],
        modulus_x = o.modulus_x[1][2], modulus_p = o.modulus_p[1][2], parseval = o.parseval,
      }
    end,
  }
end

local FAR = math.exp(-8) -- exp(-d^2 / (8 s^2)) at d = 4, s = .5

return {
  case("two normal packets, distance 4", bell(0, 0.5), bell(4, 0.5), {
    overlap_x = FAR, overlap_p = FAR, modulus_x = 3.3546e-4, modulus_p = 1, parseval = 0,
  }, { modulus_x = 5e-9 }),
  case("two normal packets, widths .25 and 1", bell(1, 0.25), bell(1, 1), {
    overlap_x = .6859943406, overlap_p = .6859943406, modulus_p = .6859943406, parseval = 0,
  }, 5e-11),
}
