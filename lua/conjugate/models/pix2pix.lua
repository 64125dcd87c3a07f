--- Pix2Pix: the generator that learns a perturbation from a picture, and its discriminator.
-- @module conjugate.models.pix2pix
local cj = require "conjugate"
local check = require "conjugate.check"
local nn = require "conjugate.nn"
local define = require("conjugate.models.define").define

local M = {}
local DEPTH = 4 -- poolings of the U-Net; its inputs are multiples of 2^DEPTH

-- Twice convolution 3x3, batch norm, ReLU, [B, inputs, H, W] -> [B, outputs, H, W].
local function double_conv(inputs, outputs)
  local o = { padding = 1, bias = false }
  return nn.sequential {
    { "conv1", nn.conv2d(inputs, outputs, 3, o) }, { "bn1", nn.batch_norm2d(outputs) }, nn.relu(),
    { "conv2", nn.conv2d(outputs, outputs, 3, o) }, { "bn2", nn.batch_norm2d(outputs) }, nn.relu(),
  }
end

-- Weights of convolutions as Isola et al. draw them; batch norm keeps ones and zeros.
local function small_weights(net)
  for _, pair in ipairs(net:named_parameters()) do
    if pair[2]:dim() > 1 then nn.init.normal(pair[2], 0, 0.02) end
  end
  return net
end

-- U-Net: five blocks down, four up, with the map of the same size joined in on the way up.
local Generator = nn.class "Pix2PixGenerator"

function Generator:init(c)
  local w = c.width
  self.pool, self.range = nn.max_pool2d(2), c.range
  for d = 0, DEPTH do
    self["enc" .. d + 1] = double_conv(d == 0 and c.channels or w * 2 ^ (d - 1), w * 2 ^ d)
  end
  for d = DEPTH, 1, -1 do
    self["up" .. d] = nn.conv_transpose2d(w * 2 ^ d, w * 2 ^ (d - 1), 2, { stride = 2 })
    self["dec" .. d] = double_conv(w * 2 ^ d, w * 2 ^ (d - 1))
  end
  self.out = nn.conv2d(w, c.channels, 1)
  small_weights(self)
end

-- Borders of zeros that make a side a multiple of 2^DEPTH: before and after.
local function border(size)
  local more = -size % 2 ^ DEPTH
  local before = math.floor(more / 2)
  return before, more - before
end

function Generator:forward(x)
  local height, width = x:size(3), x:size(4)
  local top, bottom = border(height)
  local left, right = border(width)
  local skips = {}
  local y = cj.pad(x, { left, right, top, bottom })
  for d = 1, DEPTH + 1 do
    if d > 1 then y = self.pool(y) end
    y = self["enc" .. d](y)
    skips[d] = y
  end
  for d = DEPTH, 1, -1 do
    y = self["dec" .. d](cj.cat({ skips[d], self["up" .. d](y) }, 2))
  end
  y = self.out(y):tanh() * self.range
  return y:narrow(3, top + 1, height):narrow(4, left + 1, width)
end

--- Pix2Pix generator: a U-Net with five blocks of two convolutions, widths w to 16 w, and four
-- transposed convolutions, [B, channels, H, W] -> [B, channels, H, W], every element within
-- -range..range. Sides that are no multiple of 16 are padded with zeros, 28 to 32, and cut again.
-- Weights are drawn from N(0, 0.02^2).
-- @function pix2pix_generator
-- @tparam[opt] table options width (16), the w; range (1), in pixel units; data, or channels (1),
--  size (28); normalize
-- @treturn Module
-- @raise wrong or unknown options
-- @source Ronneberger et al., MICCAI 2015; Isola et al., CVPR 2017
M.pix2pix_generator = define {
  name = "pix2pix_generator",
  what = "U-Net from a picture to its perturbation",
  source = "Isola et al. 2017",
  options = { width = { "integer", 16 }, range = 1 },
  counts = {
    { { channels = 1, size = 28, width = 16 }, 1942289 },
    { { channels = 3, size = 32, width = 16 }, 1942611 },
  },
  layers = function(c)
    check.integer("pix2pix_generator", "width", c.width, 1)
    check.number("pix2pix_generator", "range", c.range, 0)
    return Generator(c)
  end,
}

--- Pix2Pix discriminator: three blocks of spectrally normalised convolution 4x4 (stride 2), batch
-- norm and leaky ReLU (slope 0.2), then a convolution 3x3 to one logit per patch. Picture and
-- perturbation are joined along the channels, [B, 2 channels, H, W] -> [B, 1, H', W'], 3x3 patches
-- for 28x28 and 4x4 for 32x32. Weights are drawn from N(0, 0.02^2).
-- @function pix2pix_discriminator
-- @tparam[opt] table options width (32), of the first block; data, or channels (1), of one picture,
--  size (28, at least 8)
-- @treturn Module
-- @raise wrong or unknown options
-- @source Isola et al., CVPR 2017; Miyato et al., ICLR 2018
M.pix2pix_discriminator = define {
  name = "pix2pix_discriminator",
  what = "patch discriminator of (picture, perturbation)",
  source = "Isola et al. 2017",
  options = { width = { "integer", 32 } },
  smallest = 8,
  pictures = 2,
  counts = {
    { { channels = 1, size = 28 }, 166689 },
    { { channels = 3, size = 32 }, 168737 },
  },
  layers = function(c)
    local entries, inputs = {}, 2 * c.channels
    for d = 1, 3 do
      local outputs = c.width * 2 ^ (d - 1)
      local conv = nn.conv2d(inputs, outputs, 4, { stride = 2, padding = 1 })
      entries[#entries + 1] = { "conv" .. d, nn.spectral_norm(conv) }
      entries[#entries + 1] = { "bn" .. d, nn.batch_norm2d(outputs) }
      entries[#entries + 1] = nn.leaky_relu(0.2)
      inputs = outputs
    end
    entries[#entries + 1] = { "out", nn.conv2d(inputs, 1, 3, { padding = 1 }) }
    return small_weights(nn.sequential(entries))
  end,
}

return M
