--- `conjugate ifa`: the augmentation by iterated opposite FGSM, all four steps.
-- @module conjugate.cli.ifa
local cli = require "conjugate.cli"

local M = {}

M.summary = "inverse-attack augmentation of a classifier"
M.description = "Moves training images by iterated opposite FGSM, trains Pix2Pix on the moves, "
  .. "and measures "
  .. "TA and RA of the augmented classifier, attacking through both networks."
M.examples = {
  { "ifa --checkpoint runs/a/model.safetensors --data mini --out runs/ifa",
    "tables, curves and pictures are in runs/ifa" },
}
M.out = "Run directory."

function M.define(parser)
  parser:option("--checkpoint", "The classifier, made by train."):argname "<file>":count "1"
  parser:option("--data", "Data set; by default the one of the checkpoint."):argname "<name>"
  parser:option("--eps", "Step of the opposite FGSM."):argname "<x>":convert(cli.number)
  parser:option("--steps", "Number of steps N."):argname "<n>":convert(cli.integer(1))
  parser:option("--set", "Further option of ifa.run, as KEY=VALUE; may be repeated.")
    :argname "<key=value>":count "*"
end

function M.run(options)
  local cj = require "conjugate"
  local net, about = require("conjugate.run.checkpoint").load(options.checkpoint)
  if not net then return nil, about end
  local name = options.data or about.data.name
  local train, test = cj.data.load(name)
  if not train then return nil, test end
  local given, message = require("conjugate.cli.train").settings(options.set)
  if not given then return nil, message end
  given.model, given.train, given.test = net, train, test
  given.eps, given.steps = options.eps or given.eps, options.steps or given.steps
  given.out, given.quiet = options.out or "runs/ifa", options.quiet
  local result = cj.ifa.run(given)
  return result.summary or result, tostring(result)
end

return M
