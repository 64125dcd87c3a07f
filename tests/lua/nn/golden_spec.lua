local assert = require "luassert"
local cj = require "conjugate"
local golden = require "support.golden"

local TOLERANCE = 1e-9 -- both sides in float64; the file keeps ten digits

-- "spectral_norm conv2d" -> the layer, wrapped.
local function build(case)
  local wrapper, layer = case.layer:match "^(%S+) (%S+)$"
  local args = { unpack(case.args) }
  if next(case.options) then args[#args + 1] = case.options end
  local made = cj.nn[layer or case.layer](unpack(args))
  return wrapper and cj.nn[wrapper](made) or made
end

local function each(pairs_list, goldens, gradient)
  assert.equal(#goldens, #pairs_list)
  for i, pair in ipairs(pairs_list) do
    assert.equal(goldens[i].name, pair[1])
    local t = gradient and pair[2].grad or pair[2]
    assert.near(0, golden.distance(t, goldens[i]), TOLERANCE, pair[1])
  end
end

local function float_buffers(layer)
  local list = {}
  for _, pair in ipairs(layer:named_buffers()) do
    if pair[2].dtype ~= "int64" then list[#list + 1] = pair end
  end
  return list
end

local function title(case)
  local args = require("dkjson").encode({ case.args, case.options })
  return ("%s %s%s"):format(case.layer, args, case.training and "" or " in evaluation mode")
end

describe("layers against PyTorch", function()
  local file = golden.read "layers"

  for _, case in ipairs(file.layers) do
    it(title(case), function()
      local layer = golden.fill(build(case)):to("float64"):train(case.training)
      local x = golden.numbers("input", case.shape)
      for _ = 2, case.passes do layer(x) end
      x.requires_grad = true
      local y = layer(x)
      y:backward(golden.numbers("gy", y.shape))
      assert.same(case.y_shape, y.shape)
      assert.near(0, golden.distance(y, case.y), TOLERANCE)
      assert.near(0, golden.distance(x.grad, case.gx), TOLERANCE)
      each(layer:named_parameters(), case.parameters, true)
      each(float_buffers(layer), case.buffers)
    end)
  end

  for _, case in ipairs(file.criteria) do
    it(("%s, reduction %s"):format(case.criterion, case.options.reduction), function()
      local x = golden.numbers("input", case.shape) * 3
      x.requires_grad = true
      local target = (golden.numbers("target", case.shape) + 1) / 2
      if case.criterion == "cross_entropy" then target = cj.tensor({ 3, 0, 4 }, "int64") end
      local loss = cj.nn[case.criterion](x, target, case.options)
      loss:sum():backward()
      local flat = loss:reshape { -1 }
      assert.equal(#case.loss, flat:numel())
      for i, v in ipairs(case.loss) do assert.near(v, flat:detach()[i], 1e-9 * math.abs(v)) end
      assert.near(0, golden.distance(x.grad, case.gx), TOLERANCE)
    end)
  end
end)
