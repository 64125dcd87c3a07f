--- Stops an evaluation that cannot mean what it says.
-- Every function raises a message that says what is wrong and how to mend it, or returns nothing.
-- @module conjugate.metrics.guards
-- @source the flags of AutoAttack (Croce & Hein, ICML 2020) and the masking battery of `attacks`
local M = {}

local PIXEL_SLACK, SUM_SLACK = 1e-6, 1e-4

local function fail(fn, format, ...)
  error(("%s: " .. format):format(fn, ...), 0)
end

--- The network must be in evaluation mode: batch norm with running statistics, no dropout.
-- @tparam string fn name of the caller, for the message
-- @param net a network; plain functions have no mode and pass
function M.mode(fn, net)
  if type(net) == "table" and net.training then
    fail(fn, "the network is in train mode, so dropout and batch statistics would decide the "
      .. "answer; call net:eval() first")
  end
end

--- Pixels must lie in [0, 1].
-- @tparam string fn name of the caller
-- @tparam Tensor x floats [B, C, H, W]
function M.pixels(fn, x)
  local low, high = x:min():item(), x:max():item()
  if not (low >= -PIXEL_SLACK and high <= 1 + PIXEL_SLACK) then
    fail(fn, "pixels must lie in [0, 1], but these lie in [%.4g, %.4g]; eps is in these units: "
      .. "divide bytes by 255 and put normalisation into the model as its first layer", low, high)
  end
end

--- Logits must be finite, one per class, and not probabilities.
-- @tparam string fn name of the caller
-- @tparam Tensor z floats [B, K]
-- @tparam integer batch B
-- @tparam ?integer classes K, when known
function M.logits(fn, z, batch, classes)
  if z:dim() ~= 2 or z:size(1) ~= batch then
    local shape = table.concat(z.shape, ", ")
    fail(fn, "the model must give logits [%d, K], but gave [%s]", batch, shape)
  end
  if classes and z:size(2) ~= classes then
    fail(fn, "the model gives %d logits, but the data have %d classes", z:size(2), classes)
  end
  local low, high = z:min():item(), z:max():item()
  if not (low > -math.huge and high < math.huge) then -- NaN fails both
    fail(fn, "the model gives logits that are not finite")
  end
  if z:size(2) < 2 or low < 0 then return end
  local sums = z:sum(2)
  if sums:min():item() > 1 - SUM_SLACK and sums:max():item() < 1 + SUM_SLACK then
    fail(fn, "the model gives probabilities where logits are expected: no output is negative and "
      .. "each row sums to 1; leave the last softmax out, or the gradients of confident samples "
      .. "vanish")
  end
end

--- The same input must give the same logits again.
-- @tparam string fn name of the caller
-- @tparam Tensor first logits [B, K]
-- @tparam Tensor second logits of a second pass
function M.repeatable(fn, first, second)
  local gap = (first - second):abs():max():item()
  if gap ~= 0 then
    fail(fn, "the model gives different logits for the same input (they differ by %.3g); is it in "
      .. "train mode, or random? Attacks need a fixed function", gap)
  end
end

--- Not every input gradient may be zero.
-- @tparam string fn name of the caller
-- @tparam string attack name of the attack
-- @tparam integer zero samples with an all-zero gradient
-- @tparam integer n samples
function M.gradients(fn, attack, zero, n)
  if n > 0 and zero == n then
    fail(fn, "%s saw an all-zero input gradient for all %d samples, so it could not attack; the "
      .. "model may saturate, quantise or cut the tape (detach)", attack, n)
  end
end

return M
