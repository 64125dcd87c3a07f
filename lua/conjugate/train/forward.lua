--- Forward and back in a training step: by a plan for full batches, else call by call.
--
-- Which of the two depends on the options, the network and the sizes alone, never on where a run
-- was stopped, so a run that goes on ends with the same bytes.
-- @module conjugate.train.forward
local check = require "conjugate.check"
local interrupt = require "conjugate.run.interrupt"
local plans = require "conjugate.plan"

local M = {}

-- Loss and logits; the loss must be one number on the tape.
local function loss_of(job, x, y)
  local z = job.net(x)
  local loss = check.tensor("fit", "the result of loss", job.loss(z, y))
  if loss:numel() ~= 1 or not loss.requires_grad then
    check.fail("fit", "expected one number that depends on the logits from loss, got %s%s",
      check.describe(loss), loss.requires_grad and "" or " cut from the tape")
  end
  return loss, z
end

-- Layers may change at any step; whatever else enters the loss is looked at once an epoch.
local function still_good(job)
  if job.position > 0 then return job.plan:suits() end
  local ok, same = pcall(job.plan.repeats, job.plan)
  if not ok and interrupt.is(same) then error(same, 0) end
  return ok and same
end

-- The plan for a full batch. Layers that were exchanged, frozen or switched to another mode
-- meanwhile make another one necessary.
local function plan_for(job, x, y)
  if job.opts.plan == false or not plans.enabled then return nil end
  if x:size(1) ~= math.min(job.opts.batch, job.set:size()) then return nil end
  if job.plan and not still_good(job) then
    job.plan:release()
    job.plan = nil
  end
  if job.plan == nil then
    local function f(a, b) return loss_of(job, a, b) end
    job.plan = plans.step(job.net, f, { x, y }, { exact = job.opts.exact }) or false
  end
  return job.plan or nil
end

--- One batch forward and back: the gradients of the parameters are those of this batch afterwards.
-- @tparam table job net, loss, optimizer, opts, set; `plan` is kept in it
-- @tparam Tensor x images [B, C, H, W]
-- @tparam Tensor y labels, int64 [B]
-- @treturn Tensor loss
-- @treturn Tensor logits [B, K]
function M.run(job, x, y)
  local plan = plan_for(job, x, y)
  if plan then
    local loss, z = plan(x, y)
    job.optimizer:zero_grad()
    plan:backward()
    return loss, z
  end
  local loss, z = loss_of(job, x, y)
  job.optimizer:zero_grad()
  loss:backward()
  return loss, z
end

return M
