--- `conjugate bench`: how fast training and attacking are here.
-- @module conjugate.cli.bench
local cli = require "conjugate.cli"
local system = require "conjugate.run.system"

local M = {}

M.summary = "measure the speed of training and attacking"
M.description = "Median images a second over some repeats, on random images of MNIST's shape."
M.examples = {
  { "bench --model convnet --batch 128", "training and input-gradient speed of a model" },
}
M.order = { "model", "batch", "threads", "isa", "predict", "train", "attack" }

function M.define(parser)
  parser:option("--model", "Name of the model."):argname "<name>":default "convnet"
  parser:option("--batch", "Images a step."):argname "<n>":default "128":convert(cli.integer(1))
  parser:option("--repeats", "Repeats of which the median counts."):argname "<n>":default "7"
    :convert(cli.integer(1))
end

local LEAST = 0.1 -- seconds of a repeat; shorter work is run several times

local function seconds_of(times, f)
  local started = system.now()
  for _ = 1, times do f() end
  return (system.now() - started) / times
end

local function median_rate(images, repeats, f)
  f() -- warm-up
  local runs, times = math.max(1, math.ceil(LEAST / seconds_of(1, f))), {}
  for i = 1, repeats do times[i] = seconds_of(runs, f) end
  table.sort(times)
  return images / times[math.floor((repeats + 1) / 2)]
end

function M.run(options)
  local cj = require "conjugate"
  local n = options.batch
  local net = cj.models[options.model] { channels = 1, size = 28, classes = 10 }
  local x, y = cj.rand { n, 1, 28, 28 }, cj.zeros({ n }, "int64")
  local result = {
    model = options.model, batch = n, threads = cj.threads(), isa = require("conjugate.core").isa(),
  }
  net:eval()
  result.predict = median_rate(n, options.repeats, function() cj.predict(net, x) end)
  local pgd = cj.attacks.pgd { eps = 0.1, alpha = 0.025, steps = 4 }
  result.attack = median_rate(n, options.repeats, function()
    pgd(net, x, y, { paper = true }) -- every image is attacked to the end, right or wrong
  end)
  net:train()
  local optimizer = cj.optim.adam(net:parameters(), { lr = 1e-3 })
  result.train = median_rate(n, options.repeats, function()
    optimizer:zero_grad()
    cj.cross_entropy(net(x), y):backward()
    optimizer:step()
  end)
  return result, ("%s, batch %d, %d threads, %s: predict %.0f, train %.0f, 4-step PGD %.0f "
    .. "images/s")
    :format(result.model, n, result.threads, result.isa, result.predict, result.train,
      result.attack)
end

return M
