--- GoogleNet: the common form for small pictures, full and scaled down.
-- @module conjugate.models.googlenet
local cj = require "conjugate"
local check = require "conjugate.check"
local nn = require "conjugate.nn"
local define = require("conjugate.models.define").define

-- Convolution that keeps the size, batch norm, ReLU: three entries of a sequential.
local function unit(entries, inputs, outputs, kernel)
  local n = #entries
  entries[n + 1] = nn.conv2d(inputs, outputs, kernel, { padding = (kernel - 1) / 2 })
  entries[n + 2] = nn.batch_norm2d(outputs)
  entries[n + 3] = nn.relu()
  return entries
end

-- Four branches side by side, [B, inputs, H, W] -> [B, n1 + n3 + n5 + pool, H, W]. The 5x5 branch
-- is two 3x3 convolutions.
local Inception = nn.class "Inception"

function Inception:init(inputs, row)
  local n1, r3, n3, r5, n5, pool = unpack(row)
  local same = nn.max_pool2d(3, { stride = 1, padding = 1 })
  self.b1 = nn.sequential(unit({}, inputs, n1, 1))
  self.b2 = nn.sequential(unit(unit({}, inputs, r3, 1), r3, n3, 3))
  self.b3 = nn.sequential(unit(unit(unit({}, inputs, r5, 1), r5, n5, 3), n5, n5, 3))
  self.b4 = nn.sequential(unit({ same }, inputs, pool, 1))
end

function Inception:forward(x)
  return cj.cat({ self.b1(x), self.b2(x), self.b3(x), self.b4(x) }, 2)
end

-- (1x1, 3 reduced, 3, 5 reduced, 5, pool); a pooling of stride 2 stands between the stages.
local tables = {
  full = {
    stem = 192,
    { { "a3", 64, 96, 128, 16, 32, 32 }, { "b3", 128, 128, 192, 32, 96, 64 } },
    {
      { "a4", 192, 96, 208, 16, 48, 64 }, { "b4", 160, 112, 224, 24, 64, 64 },
      { "c4", 128, 128, 256, 24, 64, 64 }, { "d4", 112, 144, 288, 32, 64, 64 },
      { "e4", 256, 160, 320, 32, 128, 128 },
    },
    { { "a5", 256, 160, 320, 32, 128, 128 }, { "b5", 384, 192, 384, 48, 128, 128 } },
  },
  small = {
    stem = 32,
    { { "a3", 16, 16, 24, 8, 8, 8 } },
    { { "a4", 32, 24, 48, 8, 16, 16 } },
    { { "a5", 48, 32, 64, 8, 16, 16 } },
  },
}

local function layers(c)
  local stages = tables[c.scale]
  local inputs, entries = stages.stem, {
    { "conv1", nn.conv2d(c.channels, stages.stem, 3, { padding = 1 }) },
    { "bn1", nn.batch_norm2d(stages.stem) }, nn.relu(),
  }
  local function add(entry) entries[#entries + 1] = entry end
  for s, stage in ipairs(stages) do
    if s > 1 then add(nn.max_pool2d(3, { stride = 2, padding = 1 })) end
    for _, block in ipairs(stage) do
      local row = { unpack(block, 2) }
      add { block[1], Inception(inputs, row) }
      inputs = row[1] + row[3] + row[5] + row[6]
    end
  end
  add(nn.adaptive_avg_pool2d(1))
  add(nn.flatten())
  add { "fc", nn.linear(inputs, c.classes) }
  return nn.sequential(entries)
end

--- GoogleNet for small pictures, [B, channels, size, size] -> logits [B, classes]. The average
-- pooling before the last layer spans the whole map: 8x8 for pictures of 32x32, as usual, and 7x7
-- for 28x28, so that the number of parameters is that of 32x32 but for the input channels.
-- @function googlenet
-- @tparam[opt] table options scale ("small" or "full"); data, or channels (1), size (28),
--  classes (10); normalize
-- @treturn Module
-- @raise wrong or unknown options
-- @source Szegedy et al., CVPR 2015, table 1, in the form common for CIFAR-10
return define {
  name = "googlenet",
  what = "nine inception blocks (scale full) or three (small)",
  source = "Szegedy et al. 2015",
  classifier = true,
  options = { scale = "small" },
  counts = {
    { { channels = 3, size = 32, scale = "full" }, 6166250 },
    { { channels = 1, size = 28, scale = "full" }, 6162794 },
    { { channels = 3, size = 32, scale = "small" }, 61738 },
    { { channels = 1, size = 28, scale = "small" }, 61162 },
  },
  layers = function(c)
    check.one_of("googlenet", "scale", c.scale, { "small", "full" })
    return layers(c)
  end,
}
