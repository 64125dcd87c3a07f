--- What commands about a checkpoint read: network, images, attacks.
-- @module conjugate.cli.inputs
local cli = require "conjugate.cli"

local M = {}

--- Adds the options that name them to a command.
-- @tparam argparse.Parser parser of the command
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
  parser:option("--norm", "linf, l2 or l1."):argname "<name>"
  parser:option("--loss", "ce, cw or dlr."):argname "<name>"
  parser:option("--set", "Further option of the attacks, as KEY=VALUE; may be repeated.")
    :argname "<key=value>":count "*"
  parser:option("--limit", "Use only the first images."):argname "<n>":convert(cli.integer(1))
  parser:option("--batch", "Images at a time; the result does not depend on it."):argname "<n>"
    :default "250":convert(cli.integer(1))
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

--- Loads the checkpoint and the images.
-- @tparam table options of the command; `data` is filled in
-- @treturn Module or nil
-- @treturn DataSet or a message
function M.load(options)
  local net, about = require("conjugate.run.checkpoint").load(options.checkpoint)
  if not net then return nil, about end
  local set, message = load_set(options, about)
  if not set then return nil, message end
  return net, set
end

--- The options of attacks: those named and those of --set.
-- @tparam table options of the command
-- @treturn table or nil and a message
function M.attack_options(options)
  local given, message = require("conjugate.cli.train").settings(options.set)
  if not given then return nil, message end
  for _, key in ipairs { "eps", "alpha", "steps", "restarts", "norm", "loss" } do
    if options[key] ~= nil then given[key] = options[key] end
  end
  return given
end

--- Makes the attacks.
-- @tparam table options of the command
-- @treturn {Attack,...} or nil and a message
function M.attacks(options)
  local cj = require "conjugate"
  local list = {}
  for i, name in ipairs(options.attack) do
    local maker = cj.attacks[name]
    if not maker then return nil, ("there is no attack %s; conjugate list attacks"):format(name) end
    local given, message = M.attack_options(options)
    if not given then return nil, message end
    given.seed = given.seed or options.seed
    if options.out and maker.defaults and maker.defaults.out then -- a long attack keeps a journal
      given.out = ("%s/%s%s"):format(options.out, name, i > 1 and "-" .. i or "")
    end
    list[i] = maker(given)
  end
  return list
end

--- What a result says of its origin.
-- @tparam table options of the command
-- @treturn table
function M.about(options)
  return {
    checkpoint = options.checkpoint, data = options.data, split = options.split,
    seed = options.seed,
  }
end

return M
