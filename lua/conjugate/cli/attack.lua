--- `conjugate attack`: accuracy of a checkpoint under attacks.
-- @module conjugate.cli.attack
local cli = require "conjugate.cli"

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
}
M.out = "Folder for report.html, summary.json, records.jsonl and records.csv."
M.order = {
  "failed", "verdict", "ta", "ra_paper", "ra_worst", "n", "seconds", "ta_interval",
  "ra_paper_interval", "ra_worst_interval", "counts", "checkpoint", "data", "split", "seed",
  "attacks", "name", "options",
}

function M.define(parser)
  parser:option("--checkpoint", "A .safetensors file made by train."):argname "<file>":count "1"
  parser:option("--data", "Data set; by default the one the checkpoint was trained "
    .. "on."):argname "<name>"
  parser:option("--split", "test or train."):choices { "test", "train" }:default "test"
  parser:option("--attack", "Name of an attack; may be repeated, none gives TA alone.")
    :argname "<name>":count "*"
  parser:option("--eps", "Radius, or several such as 0.05,0.1,0.2."):argname "<x>"
    :convert(cli.numbers)
  parser:option("--alpha", "Length of a step."):argname "<x>":convert(cli.number)
  parser:option("--steps", "Number of steps."):argname "<n>":convert(cli.integer(0))
  parser:option("--restarts", "Number of restarts."):argname "<n>":convert(cli.integer(1))
  parser:option("--norm", "linf or l2."):argname "<name>"
  parser:option("--loss", "ce, cw or dlr."):argname "<name>"
  parser:option("--set", "Further option of the attacks, as KEY=VALUE; may be repeated.")
    :argname "<key=value>":count "*"
  parser:option("--limit", "Use only the first images."):argname "<n>":convert(cli.integer(1))
  parser:option("--batch", "Images at a time; the result does not depend on it."):argname "<n>"
    :default "250":convert(cli.integer(1))
  parser:flag("--battery", "Look for masked gradients; takes --eps, --norm and --steps (N).")
  parser:option("--transfer", "With --battery: another model's checkpoint, to attack "
    .. "from."):argname "<file>"
  parser:option("--queries", "Queries of the battery's Square."):argname "<n>"
    :convert(cli.integer(1))
  parser:option("--records", "Also write one record a sample and attack: .jsonl or .csv.")
    :argname "<file>"
end

local function attack_options(options)
  local given, message = require("conjugate.cli.train").settings(options.set)
  if not given then return nil, message end
  for _, key in ipairs { "eps", "alpha", "steps", "restarts", "norm", "loss" } do
    if options[key] ~= nil then given[key] = options[key] end
  end
  return given
end

local function make_attacks(options)
  local cj = require "conjugate"
  local list = {}
  for i, name in ipairs(options.attack) do
    local maker = cj.attacks[name]
    if not maker then return nil, ("there is no attack %s; conjugate list attacks"):format(name) end
    local given, message = attack_options(options)
    if not given then return nil, message end
    given.seed = given.seed or options.seed
    list[i] = maker(given)
  end
  return list
end

local function about_of(options)
  return {
    checkpoint = options.checkpoint, data = options.data, split = options.split,
    seed = options.seed,
  }
end

local function load_set(options, about)
  local name = options.data or (type(about.data) == "table" and about.data.name)
  if not name then return nil, "the checkpoint does not name its data; give --data" end
  local train, test = require("conjugate").data.load(name)
  if not train then return nil, test end
  local set = options.split == "train" and train or test
  if options.limit and options.limit < set:size() then set = set:take(options.limit) end
  options.data = name
  return set
end

-- The options of the masking battery: those given here that it knows, and --set.
local function battery_options(options)
  local given, message = require("conjugate.cli.train").settings(options.set)
  if not given then return nil, message end
  for _, key in ipairs { "eps", "norm", "steps", "queries", "batch", "seed", "quiet", "out" } do
    if options[key] ~= nil then given[key] = options[key] end
  end
  given.about = about_of(options)
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
  local net, about = require("conjugate.run.checkpoint").load(options.checkpoint)
  if not net then return nil, about end
  local set, message = load_set(options, about)
  if not set then return nil, message end
  if options.battery then return run_battery(options, net, set) end
  local attacks, why = make_attacks(options)
  if not attacks then return nil, why end
  local result = cj.evaluate(net, set, attacks, {
    batch = options.batch, records = options.records, quiet = options.quiet, out = options.out,
    about = about_of(options),
  })
  return result, tostring(result)
end

return M
