--- Measuring a packet at points of rho itself, drawn by Markov chains.
--
-- The table `mcmc` of `packet:measure` takes
--
-- - `method`: "mala" (default), or "hmc", Hamiltonian Monte Carlo of 1 to `leaps` (20) leapfrog
--   steps a step, at random
-- - `chains` (64): a multiple of 32; they walk side by side
-- - `keep`: steps of each chain that are measured (samples / chains), made even
-- - `burn`: steps before them, in which the step size is adapted (as many, at least 300)
-- - `acceptance`: the share of accepted steps that is aimed at (0.57 for MALA, 0.65 for HMC)
-- - `defence`: against zeros of the loss, where |grad log l|^2 has no variance. Above the limit
--   that this share of the samples exceeds, points are drawn from |grad l|^2 nu, not l^2 nu, and
--   carry the weight that makes up for it; 0 for none. The default is 0.1 for "value" and "mse",
--   and 0 for the losses of softmax, which have no zeros
--
-- On a box the chains walk in the logits of the pixels.
-- @module conjugate.packet.chains
-- @source Roberts & Tweedie, Bernoulli 1996 (MALA); Neal, Handbook of MCMC 2011 (HMC)
local check = require "conjugate.check"
local core = require "conjugate.core"
local fill = require "conjugate.packet.fill"

local M = {}

local OPTIONS = {
  method = "mala",
  chains = { "integer", 64 },
  keep = { "integer" },
  burn = { "integer" },
  leaps = { "integer", 20 },
  acceptance = { "number" },
  defence = { "number" },
}

-- Losses that may cross zero, and the share of samples that defends them.
local VANISHING = { value = 0.1, mse = 0.1 }
local LEAST_BURN = 300

--- Reads the options of chains.
-- @tparam table|nil given see above
-- @tparam integer samples in all, unless `keep` is given
-- @tparam string loss of the packet
-- @treturn table complete; for MALA, one leap
-- @raise wrong options
function M.read(given, samples, loss)
  local o = check.options("packet", given, OPTIONS)
  check.one_of("packet", "method", o.method, { "mala", "hmc" })
  check.integer("packet", "chains", o.chains, 32, 2 ^ 20)
  if o.chains % 32 ~= 0 then
    check.fail("packet", "expected a multiple of 32 for chains, got %d", o.chains)
  end
  local keep = check.integer("packet", "keep", o.keep or math.ceil(samples / o.chains), 1, 2 ^ 30)
  o.keep = math.max(2 * math.ceil(keep / 2), 4)
  o.burn = check.integer("packet", "burn", o.burn or math.max(o.keep, LEAST_BURN), 10, 2 ^ 30)
  o.leaps = o.method == "mala" and 1 or check.integer("packet", "leaps", o.leaps, 1, 10000)
  o.acceptance = check.number("packet", "acceptance",
    o.acceptance or (o.method == "mala" and 0.57 or 0.65), 0.01, 0.99)
  o.defence = check.number("packet", "defence", o.defence or VANISHING[loss] or 0, 0, 0.5)
  return o
end

--- Runs the chains of a measurement to their end.
-- @param m a measurement of the core, made with `mcmc`
-- @tparam table set from `read`
-- @tparam function model
-- @param plan of the model, or nil
-- @tparam function|nil field (x, l, g, label) -> l a(x)
-- @tparam[opt] boolean quiet
-- @treturn integer samples that went forward
-- @treturn integer and backward
function M.run(m, set, model, plan, field, quiet)
  return fill({ label = set.method, total = set.burn + set.keep, unit = "steps", least = 4,
    quiet = quiet }, function(count) return core.packet_run(m, model, plan, field, count) end)
end

local function most(t)
  return t:max():item()
end

--- What the chains say of themselves.
-- @param m a measurement at its end
-- @tparam table set from `read`
-- @treturn table the settings, and `acceptance` (that was reached), `aim`, `eps` (the step size, in
--   logits of pixels or units of tau), `rhat` (the largest) and `ess` (the least) over pixels and
--   log rho, `pixel_rhat` and `pixel_ess` (float64 [M]), `rho_rhat`, `rho_ess`, `lost` (chains
--   that never found a point with l > 0), `tail_k` (Pareto shape of |grad log l|^2, weighted: what
--   g^2 is a mean of)
function M.diagnose(m, set)
  local c, tail = core.packet_chains(m), core.packet_evenness(m, 1)
  return {
    method = set.method, chains = set.chains, burn = set.burn, keep = set.keep,
    leaps = set.leaps, defence = set.defence, aim = set.acceptance, acceptance = c.acceptance,
    eps = c.eps, lost = c.dead,
    pixel_rhat = c.rhat, pixel_ess = c.ess, rho_rhat = c.rho_rhat, rho_ess = c.rho_ess,
    rhat = math.max(most(c.rhat), c.rho_rhat), ess = math.min(-most(-c.ess), c.rho_ess),
    tail_k = tail.k,
  }
end

return M
