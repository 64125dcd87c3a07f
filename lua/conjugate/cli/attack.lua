--- `conjugate attack`: accuracy of a checkpoint under attacks.
-- @module conjugate.cli.attack
local cli = require "conjugate.cli"
local inputs = require "conjugate.cli.inputs"

local M = {}

M.summary = "measure clean and robust accuracy of a checkpoint"
M.description = "Evaluates a checkpoint on a data set, clean and under each attack named. eps and "
  .. "alpha are in pixel units ([0, 1]) and may be fractions. RA_paper is the accuracy on the "
  .. "last iterates of every sample; RA_worst counts a sample only if no iterate was "
  .. "misclassified. --battery asks instead whether a robust accuracy may be trusted: it looks for "
  .. "masked gradients, and exits non-zero when it finds them."
M.examples = {
  { "attack --checkpoint runs/a/model.safetensors --data mnist --attack pgd --eps 0.1 "
    .. "--alpha 0.025 --steps 4", "the paper's MNIST setting" },
  { "attack --checkpoint runs/b/model.safetensors --attack fgsm --attack bim --eps 8/255 "
    .. "--limit 500 --records runs/b/records.csv --json",
    "two attacks on 500 images, one record a sample" },
  { "attack --battery --checkpoint runs/a/model.safetensors --eps 0.1 --limit 500 "
    .. "--transfer runs/b/model.safetensors", "may the robust accuracy be trusted?" },
  { "attack --checkpoint runs/a/model.safetensors --attack fgsm --attack pgd --eps 0.1 "
    .. "--out runs/a/attack", "also writes a page to look at: runs/a/attack/report.html" },
  { "attack --checkpoint runs/a/model.safetensors --attack autoattack --eps 0.3 --limit 1000 "
    .. "--out runs/aa", "AutoAttack; the same command goes on where it was stopped or killed" },
}
M.out = "Folder for report.html, summary.json, records.jsonl and records.csv."
M.order = {
  "failed", "verdict", "ta", "ra_paper", "ra_worst", "n", "seconds", "ta_interval",
  "ra_paper_interval", "ra_worst_interval", "counts", "checkpoint", "data", "split", "seed",
  "attacks", "name", "options",
}

function M.define(parser)
  inputs.define(parser)
  parser:flag("--battery", "Look for masked gradients; takes --eps, --norm and --steps (N).")
  parser:option("--transfer", "With --battery: another model's checkpoint, to attack "
    .. "from."):argname "<file>"
  parser:option("--queries", "Queries of the battery's Square."):argname "<n>"
    :convert(cli.integer(1))
  parser:option("--records", "Also write one record a sample and attack: .jsonl or .csv.")
    :argname "<file>"
end

-- The options of the masking battery: those given here that it knows, and --set.
local function battery_options(options)
  local given, message = require("conjugate.cli.train").settings(options.set)
  if not given then return nil, message end
  for _, key in ipairs { "eps", "norm", "steps", "queries", "batch", "seed", "quiet", "out" } do
    if options[key] ~= nil then given[key] = options[key] end
  end
  given.about = inputs.about(options)
  if options.transfer then
    given.transfer, message = require("conjugate.run.checkpoint").load(options.transfer)
    given.about.transfer = options.transfer
    if not given.transfer then return nil, message end
  end
  return given
end

local function run_battery(options, net, set)
  if #options.attack > 0 then return nil, "--battery brings its own attacks: leave --attack out" end
  if not options.eps then return nil, "--battery needs a radius: give --eps" end
  local given, message = battery_options(options)
  if not given then return nil, message end
  local result = require("conjugate").battery(net, set, given)
  result.failed = result.verdict ~= "trustworthy" and result.verdict ~= "incomplete"
  return result, tostring(result)
end

function M.run(options)
  local cj = require "conjugate"
  local net, set = inputs.load(options)
  if not net then return nil, set end
  if options.battery then return run_battery(options, net, set) end
  local attacks, why = inputs.attacks(options)
  if not attacks then return nil, why end
  local result = cj.evaluate(net, set, attacks, {
    batch = options.batch, records = options.records, quiet = options.quiet, out = options.out,
    about = inputs.about(options),
  })
  return result, tostring(result)
end

return M
