--- YGCNN: the public Kaggle network the paper cites for MNIST.
-- @module conjugate.models.ygcnn
local nn = require "conjugate.nn"
local define = require("conjugate.models.define").define

--- [B, channels, size, size] -> logits [B, classes]. Trained by its author with RMSprop (lr 1e-3,
-- rho 0.9), batches of 86, small shifts, zooms and rotations.
-- @function ygcnn
-- @tparam[opt] table options data, or channels (1), size (28, at least 4), classes (10); normalize
-- @treturn Module
-- @raise wrong or unknown options
-- @source Y. Ghouzam, "Introduction to CNN Keras", Kaggle (2017)
return define {
  name = "ygcnn",
  what = "four convolutions with dropout, two linear layers",
  source = "Ghouzam 2017",
  classifier = true,
  smallest = 4,
  one_size = true,
  counts = {
    { { channels = 1, size = 28 }, 887530 },
    { { channels = 3, size = 32 }, 1134890 },
  },
  layers = function(c)
    local side = math.floor(math.floor(c.size / 2) / 2)
    return nn.sequential {
      { "conv1", nn.conv2d(c.channels, 32, 5, { padding = 2 }) }, nn.relu(),
      { "conv2", nn.conv2d(32, 32, 5, { padding = 2 }) }, nn.relu(),
      nn.max_pool2d(2), nn.dropout(0.25),
      { "conv3", nn.conv2d(32, 64, 3, { padding = 1 }) }, nn.relu(),
      { "conv4", nn.conv2d(64, 64, 3, { padding = 1 }) }, nn.relu(),
      nn.max_pool2d(2), nn.dropout(0.25),
      nn.flatten(),
      { "fc1", nn.linear(64 * side * side, 256) }, nn.relu(), nn.dropout(0.5),
      { "fc2", nn.linear(256, c.classes) },
    }
  end,
}
