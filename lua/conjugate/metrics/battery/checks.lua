--- The checks of the masking battery: what was measured against its limit.
--
-- Each check is a table: `key`, `title` (what should hold), `status` ("pass", "fail", "skipped",
-- "reported"), `measured` (list of `name`, `value`, `unit`, and `low`, `high` where it is a share),
-- `limit` (text), `reason` (of a check that was skipped), `means` (of a failure: "masked",
-- "unconverged" or "random").
-- @module conjugate.metrics.battery.checks
local wilson = require "conjugate.metrics.wilson"

local M = {}

local SQUARE_GAIN, STEPS_GAIN = 0.2, 0.5 -- points
local ZEROS = 1 -- percent
local GAP = 1e-4 -- between logits of two passes, relative
local FALL = 0.01 -- of the whole rise of the loss, within a quarter of the steps

local function share(name, count, n)
  local low, high = wilson.interval(count, n)
  return { name = name, value = 100 * count / n, low = 100 * low, high = 100 * high, unit = "%" }
end

-- Samples that are right and not in any of these lists.
local function robust(work, ...)
  local count = 0
  for i = 1, work.n do
    local stands = work.right[i]
    for k = 1, select("#", ...) do stands = stands and not select(k, ...)[i] end
    if stands then count = count + 1 end
  end
  return count
end

local function broken_by(work, key)
  return work.by_key[key].broken
end

local function accuracy(work, name, ...)
  return share(name, robust(work, ...), work.n)
end

-- Samples that some white-box attack broke.
local function white_box(work)
  local any = {}
  for _, tally in ipairs(work.tallies) do
    for i = 1, tally.white and work.n or 0 do any[i] = any[i] or tally.broken[i] end
  end
  return any
end

local function verdict(ok, means)
  return ok and "pass" or "fail", means
end

-- Samples that a black-box way broke and no white-box attack did.
local function alone(work, name, list)
  local any = white_box(work)
  local count = robust(work, any) - robust(work, any, list)
  return share(name, count, work.n), count
end

local function check_passes(work)
  local status, means = verdict(work.gap <= GAP and work.changed == 0, "random")
  return {
    title = "repeated forward passes agree", status = status, means = means,
    limit = ("logits within %g of the largest, the same predictions"):format(GAP),
    measured = {
      { name = "largest relative gap", value = work.gap, unit = "" },
      { name = "changed predictions", value = work.changed, unit = "" },
    },
  }
end

local function check_gradients(work)
  local tally = work.by_key.iterated
  local c = {
    title = "gradients are not zero", limit = ("below %g %% of the gradients"):format(ZEROS),
    means = "masked",
  }
  if tally.gradients == 0 then
    c.status, c.reason = "skipped", "no sample is right before the attack"
    return c
  end
  c.measured = { share("zero everywhere", tally.zeros, tally.gradients) }
  c.status = verdict(c.measured[1].value < ZEROS)
  return c
end

