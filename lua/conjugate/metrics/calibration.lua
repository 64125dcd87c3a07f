--- Are confidences what they say? Expected calibration error and Brier score, on clean images and
-- under an attack.
--
-- The confidence of a prediction is its probability under softmax. Predictions are sorted into 15
-- bins of equal width, bin b holding confidences in ((b - 1) / 15, b / 15];
-- `ECE = sum_b n_b / n |accuracy_b - confidence_b|`, the means being over the bin. The Brier score
-- is the mean of `sum_k (p_k - [y = k])^2`: 0 for certain and right, 2 for certain and wrong.
-- @module conjugate.metrics.calibration
-- @source Naeini et al., AAAI 2015; Guo et al., ICML 2017; Brier, Monthly Weather Review 78 (1950)
local check = require "conjugate.check"
local guards = require "conjugate.metrics.guards"
local walk = require "conjugate.metrics.walk"

local M = {}

local BINS = 15

local function new_tally(bins)
  local tally = { n = 0, right = 0, confidence = 0, brier = 0, bins = {} }
  for b = 1, bins do
    tally.bins[b] = { low = (b - 1) / bins, high = b / bins, n = 0, right = 0, confidence = 0 }
  end
  return tally
end

local function bin_of(confidence, bins)
  return math.min(math.max(math.ceil(confidence * bins), 1), bins)
end

-- Adds one sample: its probabilities and label.
local function add(tally, p, label)
  local best, brier = 1, 0
  for k = 1, #p do
    if p[k] > p[best] then best = k end
    brier = brier + (p[k] - (k == label + 1 and 1 or 0)) ^ 2
  end
  local right, bin = best == label + 1 and 1 or 0, tally.bins[bin_of(p[best], #tally.bins)]
  for _, t in ipairs { tally, bin } do
    t.n, t.right, t.confidence = t.n + 1, t.right + right, t.confidence + p[best]
  end
  tally.brier = tally.brier + brier
end

local function finish(tally)
  local n, ece = tally.n, 0
  local r = { n = n, bins = {} }
  for b, bin in ipairs(tally.bins) do
    ece = ece + math.abs(bin.right - bin.confidence) / n
    r.bins[b] = { low = bin.low, high = bin.high, n = bin.n }
    if bin.n > 0 then
      r.bins[b].accuracy, r.bins[b].confidence = bin.right / bin.n, bin.confidence / bin.n
    end
  end
  r.ece, r.brier = ece, tally.brier / n
  r.accuracy, r.confidence = tally.right / n, tally.confidence / n
  return r
end

local function add_logits(tally, z, labels)
  for i, p in ipairs(z:to("float64"):softmax(2):table()) do add(tally, p, labels[i]) end
end

--- Calibration of given logits.
-- @function calibration_of
-- @tparam Tensor z logits, float [N, K]
-- @tparam Tensor|{integer,...} y labels, 0..K-1
-- @tparam[opt=15] integer bins of equal width
-- @treturn table ece, brier, accuracy, confidence (shares, not percent), n, bins = list of { low,
--   high, n, accuracy, confidence } (the last two nil in an empty bin)
-- @raise wrong arguments
function M.calibration_of(z, y, bins)
  check.tensor("calibration", "z", z, "float", 2)
  check.integer("calibration", "bins", bins or BINS, 1, 1e6)
  local labels = check.is_tensor(y) and y:table() or check.table("calibration", "y", y)
  if #labels ~= z:size(1) or #labels == 0 then
    check.fail("calibration", "expected as many labels as rows of logits and at least one, got %d "
      .. "and %d", #labels, z:size(1))
  end
  for _, label in ipairs(labels) do
    check.integer("calibration", "labels", label, 0, z:size(2) - 1)
  end
  local tally = new_tally(bins or BINS)
  add_logits(tally, z, labels)
  return finish(tally)
end

--- Calibration on a set, clean and attacked, in evaluation mode.
-- @function calibration
-- @param net a network, or a function of images that gives logits
-- @tparam DataSet set images and labels
-- @tparam[opt] table opts `attack` (without it, clean images alone), `bins` (15), `batch`, `seed`,
--   `quiet`
-- @treturn table clean, attacked (of x_adv of all images; nil without an attack): each as
--   `calibration_of` gives
-- @raise wrong arguments; what the attack raises
-- @usage local c = cj.metrics.calibration(net, test, { attack = cj.attacks.pgd { eps = 0.1 } })
-- print(c.clean.ece, c.attacked.ece)
function M.calibration(net, set, opts)
  local o = walk.options("calibration", opts, { attack = { "table" }, bins = { "integer", BINS } })
  check.integer("calibration", "bins", o.bins, 1, 1e6)
  if o.attack then walk.check_attack("calibration", o.attack) end
  local clean, attacked = new_tally(o.bins), o.attack and new_tally(o.bins)
  walk.each("calibration", { net }, set, o, function(models, x, y, first)
    local labels, z = y:table(), walk.logits(models[1], x)
    guards.logits("calibration", z, x:size(1), set.classes)
    add_logits(clean, z, labels)
    if not attacked then return end
    local r = o.attack(models[1], x, y, walk.call(o, first))
    add_logits(attacked, walk.logits(models[1], r.x_adv), labels)
  end)
  return { clean = finish(clean), attacked = attacked and finish(attacked) }
end

return M
