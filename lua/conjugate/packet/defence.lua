--- Defensive mixtures: most points of a measurement from the reference tilted towards rho.
--
-- Points come from q = a nu + (1 - a) rho~ with rho~ ~ nu(x) exp(s.x), and carry the weight
-- v = nu / q, which is at most 1 / a: whatever plain sampling measures keeps a finite variance, and
-- beta is measured, too. The slope s is the mean of grad log l^2 under rho (on a box weighted by
-- the distance from the faces; for data with a step towards the mean of rho), as a pilot of other
-- points sees it, scaled to the best effective sample size. The next pilot draws from that mixture;
-- after a few the last tilt is kept. For l = exp(b.x) that is rho itself. Where a single tilt
-- cannot follow rho (several modes, products in many dimensions), the gates refuse as ever.
--
-- It pays in windows where the loss is small: at a digit a ConvNet is sure of (tau 0.1, ce) ESS/N
-- rises from 1e-4 to 0.06, for amp of another class from 0.01 to 0.3, and the errors of P fall with
-- it. On a box (0.6 to 0.65) and around data (0.1 to 0.2, 0.6 to 0.75) more samples count, but the
-- errors of P, in which the slopes weigh as much, hardly change: there plain sampling is as good,
-- and takes all labels at once.
--
-- The table `defence` of `packet:measure` takes
--
-- - `share` (0.3): a, at least 0.1. Less gains little where rho is far away, and makes the tail of
--   the weights look heavy where the tilt follows rho closely
-- - `pilot` (2000): samples of each pilot, `rounds` (3): how many
-- @module conjugate.packet.defence
-- @source Hesterberg, Technometrics 1995 (defensive mixtures); Hyvarinen, JMLR 2005, and Yu, Drton
-- and Shojaie, JMLR 2019 (score matching, for s)
local check = require "conjugate.check"
local core = require "conjugate.core"

local M = {}

local OPTIONS = { share = 0.3, pilot = { "integer", 2000 }, rounds = { "integer", 3 } }

--- Reads the options of a defensive mixture.
-- @tparam table|nil given see above
-- @treturn table complete
-- @raise wrong options
function M.read(given)
  local o = check.options("packet", given, OPTIONS)
  check.number("packet", "share", o.share, 0.1, 1)
  check.integer("packet", "pilot", o.pilot, 2, 2 ^ 30)
  check.integer("packet", "rounds", o.rounds, 1, 1000)
  return o
end

--- Fits a tilt by pilots.
-- @tparam table set from `read`
-- @tparam integer pixels
-- @tparam function describe makes the description of a measurement of the one label
-- @tparam function run takes such a measurement and its samples, and fills it
-- @treturn table what a result keeps as `defence`: the settings; `tilt`, s (float64 [M]); `even`,
--   ESS/N of each pilot, and `predicted`, what the last expects of the tilt; `forwards` and
--   `backwards` of all pilots
function M.fit(set, pixels, describe, run)
  local out = {
    share = set.share, pilot = set.pilot, rounds = set.rounds, even = {}, forwards = 0,
    backwards = 0, tilt = core.new({ pixels }, 0, "float64", "packet"),
  }
  for round = 1, set.rounds do
    local d = describe()
    d.tilt, d.share, d.stream = out.tilt, set.share, round
    d.samples, d.set, d.face_pixels, d.face_samples = set.pilot, "pilot", {}, 0
    local m = core.packet_new(d)
    local forwards, backwards = run(m, set.pilot)
    out.forwards, out.backwards = out.forwards + forwards, out.backwards + backwards
    out.even[round] = core.packet_evenness(m, 1).ess / set.pilot
    out.tilt, out.predicted = core.packet_fit(m)
  end
  return out
end

return M