-- Mean loss after 0, 1/4, 1/2, 3/4 and all of the steps.
local function quarters(trace)
  local means = {}
  for k = 0, 4 do
    local step = trace[math.floor(k * (#trace - 1) / 4 + 0.5) + 1]
    means[k + 1] = step and step.samples > 0 and step.loss / step.samples or nil
  end
  return means
end

local function check_loss(work)
  local means = quarters(work.by_key.iterated.trace)
  local c = {
    title = "the loss rises along PGD", means = "masked",
    limit = ("higher at the end, and in no quarter a fall of more than %g %% of the rise"):format(
      100 * FALL),
  }
  if #means < 5 then
    c.status, c.reason = "skipped", "no sample is right before the attack"
    return c
  end
  local rise, worst = means[5] - means[1], math.huge
  for k = 2, 5 do worst = math.min(worst, means[k] - means[k - 1]) end
  c.status = verdict(rise > 0 and worst >= -FALL * rise)
  c.measured = {
    { name = "mean loss at the start", value = means[1], unit = "" },
    { name = "mean loss at the end", value = means[5], unit = "" },
    { name = "least rise in a quarter", value = worst, unit = "" },
  }
  return c
end

local function check_iterated(work)
  local one = accuracy(work, "RA under one step", broken_by(work, "one"))
  local many = accuracy(work, "RA under PGD", broken_by(work, "iterated"))
  return {
    title = "an iterated attack is at least as strong as one step", means = "masked",
    limit = "RA under PGD is not higher", measured = { one, many },
    status = verdict(many.value <= one.value),
  }
end

local function check_steps(work)
  local few = accuracy(work, "RA, N steps", broken_by(work, "iterated"))
  local many = accuracy(work, "RA, 4 N steps", broken_by(work, "longer"))
  return {
    title = "four times the steps change nothing", means = "unconverged",
    limit = ("RA within %g points"):format(STEPS_GAIN), measured = { few, many },
    status = verdict(math.abs(few.value - many.value) <= STEPS_GAIN + 1e-9),
  }
end

local function check_large(work)
  local chance = 100 / work.classes
  local ra = accuracy(work, "RA", broken_by(work, "large"))
  return {
    title = "ε = 0.5 in the max norm breaks the model", means = "masked", measured = { ra },
    limit = ("RA at most chance, %.4g %%"):format(chance), status = verdict(ra.value <= chance),
  }
end

local function check_noise(work)
  local gain, count = alone(work, "broken by noise alone", work.noise)
  return {
    title = "random noise never beats the attacks", means = "masked",
    limit = "no sample is broken by noise alone", status = verdict(count == 0),
    measured = {
      accuracy(work, ("RA, %d draws"):format(work.o.draws), work.noise),
      accuracy(work, "RA, white box", white_box(work)), gain,
    },
  }
end

local function check_square(work)
  local c = {
    title = "an attack without gradients adds nothing", means = "masked",
    limit = ("Square breaks at most %g points more"):format(SQUARE_GAIN),
  }
  if not work.by_key.square then
    c.status, c.reason = "skipped", "there is no attack named square"
    return c
  end
  local gain = alone(work, "broken by Square alone", broken_by(work, "square"))
  c.measured = { accuracy(work, "RA, white box", white_box(work)), gain }
  c.status = verdict(gain.value <= SQUARE_GAIN + 1e-9)
  return c
end

local function check_transfer(work)
  local c = {
    title = "another model's examples are weaker", means = "masked",
    limit = "RA is not lower than of the white-box attacks",
  }
  if not work.o.transfer then
    c.status, c.reason = "skipped", "no other model was given (--transfer FILE)"
    return c
  end
  local any = white_box(work)
  local other = accuracy(work, "RA, transferred", work.transferred)
  local white = accuracy(work, "RA, white box", any)
  c.measured = { other, white, (alone(work, "broken by transfer alone", work.transferred)) }
  c.status = verdict(other.value >= white.value)
  return c
end

local function check_rounding(work)
  local floats = accuracy(work, "RA on PGD's result", work.kept)
  local bytes = accuracy(work, "RA on it in 8 bits", work.rounded)
  return {
    title = "rounding to 8 bits", status = "reported", limit = "none",
    measured = { floats, bytes,
      { name = "change", value = bytes.value - floats.value, unit = "points" } },
  }
end

local order = {
  { "passes", check_passes },
  { "gradients", check_gradients },
  { "loss", check_loss },
  { "iterated", check_iterated },
  { "steps", check_steps },
  { "large", check_large },
  { "noise", check_noise },
  { "square", check_square },
  { "transfer", check_transfer },
  { "rounding", check_rounding },
}

--- Judges what was gathered.
-- @tparam table work see `conjugate.metrics.battery.gather`
-- @treturn {table,...} checks in order
-- @treturn string "masked", "unconverged", "random", "incomplete" or "trustworthy"
function M.judge(work)
  local list, failed, missing = {}, {}, false
  for i, entry in ipairs(order) do
    local c = entry[2](work)
    c.key, list[i] = entry[1], c
    c.measured = c.measured or {}
    if c.status == "fail" then failed[c.means] = true end
    missing = missing or c.status == "skipped" and c.key ~= "transfer"
  end
  for _, word in ipairs { "random", "masked", "unconverged" } do
    if failed[word] then return list, word end
  end
  return list, missing and "incomplete" or "trustworthy"
end

return M
