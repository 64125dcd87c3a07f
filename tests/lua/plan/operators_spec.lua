-- Every operator inside a plan: it gives what it gives without one, or is refused with a reason.
local check_plan = require "support.check_plan"
local cj = require "conjugate"
local core = require "conjugate.core"
local def = require "conjugate.ops.define"

local function constants(dtype)
  return {
    kernel = cj.randn({ 5, 3, 3, 3 }, dtype, 3), turned = cj.randn({ 3, 4, 2, 2 }, dtype, 3),
    matrix = cj.randn({ 4, 108 }, dtype, 3),
  }
end
local of_type = { float32 = constants "float32", float64 = constants "float64" }

-- Functions of images [B, 3, 6, 6] that use the operator of that name.
local images = {
  pad = function(x) return cj.pad(x, { 1, 2, 0, 1 }) end,
  upsample = function(x) return cj.upsample(x, 2) end,
  max_pool2d = function(x) return cj.max_pool2d(x, 2) end,
  avg_pool2d = function(x) return cj.avg_pool2d(x, 3, 1, 1) end,
  adaptive_avg_pool2d = function(x) return cj.adaptive_avg_pool2d(x, { 2, 3 }) end,
  spectrum = function(x) return cj.spectrum(x) end,
  softmax = function(x) return cj.softmax(x, 2) end,
  log_softmax = function(x) return cj.log_softmax(x, -1) end,
  cat = function(x) return cj.cat({ x, x * 2, cj.zeros(x.shape, x.dtype) }, 2) end,
  narrow = function(x) return x:narrow(3, 2, 4) + 1 end,
  select = function(x) return x:select(2, 3) * 2 end,
  transpose = function(x) return x:transpose(3, 4) * 2 end,
  permute = function(x) return x:permute(1, 3, 4, 2) * 3 end,
  reshape = function(x) return x:reshape(x:size(1), -1) end,
  expand = function(x) return x:narrow(2, 1, 1):expand(x.shape) * x end,
  contiguous = function(x) return x:transpose(3, 4):contiguous() end,
  squeeze = function(x) return x:narrow(2, 2, 1):squeeze(2) end,
  unsqueeze = function(x) return x:unsqueeze(2) end,
  batch_norm = function(x)
    local c = cj.tensor({ 1, 2, 3 }, x.dtype)
    return cj.batch_norm(x, c, c, c, c, false, 0.1, 1e-5)
  end,
  conv2d = function(x)
    return cj.conv2d(x, of_type[x.dtype].kernel, nil, { padding = 1 }):relu()
  end,
  conv_transpose2d = function(x)
    return cj.conv_transpose2d(x, of_type[x.dtype].turned, nil, { stride = 2 })
  end,
  linear = function(x) return cj.linear(x:flatten(2), of_type[x.dtype].matrix) end,
  matmul = function(x) return cj.matmul(x, x:transpose(3, 4)) end,
  affine_sample = function(x)
    local m = cj.tensor({ { { 1, 0.1, 0.3 }, { 0, 1, 0 } } }, x.dtype):expand(x:size(1), 2, 3)
    return cj.affine_sample(x, m)
  end,
  dropout = function(x) return cj.dropout(x, 0.5, false) * 2 end,
  clone = function(x) return x:clone() end,
  copy = function(x) return x + cj.copy(x, x:square()) end,
  to = function(x) return x:to("float64"):square():to(x.dtype) end,
  add = function(x) return x + x:square() + 1 end,
  sub = function(x) return 1 - x end,
  mul = function(x) return x * x end,
  div = function(x) return x / (x:square() + 1) end,
  pow = function(x) return (x:square() + 1) ^ 1.5 end,
  minimum = function(x) return cj.minimum(x, 0.25) end,
  maximum = function(x) return cj.maximum(x, -0.25) end,
  where = function(x) return cj.where(x:gt(0), x * 2, x * 3) end,
  clamp = function(x) return x:clamp(-0.5, 0.5) end,
  leaky_relu = function(x) return cj.leaky_relu(x, 0.2) end,
  log = function(x) return (x:square() + 1):log() end,
  log1p = function(x) return x:square():log1p() end,
  sqrt = function(x) return (x:square() + 1):sqrt() end,
  rsqrt = function(x) return (x:square() + 1):rsqrt() end,
  reciprocal = function(x) return (x:square() + 1):reciprocal() end,
  sum = function(x) return x:sum { 2, 4 } end,
  mean = function(x) return x:mean { 3, 4 } end,
  prod = function(x) return x:prod(2) end,
  max = function(x) return x:max(2) end,
  min = function(x) return x:min { 3, 4 } end,
  index_select = function(x) return x:index_select(2, cj.tensor({ 3, 1 }, "int64")) end,
  mse_loss = function(x) return cj.mse_loss(x, x:square(), "none") end,
  l1_loss = function(x) return cj.l1_loss(x, x:square(), "none") end,
  bce_with_logits = function(x) return cj.bce_with_logits(x, x:sigmoid(), "none") end,
}
for _, name in ipairs { "neg", "abs", "sign", "exp", "expm1", "square", "sin", "cos", "tanh",
  "sigmoid", "softplus", "erf", "relu", "floor", "ceil", "round" } do
  images[name] = function(x) return cj[name](x) end
end
for _, name in ipairs { "eq", "ne", "lt", "le", "gt", "ge" } do
  images[name] = function(x) return cj[name](x, x:square()):to(x.dtype) * x end
end
for _, name in ipairs { "logical_and", "logical_or", "logical_xor" } do
  images[name] = function(x) return cj[name](x:gt(0), x:lt(0.5)):to(x.dtype) + x end
end

-- Operators that change tensors in place, draw random numbers, or need labels: no function of
-- images has them.
local others = {
  bernoulli = "random", sgd_step = "in place", adam_step = "in place", adamw_step = "in place",
  rmsprop_step = "in place", cross_entropy = "labels", one_hot = "labels", gather = "indices",
  scatter_add = "indices", argmax = "labels", argmin = "labels", predict = "labels",
}

-- A plan may be refused where it could mix images; it says which operator it was.
local may_refuse = {
  index_select = true, matmul = true, sum = true, mean = true, prod = true, max = true, min = true,
  affine_sample = true, transpose = true, permute = true, squeeze = true, contiguous = true,
  expand = true, bce_with_logits = true, l1_loss = true, mse_loss = true, cat = true,
}

describe("every operator in a plan", function()
  it("is looked at here", function()
    local missing = {}
    for _, name in ipairs(core.operators()) do
      local as = def.definitions[name].as or name
      if not images[as] and not others[as] then missing[#missing + 1] = as end
    end
    assert.same({}, missing)
  end)

  local names = {}
  for name in pairs(images) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    it("gives what it gives without one: " .. name, function()
      for _, case in ipairs { { "float64", 1e-12 }, { "float32", 1e-5 } } do
        local x = cj.random.randn({ 11, 3, 6, 6 }, case[1], 4)
        local ok, message = pcall(check_plan.agrees, images[name], x, case[2],
          { what = name, exact = true })
        if not ok then
          assert.is_true(may_refuse[name] ~= nil, message)
          assert.truthy(tostring(message):find("cannot be compiled: ", 1, true), message)
        end
      end
    end)
  end
end)
