--- `conjugate metrics`: robustness metrics of a checkpoint beyond accuracy.
-- @module conjugate.cli.metrics
local inputs = require "conjugate.cli.inputs"
local json = require "conjugate.run.json"

local M = {}

M.summary = "measure CLEVER, distortions, curves, calibration, transfer of a checkpoint"
M.description = "Measures one or more metrics on a data set. clever and su bring their own attacks "
  .. "and take options of CLEVER from --set; distortion needs one attack (deepfool unless named), "
  .. "curve one at several radii (--eps 0.05,0.1) or one of least distance with the radii as "
  .. "--eps, eight_bit and transfer any one; calibration may have one."
M.examples = {
  { "metrics clever --checkpoint runs/a/model.safetensors --limit 100 --set batches=10 "
    .. "--set samples=256", "CLEVER scores of 100 images, l2" },
  { "metrics curve --checkpoint runs/a/model.safetensors --attack deepfool --norm l2 "
    .. "--eps 0.5,1,1.5", "robust accuracy at three radii from least distances" },
  { "metrics calibration eight_bit --checkpoint runs/a/model.safetensors --attack pgd --eps 0.1 "
    .. "--json", "two metrics of one attack" },
  { "metrics transfer --checkpoint runs/a/model.safetensors --against runs/b/model.safetensors "
    .. "--attack pgd --eps 0.1", "how attacks on one model do on the other" },
}
M.order = { "checkpoint", "data", "split", "n", "seed" }

local NAMES = { "clever", "distortion", "curve", "calibration", "eight_bit", "transfer", "su" }

function M.define(parser)
  parser:argument("metric", "clever, distortion, curve, calibration, eight_bit, transfer or su.")
    :args "+":choices(NAMES)
  inputs.define(parser)
  parser:option("--against", "With transfer: another checkpoint; may be repeated.")
    :argname "<file>":count "*"
end

-- --- attacks ------------------------------------------------------------------------------------

-- The one attack that was named.
local function one_attack(options, metric)
  if #options.attack ~= 1 then
    return nil, ("%s needs one attack: give --attack once"):format(metric)
  end
  local list, message = inputs.attacks(options)
  return list and list[1], message
end

-- The attack of a curve, and its radii where the attack has none of its own.
local function curve_attack(options)
  local family = require("conjugate").attacks[options.attack[1]]
  local free = type(family) == "table" and family.defaults and family.defaults.eps
  if not free then return one_attack(options, "curve") end
  local radii = options.eps
  options.eps = nil
  local attack, message = one_attack(options, "curve")
  options.eps = radii
  return attack, message, type(radii) == "number" and { radii } or radii
end

local function settings(options)
  local given, message = require("conjugate.cli.train").settings(options.set)
  if not given then return nil, message end
  given.seed, given.quiet = options.seed, options.quiet
  return given
end

-- --- the metrics --------------------------------------------------------------------------------

local function percent(share)
  return ("%.2f %%"):format(100 * share)
end

local function calibration_text(c)
  local lines = {}
  for _, name in ipairs { "clean", "attacked" } do
    local r = c[name]
    if r then
      lines[#lines + 1] = ("%-9s ECE %s, Brier score %.4f, accuracy %s, confidence %s"):format(name,
        percent(r.ece), r.brier, percent(r.accuracy), percent(r.confidence))
    end
  end
  return table.concat(lines, "\n")
end

local function curve_text(points)
  local lines = {}
  for i, p in ipairs(points) do
    lines[i] = ("eps %-10.6g RA %6.2f %%  [%6.2f, %6.2f]  %d/%d"):format(p.eps, p.ra, p.interval[1],
      p.interval[2], p.count, p.n)
  end
  return table.concat(lines, "\n")
end

