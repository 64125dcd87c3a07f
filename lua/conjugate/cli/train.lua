--- `conjugate train`: trains a model on a data set in a run directory.
-- @module conjugate.cli.train
local cli = require "conjugate.cli"

local M = {}

M.summary = "train a model, or go on with a run that was stopped"
M.description = "Trains a model and writes a run directory: config.json, metrics.jsonl and, at "
  .. "the end, model.safetensors. Killed at any moment, the same command goes on and ends with "
  .. "the same bytes. The paper's plain setting is --batch 128 --lr 1e-3 --schedule none."
M.examples = {
  { "train --model convnet --data mnist --epochs 1 --seed 1 --out runs/a",
    "the final checkpoint is runs/a/model.safetensors" },
  { "train --model resnet --set n=3 --data cifar10 --epochs 20 --augment cifar --schedule cosine",
    "a deeper model with options, augmentation and a schedule" },
}
M.out = "Run directory; the default is runs/MODEL-DATA-sSEED."
M.order = { "ta", "n", "checkpoint", "epochs", "steps", "seconds" }

function M.define(parser)
  parser:option("--model", "Name of the model."):argname "<name>":default "convnet"
  parser:option("--set", "Option of the model, as KEY=VALUE; may be repeated.")
    :argname "<key=value>":count "*"
  parser:option("--data", "Name of the data set."):argname "<name>":default "mini"
  parser:option("--epochs", "Passes over the training set."):argname "<n>":default "1"
    :convert(cli.integer(0))
  parser:option("--batch", "Images a step."):argname "<n>":default "64":convert(cli.integer(1))
  parser:option("--lr", "Learning rate."):argname "<x>":default "2e-3":convert(cli.number)
  parser:option("--optimizer", "sgd, adam, adamw or rmsprop."):argname "<name>":default "adam"
  parser:option("--momentum", "Momentum, for sgd."):argname "<x>":convert(cli.number)
  parser:option("--weight-decay", "Weight decay."):argname "<x>":convert(cli.number)
  parser:option("--schedule", "cosine (to zero at the end), step, plateau or none.")
    :argname "<name>":default "cosine"
  parser:option("--augment", "Name of an augmentation."):argname "<name>"
  parser:option("--limit", "Use only the first images of the training set."):argname "<n>"
    :convert(cli.integer(1))
  parser:option("--keep", "Epochs kept as epoch-NNNN.safetensors: all, or such as 1,2,5.")
    :argname "<epochs>"
  parser:option("--checkpoint-seconds", "Time between states."):argname "<s>":default "5"
    :convert(cli.number)
end

-- KEY=VALUE words as a table.
local function settings(words)
  local options = {}
  for _, word in ipairs(words or {}) do
    local key, text = word:match "^([%w_]+)=(.*)$"
    if not key then return nil, ("expected KEY=VALUE for --set, got %s"):format(word) end
    local value = cli.number(text)
    if text == "true" or text == "false" then value = text == "true" end
    options[key] = value == nil and text or value
  end
  return options
end
M.settings = settings

local function kept_epochs(text)
  if text == nil or text == "all" then return text end
  local list = {}
  for word in text:gmatch "[^,]+" do
    local epoch = tonumber(word)
    if not epoch then
      return nil, ("expected all or epochs such as 1,2,5 for --keep, got %s"):format(text)
    end
    list[#list + 1] = epoch
  end
  return list
end

--- Loads a data set and shortens it.
-- @tparam string name name of the set
-- @tparam ?integer limit images of the training set to keep
-- @treturn DataSet training set, or nil and a message
-- @treturn DataSet test set
function M.load_data(name, limit)
  local train, test = require("conjugate").data.load(name)
  if not train then return nil, test end
  if limit and limit < train:size() then train = train:take(limit) end
  return train, test
end

local function fit_options(options, keep, test)
  local momentum = options.momentum and { momentum = options.momentum }
  return {
    epochs = options.epochs, batch = options.batch, lr = options.lr, optimizer = options.optimizer,
    optimizer_options = momentum, weight_decay = options.weight_decay,
    schedule = options.schedule ~= "none" and options.schedule or nil,
    augment = options.augment, keep = keep, test = test, out = options.out, seed = options.seed,
    checkpoint_seconds = options.checkpoint_seconds, quiet = options.quiet,
  }
end

local function describe(options, history)
  local last = history.epochs[#history.epochs] or {}
  local result = {
    ta = last.ta, ta_interval = last.ta_interval, n = last.n, loss = last.loss,
      model = options.model,
    data = options.data, seed = options.seed, epochs = options.epochs, steps = history.steps,
    seconds = history.seconds, checkpoint = options.out .. "/model.safetensors",
    resumed_at = history.resumed_at, finished_before = history.finished_before,
  }
  if not last.ta then return result, "wrote " .. result.checkpoint end
  return result, ("TA %.2f %% [%.2f, %.2f] of %d after %d epochs, %d steps; checkpoint %s"):format(
    last.ta, last.ta_interval[1], last.ta_interval[2], last.n, options.epochs, history.steps,
    result.checkpoint)
end

function M.run(options)
  local cj = require "conjugate"
  local extra, message = settings(options.set)
  if not extra then return nil, message end
  local keep, why = kept_epochs(options.keep)
  if why then return nil, why end
  local train, test = M.load_data(options.data, options.limit)
  if not train then return nil, test end
  local build = cj.models[options.model]
  if not build then
    return nil, ("there is no model %s; conjugate list models"):format(options.model)
  end
  options.out = options.out or ("runs/%s-%s-s%d"):format(options.model, options.data, options.seed)
  extra.data = train
  local net = build(extra)
  return describe(options, cj.fit(net, train, fit_options(options, keep, test)))
end

return M
