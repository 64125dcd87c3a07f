--- Spectral normalisation: a layer whose weight is divided by its largest singular value.
-- @module conjugate.nn.spectral_norm
local cj = require "conjugate"
local check = require "conjugate.check"
local core = require "conjugate.core"
local module = require "conjugate.nn.module"

local EPS = 1e-12

local function unit(v)
  return v / v:mul(v):sum():sqrt():clamp(EPS, math.huge)
end

local function matrix(weight, dim)
  if dim > 1 then weight = weight:transpose(1, dim) end
  return weight:reshape { weight:size(1), -1 }
end

-- One step of the power iteration, in place: v = unit(W^T u), u = unit(W v).
local function iterate(w, u, v)
  cj.no_grad(function()
    v:copy_(unit(cj.matmul(u:unsqueeze(1), w):squeeze(1)))
    u:copy_(unit(cj.matmul(w, v:unsqueeze(2)):squeeze(2)))
  end)
end

-- weight / sigma with sigma = u^T W v, where u and v count as constants.
local function normalised(layer, dim)
  local weight = layer.weight_orig
  local w, u, v = matrix(weight, dim), layer.weight_u, layer.weight_v
  if layer.training then iterate(w:detach(), u, v) end
  local sigma = cj.matmul(cj.matmul(u:clone():unsqueeze(1), w), v:clone():unsqueeze(2))
  return weight / sigma:reshape {}
end

--- Turns a layer into one with spectral norm: before each call its weight W, seen as a matrix
-- [outputs, rest], is divided by an estimate of its largest singular value. In training mode each
-- call improves the estimate by one power iteration; in evaluation mode the estimate stands still.
-- The parameter `weight` becomes `weight_orig`; buffers `weight_u` [outputs] and `weight_v` [rest]
-- hold the singular vectors.
-- @function spectral_norm
-- @tparam Module layer with a parameter `weight` of at least two dimensions
-- @tparam[opt] table options dim, the dimension of `weight` that counts the outputs: 1, but 2 for
--  conv_transpose2d
-- @treturn Module the same layer
-- @raise when the layer has no such weight, or has spectral norm already
-- @source Miyato et al., ICLR 2018; PyTorch, torch.nn.utils.spectral_norm
local function spectral_norm(layer, options)
  if not module.is_module(layer) then
    check.fail("spectral_norm", "expected a module for layer, got %s", check.describe(layer))
  end
  local weight = rawget(layer, "weight")
  if not weight or layer.weight_orig or weight:dim() < 2 then
    check.fail("spectral_norm", "expected a layer with a weight of two or more dimensions, got %s",
      tostring(layer))
  end
  local o = check.options("spectral_norm", options, { dim = { "integer" } })
  local dim = o.dim or (layer.class_name == "ConvTranspose2d" and 2 or 1)
  check.integer("spectral_norm", "dim", dim, 1, weight:dim())
  layer:forget "weight"
  layer:parameter("weight_orig", weight)
  local w = matrix(weight:detach(), dim)
  layer:buffer("weight_u", unit(cj.randn { w:size(1) }))
  layer:buffer("weight_v", unit(cj.randn { w:size(2) }))
  local plain, extra = layer.forward, layer.extra
  rawset(layer, "forward", function(self, x)
    rawset(self, "weight", normalised(self, dim))
    return core.finally(function() return plain(self, x) end, function()
      rawset(self, "weight", nil)
    end)
  end)
  rawset(layer, "extra", function(self) return extra(self) .. ", spectral norm" end)
  return layer
end

return { spectral_norm = spectral_norm }