local function su_text(result)
  local lines = {}
  for _, target in ipairs { "random", "second", "least" } do
    local row = result[target]
    local function line(name, value, rate)
      lines[#lines + 1] = ("%-7s %-18s %s%s"):format(target, name,
        value and ("%.6g"):format(value) or "undefined",
        rate and (", success rate %.2f %%"):format(rate) or "")
    end
    line("worst-case linf", row.linf.mean, row.linf.success_rate)
    line("l2 per pixel", row.cw.per_pixel, row.cw.success_rate)
    line("CLEVER per pixel", row.clever and row.clever.per_pixel)
  end
  return table.concat(lines, "\n")
end

-- Other checkpoints, by file name.
local function all_models(options, net)
  local models = { [options.checkpoint] = net }
  for _, path in ipairs(options.against) do
    local other, message = require("conjugate.run.checkpoint").load(path)
    if not other then return nil, message end
    models[path] = other
  end
  return models
end

-- A rate that is undefined is null, not a hole.
local function without_holes(matrix)
  for _, row in ipairs(matrix.rates) do
    for b = 1, #matrix.names do row[b] = row[b] or json.null end
  end
  return matrix
end

-- Each gives its result and a text, or nil and a message.

local function run_clever(metrics, net, set, options)
  local given, message = settings(options)
  if not given then return nil, message end
  given.norm = options.norm
  local r = metrics.clever(net, set, given)
  return r, tostring(r)
end

local function run_su(metrics, net, set, options, opts)
  local given, message = settings(options)
  if not given then return nil, message end
  local r = metrics.su(net, set, {
    clever = given, batch = opts.batch, seed = opts.seed, quiet = opts.quiet,
  })
  return r, su_text(r)
end

local function run_distortion(metrics, net, set, options, opts)
  if #options.attack == 0 then options.attack = { "deepfool" } end
  local attack, message = one_attack(options, "distortion")
  if not attack then return nil, message end
  local r = metrics.distortion(net, set, attack, opts)
  return r, tostring(r)
end

local function run_curve(metrics, net, set, options, opts)
  local attack, message, radii = curve_attack(options)
  if not attack then return nil, message end
  local points = metrics.curve(net, set, attack, {
    eps = radii, batch = opts.batch, seed = opts.seed, quiet = opts.quiet,
  })
  return points, curve_text(points)
end

local function run_calibration(metrics, net, set, options, opts)
  local attack, message
  if #options.attack > 0 then
    attack, message = one_attack(options, "calibration")
    if not attack then return nil, message end
  end
  local r = metrics.calibration(net, set, {
    attack = attack, batch = opts.batch, seed = opts.seed, quiet = opts.quiet,
  })
  return r, calibration_text(r)
end

local function run_eight_bit(metrics, net, set, options, opts)
  local attack, message = one_attack(options, "eight_bit")
  if not attack then return nil, message end
  local r = metrics.eight_bit_accuracy(net, set, attack, opts)
  return r, tostring(r)
end

local function run_transfer(metrics, net, set, options, opts)
  local models, why = all_models(options, net)
  if not models then return nil, why end
  local attack, message = one_attack(options, "transfer")
  if not attack then return nil, message end
  local r = metrics.transfer(models, set, attack, opts)
  local text = tostring(r)
  return without_holes(r), text
end

local run = {
  clever = run_clever, distortion = run_distortion, curve = run_curve, su = run_su,
  calibration = run_calibration, eight_bit = run_eight_bit, transfer = run_transfer,
}

function M.run(options)
  local metrics = require "conjugate.metrics"
  local net, set = inputs.load(options)
  if not net then return nil, set end
  local opts = { batch = options.batch, seed = options.seed, quiet = options.quiet }
  local result, texts = inputs.about(options), {}
  result.n = set:size()
  for _, name in ipairs(options.metric) do
    local value, text = run[name](metrics, net, set, options, opts)
    if not value then return nil, text end
    result[name] = value
    texts[#texts + 1] = text
  end
  return result, table.concat(texts, "\n")
end

return M
