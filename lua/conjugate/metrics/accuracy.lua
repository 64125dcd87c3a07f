--- Accuracy on clean images.
-- @module conjugate.metrics.accuracy
local cj = require "conjugate"
local guards = require "conjugate.metrics.guards"
local mode = require "conjugate.nn.mode"
local interrupt = require "conjugate.run.interrupt"
local plans = require "conjugate.plan"
local progress = require "conjugate.run.progress"

local M = {}

--- Number of predictions that agree with the labels.
-- @tparam Tensor predicted int64 [B], labels from 0
-- @tparam Tensor y int64 [B]
-- @treturn integer
function M.hits(predicted, y)
  return predicted:eq(y):to("int64"):sum():item()
end

local function count(net, set, opts)
  local hits, done = 0, 0
  local bar = progress.new {
    label = opts.label or "accuracy", total = set:size(), unit = "images", quiet = opts.quiet,
  }
  for x, y in cj.data.batches(set, { batch = opts.batch or 250 }) do
    if done == 0 then net = plans.model(net, x, false) end
    cj.no_grad(function()
      guards.pixels("accuracy", x)
      local z = net(x)
      if done == 0 then guards.logits("accuracy", z, x:size(1), set.classes) end
      hits = hits + M.hits(z:predict(), y)
    end)
    done = done + x:size(1)
    bar:update(done)
    interrupt.poll()
  end
  bar:clear()
  return hits, done
end

--- Counts right predictions, in evaluation mode; the network's mode is set back afterwards.
-- @param net a network or any function of images [B, C, H, W] in [0, 1] that gives logits [B, K]
-- @tparam DataSet set images and labels
-- @tparam[opt] table opts `batch` (images at a time, 250), `quiet`, `label`
-- @treturn integer right predictions
-- @treturn integer images
-- @raise pixels outside [0, 1]; logits that are not finite, of the wrong shape, or probabilities
function M.count(net, set, opts)
  opts = opts or {}
  return mode.in_eval(net, function()
    guards.mode("accuracy", net)
    return count(net, set, opts)
  end)
end

--- Share of right predictions, in percent.
-- @param net as for `count`
-- @tparam DataSet set images and labels
-- @tparam[opt] table opts as for `count`
-- @treturn number percent, 0..100
function M.accuracy(net, set, opts)
  local hits, n = M.count(net, set, opts)
  return 100 * hits / n
end

return M
