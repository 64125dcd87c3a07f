--- Convolutions and matrix products: multiply-adds a second, counted as two operations each.
local cj = require "conjugate"

local list = {}

local function convolution(batch, from, to, size, kernel)
  local x = cj.randn { batch, from, size, size, requires_grad = true }
  local w = cj.randn { to, from, kernel, kernel, requires_grad = true }
  local padding = (kernel - 1) / 2
  local gy = cj.randn { batch, to, size, size }
  local flops = 2 * batch * from * to * size * size * kernel * kernel
  local title = ("conv2d %dx%d %d->%d at %d batch %d"):format(kernel, kernel, from, to, size, batch)
  local function forward()
    return cj.conv2d(x, w, nil, { padding = padding })
  end
  list[#list + 1] = {
    name = title .. " forward", unit = "flop/s", amount = flops,
    f = function() cj.no_grad(forward) end,
  }
  list[#list + 1] = {
    name = title .. " forward and backward", unit = "flop/s", amount = 3 * flops,
    f = function() forward():backward(gy) end,
  }
end

convolution(64, 64, 64, 14, 3)
convolution(64, 32, 32, 28, 5)
convolution(64, 1, 32, 28, 5)

for _, n in ipairs { 128, 512 } do
  local a, b = cj.randn { n, n }, cj.randn { n, n }
  list[#list + 1] = {
    name = ("matmul %d"):format(n), unit = "flop/s", amount = 2 * n ^ 3,
    f = function() return cj.matmul(a, b) end,
  }
end

local x = cj.randn { 128, 32, 28, 28 }
list[#list + 1] = {
  name = "relu 128x32x28x28", unit = "elements/s", amount = x:numel(),
  f = function() return x:relu() end,
}
local small = cj.randn { 8 }
list[#list + 1] = {
  name = "add of 8 elements", unit = "calls/s", amount = 1,
  f = function() return small + small end,
}
return list
