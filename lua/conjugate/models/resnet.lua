--- ResNet: the CIFAR family of 6n + 2 layers, and the 18-layer network for small pictures.
-- @module conjugate.models.resnet
local cj = require "conjugate"
local check = require "conjugate.check"
local nn = require "conjugate.nn"
local define = require("conjugate.models.define").define

local M = {}

local function conv3x3(inputs, outputs, stride)
  return nn.conv2d(inputs, outputs, 3, { stride = stride, padding = 1, bias = false })
end

-- relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)), [B, inputs, H, W] -> [B, outputs, H/s, W/s].
local BasicBlock = nn.class "BasicBlock"

function BasicBlock:init(inputs, outputs, stride, projection)
  self.conv1 = conv3x3(inputs, outputs, stride)
  self.bn1 = nn.batch_norm2d(outputs)
  self.conv2 = conv3x3(outputs, outputs, 1)
  self.bn2 = nn.batch_norm2d(outputs)
  self.stride, self.more = stride, outputs - inputs
  if projection and (stride ~= 1 or inputs ~= outputs) then
    self.downsample = nn.sequential {
      nn.conv2d(inputs, outputs, 1, { stride = stride, bias = false }), nn.batch_norm2d(outputs),
    }
  end
end

-- Without a projection: every stride-th pixel, and channels of zeros on both sides.
local function shortcut(self, x)
  if self.downsample then return self.downsample(x) end
  if self.stride ~= 1 then x = cj.avg_pool2d(x, 1, self.stride) end
  if self.more == 0 then return x end
  local shape, before = x.shape, math.floor(self.more / 2)
  local function zeros(channels)
    return cj.zeros({ shape[1], channels, shape[3], shape[4] }, x.dtype)
  end
  return cj.cat({ zeros(before), x, zeros(self.more - before) }, 2)
end

function BasicBlock:forward(x)
  local y = self.bn1(self.conv1(x)):relu()
  return (self.bn2(self.conv2(y)) + shortcut(self, x)):relu()
end

-- One stage: n blocks, the first of which changes the width and the size.
local function stage(inputs, outputs, n, stride, projection)
  local blocks = { BasicBlock(inputs, outputs, stride, projection) }
  for i = 2, n do blocks[i] = BasicBlock(outputs, outputs, 1, projection) end
  return nn.sequential(blocks)
end

local function layers(c, widths, n, projection)
  local entries = {
    { "conv1", conv3x3(c.channels, widths[1], 1) }, { "bn1", nn.batch_norm2d(widths[1]) },
    nn.relu(),
  }
  for s, width in ipairs(widths) do
    local inputs, stride = widths[s - 1] or width, s == 1 and 1 or 2
    entries[#entries + 1] = { "layer" .. s, stage(inputs, width, n, stride, projection) }
  end
  for _, entry in ipairs {
    nn.adaptive_avg_pool2d(1), nn.flatten(), { "fc", nn.linear(widths[#widths], c.classes) },
  } do
    entries[#entries + 1] = entry
  end
  return nn.sequential(entries)
end

--- CIFAR ResNet of 6n + 2 layers, widths 16, 32, 64, shortcuts padded with zeros,
-- [B, channels, size, size] -> logits [B, classes].
-- @function resnet
-- @tparam[opt] table options n (3), blocks per stage; data, or channels (1), size (28),
--  classes (10); normalize
-- @treturn Module
-- @raise wrong or unknown options
-- @source He et al., CVPR 2016, section 4.2
M.resnet = define {
  name = "resnet",
  what = "residual network of 6n + 2 layers, n = 1, 2, 3, ...",
  source = "He et al. 2016",
  classifier = true,
  options = { n = { "integer", 3 } },
  counts = {
    { { channels = 3, size = 32, n = 1 }, 75290 },
    { { channels = 3, size = 32, n = 2 }, 172506 },
    { { channels = 3, size = 32, n = 3 }, 269722 },
    { { channels = 1, size = 28, n = 1 }, 75002 },
    { { channels = 1, size = 28, n = 2 }, 172218 },
    { { channels = 1, size = 28, n = 3 }, 269434 },
  },
  layers = function(c)
    check.integer("resnet", "n", c.n, 1)
    return layers(c, { 16, 32, 64 }, c.n, false)
  end,
}

--- The 18-layer ResNet with a 3x3 stem for small pictures, widths 64 to 512, projections in the
-- shortcuts, [B, channels, size, size] -> logits [B, classes].
-- @function resnet18
-- @tparam[opt] table options data, or channels (1), size (28), classes (10); normalize
-- @treturn Module
-- @raise wrong or unknown options
-- @source He et al., CVPR 2016, table 1
M.resnet18 = define {
  name = "resnet18",
  what = "residual network of 18 layers, 3x3 stem",
  source = "He et al. 2016",
  classifier = true,
  counts = {
    { { channels = 3, size = 32 }, 11173962 },
    { { channels = 1, size = 28 }, 11172810 },
  },
  layers = function(c) return layers(c, { 64, 128, 256, 512 }, 2, true) end,
}

return M
