--- Options of `cj.fit` and what is made of them: optimiser, schedule, loss, configuration.
-- @module conjugate.train.setup
local cj = require "conjugate"
local check = require "conjugate.check"
local checkpoint = require "conjugate.run.checkpoint"

local M = {}

-- Options of `cj.fit`, for `check.options`.
M.options = {
  epochs = { "integer", 1 }, batch = { "integer", 128 }, shuffle = true,
  lr = { "number", 1e-3 }, optimizer = { "string|table", "adam" }, weight_decay = { "number" },
  optimizer_options = { "table" }, schedule = { "string|table|callable" },
  loss = { "callable" }, augment = { "any" },
  test = { "table" }, test_batch = { "integer", 250 },
  out = { "string" }, keep = { "string|table" }, config = { "table" },
  checkpoint_seconds = { "number", 5 }, checkpoint_steps = { "integer" },
  log_steps = { "integer", 50 },
  plan = { "boolean" }, exact = { "boolean" },
  seed = { "integer" }, on_step = { "callable" }, on_epoch = { "callable" },
  quiet = { "boolean" }, label = { "string" }, on_interrupt = { "string", "raise" },
}

-- Options that change the result and go into config.json as they are.
M.recorded = {
  "epochs", "batch", "shuffle", "lr", "weight_decay", "optimizer_options", "augment", "keep",
  "log_steps", "loss", "plan", "exact",
}

local function check_ranges(opts)
  check.integer("fit", "epochs", opts.epochs, 0)
  check.integer("fit", "batch", opts.batch, 1)
  check.number("fit", "lr", opts.lr, 0)
  if opts.out == "" then check.fail("fit", "expected the name of a folder for out, got \"\"") end
  check.one_of("fit", "on_interrupt", opts.on_interrupt, { "raise", "return" })
  if type(opts.keep) == "string" then check.one_of("fit", "keep", opts.keep, { "all" }) end
  for _, name in ipairs { "checkpoint_steps", "log_steps" } do
    if opts[name] then check.integer("fit", name, opts[name], 1) end
  end
end

-- --- optimiser and schedule ---------------------------------------------------------------------

local function make_optimizer(net, opts)
  if type(opts.optimizer) == "table" then return opts.optimizer end
  check.one_of("fit", "optimizer", opts.optimizer, { "sgd", "adam", "adamw", "rmsprop" })
  local maker = cj.optim[opts.optimizer]
  local settings = { lr = opts.lr, weight_decay = opts.weight_decay }
  for key, value in pairs(opts.optimizer_options or {}) do settings[key] = value end
  return maker(net, settings)
end

-- --- configuration ------------------------------------------------------------------------------

-- What of a value can be written: plain values as they are, the rest by kind.
local function plain(value)
  local kind = type(value)
  if kind == "number" or kind == "string" or kind == "boolean" then return value end
  if kind ~= "table" then return "a " .. kind end
  local copy = {}
  for key, item in pairs(value) do
    if type(key) == "string" or type(key) == "number" then copy[key] = plain(item) end
  end
  return copy
end

-- Everything that changes the result, and nothing else.
local function configuration(job)
  local opts, config = job.opts, {}
  for _, key in ipairs(M.recorded) do
    if opts[key] ~= nil then config[key] = plain(opts[key]) end
  end
  config.optimizer = opts.optimizer
  if type(opts.optimizer) == "table" then
    local state = opts.optimizer:state_dict()
    config.optimizer = { name = state.name, options = plain(state.options) }
  end
  local schedule = opts.schedule
  if schedule ~= nil then
    local made = type(schedule) == "table" and schedule.state_dict
    config.schedule = plain(made and schedule:state_dict() or schedule)
  end
  config.seed = job.seed
  config.model = plain(job.net.config or {})
  config.data = checkpoint.describe_data(job.set)
  if opts.test then config.test = checkpoint.describe_data(opts.test) end
  for key, value in pairs(opts.config or {}) do config[key] = plain(value) end
  return config
end

--- A job from the arguments of `cj.fit`.
-- @tparam Module net the network
-- @tparam DataSet set training data
-- @tparam ?table given options
-- @treturn table with net, set, opts, seed, optimizer, schedule, loss, config
-- @raise wrong arguments
function M.job(net, set, given)
  if type(net) ~= "table" or type(net.named_parameters) ~= "function" then
    check.fail("fit", "expected a network for net, got %s", check.describe(net))
  end
  if type(set) ~= "table" or type(set.batch) ~= "function" then
    check.fail("fit", "expected a data set for set, got %s", check.describe(set))
  end
  if set:size() == 0 then check.fail("fit", "expected at least one image in set, got none") end
  local opts = check.options("fit", given, M.options)
  check_ranges(opts)
  local job = { net = net, set = set, opts = opts, seed = opts.seed or cj.random.state().seed }
  job.optimizer = make_optimizer(net, opts)
  job.schedule = require("conjugate.train.schedule").make(job)
  job.loss = opts.loss or cj.cross_entropy
  job.config = configuration(job)
  return job
end

return M
