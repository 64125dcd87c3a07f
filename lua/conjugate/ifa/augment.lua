--- The augmented classifier of the IFA pipeline: z(x + G(x)), one network to whoever calls it.
-- @module conjugate.ifa.augment
local cj = require "conjugate"

local Augmented = cj.nn.class "Augmented"

--- Puts a generator before a classifier.
-- @tparam Module net classifier, logits [B, K]
-- @tparam Module generator images [B, C, H, W] to changes of the same shape, in pixel units
-- @tparam[opt="none"] string clip "box" clamps x + G(x) to [0, 1]
function Augmented:init(net, generator, clip)
  self.generator = generator
  self.net = net
  self.clip = clip or "none"
end

--- The image that the classifier sees.
-- @tparam Tensor x [B, C, H, W]
-- @treturn Tensor x + G(x), clamped when asked for
function Augmented:augment(x)
  local y = x + self.generator(x)
  if self.clip == "box" then y = y:clamp(0, 1) end
  return y
end

--- Logits of the augmented images.
-- @tparam Tensor x [B, C, H, W]
-- @treturn Tensor [B, K]
function Augmented:forward(x)
  return self.net(self:augment(x))
end

return Augmented
