--- ConvNet: the LeNet-type network of the paper's MNIST and CIFAR-10 experiments.
-- @module conjugate.models.convnet
local nn = require "conjugate.nn"
local define = require("conjugate.models.define").define

--- [B, channels, size, size] -> logits [B, classes].
-- @function convnet
-- @tparam[opt] table options data, or channels (1), size (28, at least 16), classes (10); normalize
-- @treturn Module
-- @raise wrong or unknown options
-- @source LeCun et al., Proc. IEEE 86 (1998); Zhang et al., arXiv 2205.01493
return define {
  name = "convnet",
  what = "LeNet type: two 5x5 convolutions, three linear layers",
  source = "LeCun et al. 1998",
  classifier = true,
  smallest = 16,
  one_size = true,
  counts = {
    { { channels = 1, size = 28 }, 44426 },
    { { channels = 3, size = 32 }, 62006 },
  },
  layers = function(c)
    local side = math.floor((math.floor((c.size - 4) / 2) - 4) / 2)
    return nn.sequential {
      { "conv1", nn.conv2d(c.channels, 6, 5) }, nn.relu(), nn.max_pool2d(2),
      { "conv2", nn.conv2d(6, 16, 5) }, nn.relu(), nn.max_pool2d(2),
      nn.flatten(),
      { "fc1", nn.linear(16 * side * side, 120) }, nn.relu(),
      { "fc2", nn.linear(120, 84) }, nn.relu(),
      { "fc3", nn.linear(84, c.classes) },
    }
  end,
}
