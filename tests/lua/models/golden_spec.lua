local assert = require "luassert"
local cj = require "conjugate"
local golden = require "support.golden"

local TOLERANCE = 1e-4 -- float32 against PyTorch's float64; see golden.distance for the measure

local criteria = {
  cross_entropy = function(out)
    local labels = {}
    for i = 1, out:size(1) do labels[i] = (3 * (i - 1) + 1) % out:size(2) end
    return cj.cross_entropy(out, cj.tensor(labels, "int64"))
  end,
  mse = function(out)
    return cj.mse_loss(out, golden.numbers("target", out.shape):to(out.dtype))
  end,
  bce = function(out)
    return cj.bce_with_logits(out, cj.ones(out.shape, out.dtype))
  end,
}

-- The largest distances of one pass: of logits, loss, input gradient, parameter gradients, buffers.
local function distances(net, pass)
  local x = golden.picture(pass.input_name, pass.input_shape)
  x.requires_grad = true
  net:zero_grad()
  local out = net(x)
  local loss = criteria[pass.criterion](out)
  loss:backward()
  local found = {
    logits = golden.distance(out, pass.logits),
    loss = math.abs(loss:item() - pass.loss) / math.abs(pass.loss),
    input = golden.distance(x.grad, pass.input),
    parameters = 0,
    buffers = 0,
  }
  for i, pair in ipairs(net:named_parameters()) do
    assert.equal(pass.parameters[i].name, pair[1])
    local d = golden.distance(pair[2].grad, pass.parameters[i])
    if d > found.parameters then found.parameters, found.which = d, pair[1] end
  end
  local state = net:state_dict()
  for _, b in ipairs(pass.buffers or {}) do
    found.buffers = math.max(found.buffers, golden.distance(state[b.name], b))
  end
  return found
end

local function without_dropout(net)
  for _, entry in ipairs(net:named_modules()) do
    if entry[2].class_name == "Dropout" then entry[2].p = 0 end
  end
end

describe("models against PyTorch", function()
  local report = os.getenv "CJ_GOLDEN_REPORT"

  for _, case in ipairs(golden.read "models") do
    local net

    local function check_pass(mode)
      local pass = case[mode]
      golden.shift(net, pass.shifts, pass.offset or 0)
      net:train(mode == "train")
      local found = distances(net, pass)
      if report then
        local text = "%-26s %-5s logits %.1e loss %.1e input %.1e parameters %.1e (%s) buffers %.1e"
        print(text:format(case.title, mode, found.logits, found.loss, found.input,
          found.parameters, found.which, found.buffers))
      end
      for name, d in pairs(found) do
        if type(d) == "number" then
          assert.is_true(d <= TOLERANCE, ("%s: %.2g (%s)"):format(name, d, found.which))
        end
      end
    end

    describe(case.title, function()
      lazy_setup(function()
        net = golden.fill(cj.models.build(case.config))
        without_dropout(net)
      end)

      it("has the same number of parameters", function()
        assert.equal(case.count, net:num_parameters())
      end)

      if case.train then
        it("agrees in training mode", function() check_pass "train" end)
      end

      it("agrees in evaluation mode", function() check_pass "eval" end)
    end)
  end
end)
