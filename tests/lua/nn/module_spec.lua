local assert = require "luassert"
local cj = require "conjugate"
local nn = cj.nn

local function names(list)
  local out = {}
  for i, pair in ipairs(list) do out[i] = pair[1] end
  return out
end

describe("a module", function()
  local Net, net

  before_each(function()
    cj.seed(5)
    Net = nn.class "Net"
    function Net:init(width)
      self.conv = nn.conv2d(1, 2, 3)
      self.bn = nn.batch_norm2d(2)
      self.head = nn.sequential { nn.flatten(), { "fc", nn.linear(8, width) }, nn.dropout(0.5) }
    end
    function Net:forward(x)
      return self.head(self.bn(self.conv(x)):relu())
    end
    net = Net(3)
  end)

  it("names parameters and buffers like a PyTorch state dict, in its order", function()
    assert.same({ "conv.weight", "conv.bias", "bn.weight", "bn.bias", "head.fc.weight",
      "head.fc.bias" }, names(net:named_parameters()))
    assert.same({ "bn.running_mean", "bn.running_var", "bn.num_batches_tracked" },
      names(net:named_buffers()))
    assert.same({ "conv.weight", "conv.bias", "bn.weight", "bn.bias", "bn.running_mean",
      "bn.running_var", "bn.num_batches_tracked", "head.fc.weight", "head.fc.bias" },
      names(net:state_dict()))
    assert.equal(20 + 4 + 27, net:num_parameters())
    assert.equal(6, #net:parameters())
    assert.equal(3, #net:buffers())
  end)

  it("finds entries of the state dict by name", function()
    assert.same({ 2, 1, 3, 3 }, net:state_dict()["conv.weight"].shape)
    assert.is_nil(net:state_dict()["conv.wait"])
  end)

  it("counts entries of a sequential from 0 in names and from 1 in Lua", function()
    local chain = nn.sequential { nn.linear(2, 2), nn.relu(), nn.linear(2, 1) }
    assert.same({ "0.weight", "0.bias", "2.weight", "2.bias" }, names(chain:named_parameters()))
    assert.equal("ReLU", chain[2].class_name)
  end)

  it("passes the mode on to the whole tree, and answers with itself", function()
    assert.is_true(net.training)
    assert.equal(net, net:eval())
    for _, entry in ipairs(net:named_modules()) do assert.is_false(entry[2].training) end
    net:train()
    assert.is_true(net.head[3].training)
    assert.error_matches(function() net:train "on" end, "train: expected true or false for mode")
  end)

  it("moves running statistics in training and keeps them still in evaluation", function()
    local x = cj.rand { 4, 1, 4, 4 }
    net:eval()(x)
    assert.equal(0, net.bn.num_batches_tracked:item())
    assert.same({ 0, 0 }, net.bn.running_mean:table())
    net:train()(x)
    assert.equal(1, net.bn.num_batches_tracked:item())
    assert.not_same({ 0, 0 }, net.bn.running_mean:table())
  end)

  it("gives each sample the same logits alone and in a batch when in evaluation mode", function()
    local x = cj.rand { 4, 1, 4, 4 }
    net:eval()
    local all, one = net(x), net(x:narrow(1, 3, 1))
    assert.near(0, (all:narrow(1, 3, 1) - one):abs():max():item(), 1e-6)
  end)

  it("takes over a state dict, also one by names and of another type", function()
    local other = Net(3)
    assert.not_same(net.conv.weight:detach():table(), other.conv.weight:detach():table())
    other:load_state_dict(net:state_dict())
    assert.same(net.conv.weight:detach():table(), other.conv.weight:detach():table())
    local map = {}
    for _, pair in ipairs(Net(3):to("float64"):state_dict()) do map[pair[1]] = pair[2] end
    other:load_state_dict(map)
    assert.equal("float32", other.conv.weight.dtype)
    local first = other.conv.weight:get(1, 1, 1, 1)
    assert.near(map["conv.weight"]:get(1, 1, 1, 1), first, 1e-6)
    assert.is_true(other.conv.weight.requires_grad)
  end)

  it("says all that is wrong with a state dict and changes nothing", function()
    local map = {}
    for _, pair in ipairs(net:state_dict()) do map[pair[1]] = pair[2] end
    map["conv.bias"] = nil
    map["conv.bios"] = cj.zeros { 2 }
    map["head.fc.weight"] = cj.zeros { 4, 8 }
    local before = net.bn.weight:detach():clone():table()
    map["bn.weight"] = cj.zeros { 2 }
    local ok, message = pcall(net.load_state_dict, net, map)
    assert.is_false(ok)
    assert.matches('"conv.bias" is missing', message, 1, true)
    assert.matches('"conv.bios" is not part of it', message, 1, true)
    assert.matches('"head.fc.weight": expected shape [3, 8], got [4, 8]', message, 1, true)
    assert.same(before, net.bn.weight:detach():table())
    assert.error_matches(function() net:load_state_dict(7) end, "expected a table for dict, got 7")
  end)

  it("changes its type, buffers too, but not counters", function()
    net:to "float64"
    assert.equal("float64", net.conv.weight.dtype)
    assert.equal("float64", net.bn.running_var.dtype)
    assert.equal("int64", net.bn.num_batches_tracked.dtype)
    assert.is_true(net.conv.weight.requires_grad)
    assert.equal("float64", net(cj.rand({ 2, 1, 4, 4 }, "float64")).dtype)
    assert.error_matches(function() net:to "int64" end, 'to: expected one of "float32", "float64"')
  end)

  it("forgets gradients, freezes and thaws", function()
    net(cj.rand { 2, 1, 4, 4 }):sum():backward()
    assert.is_not_nil(net.conv.weight.grad)
    net:zero_grad()
    assert.is_nil(net.conv.weight.grad)
    net:freeze()
    assert.is_false(net.conv.weight.requires_grad)
    net:zero_grad()
    net:freeze(false)
    assert.is_true(net.conv.weight.requires_grad)
  end)

  it("prints a tree with shapes and counts", function()
    assert.equal(table.concat({
      "Net: 51 parameters, training mode",
      "  conv  Conv2d(1, 2, kernel 3)  weight [2, 1, 3, 3], bias [2]  20",
      "  bn    BatchNorm2d(2)          weight [2], bias [2]            4",
      "  head  Sequential()",
      "    0   Flatten()",
      "    fc  Linear(8, 3)            weight [3, 8], bias [3]        27",
      "    2   Dropout(0.5)",
    }, "\n"), tostring(net))
    assert.equal("Linear(2, 1) weight [1, 2], bias [1]", tostring(nn.linear(2, 1)))
  end)

  it("prints only the outermost modules when it is large", function()
    local layers = {}
    for i = 1, 70 do layers[i] = nn.relu() end
    local text = tostring(nn.sequential { nn.sequential(layers), nn.linear(2, 1) })
    assert.matches("  0  Sequential%(%)  70 modules\n", text)
    assert.matches("net:tree%(%) gives every layer", text)
    assert.equal(4, select(2, text:gsub("\n", "\n")) + 1)
    assert.equal(73, select(2, nn.sequential({ nn.sequential(layers), nn.linear(2, 1) }):tree()
      :gsub("\n", "\n")) + 1)
  end)

  it("sums up output shapes without touching mode or running statistics", function()
    local text = net:summary { 2, 1, 4, 4 }
    assert.matches("conv +Conv2d%(1, 2, kernel 3%) +%[2, 2, 2, 2%] +20", text)
    assert.matches("total +51$", text)
    assert.is_true(net.training)
    assert.equal(0, net.bn.num_batches_tracked:item())
    assert.error_matches(function() net:summary { 2, 3, 4, 4 } end, "conv2d")
    assert.is_nil(rawget(net.conv, "forward"))
  end)

  it("says so when a class has no forward", function()
    assert.error_matches(function() nn.class("Empty")()(1) end, "Empty: this class has no forward")
  end)
end)

describe("weights", function()
  it("depend on the seed alone", function()
    local function weights(seed)
      cj.seed(seed)
      return nn.conv2d(2, 3, 3).weight:detach():table()
    end
    assert.same(weights(1), weights(1))
    assert.not_same(weights(1), weights(2))
  end)

  local function moments(t)
    local mean = t:mean():item()
    return mean, (t - mean):square():mean():item() ^ 0.5
  end

  it("have the spread their rule promises", function()
    cj.seed(1)
    local w = cj.zeros { 40, 20, 5, 5 }
    local he, glorot = (2 / 500) ^ 0.5, (2 / 1500) ^ 0.5
    for rule, sd in pairs {
      kaiming_normal = he, kaiming_uniform = he, xavier_normal = glorot, xavier_uniform = glorot,
    } do
      local mean, got = moments(nn.init[rule](w))
      assert.near(0, mean, 0.05 * sd, rule)
      assert.near(sd, got, 0.02 * sd, rule)
    end
    local _, out = moments(nn.init.kaiming_normal(w, { mode = "fan_out", slope = 1 }))
    assert.near((1 / 1000) ^ 0.5, out, 0.02 * out)
    local mean, sd = moments(nn.init.normal(w, 2, 0.5))
    assert.near(2, mean, 0.02)
    assert.near(0.5, sd, 0.02)
    nn.init.uniform(w, -3, -1)
    assert.is_true(w:min():item() >= -3 and w:max():item() < -1)
    assert.equal(7, nn.init.constant(w, 7):get(1, 1, 1, 1))
  end)

  it("of parameters can be drawn anew", function()
    local layer = nn.linear(3, 2)
    nn.init.constant(layer.weight, 0.5)
    assert.equal(0.5, layer.weight:detach():get(2, 3))
    assert.is_true(layer.weight.requires_grad)
  end)

  it("refuse wrong modes, names and shapes", function()
    local init = nn.init
    assert.error_matches(function() init.kaiming_normal(cj.zeros { 3 }) end, "two or more dim")
    assert.error_matches(function() init.kaiming_normal(cj.zeros { 3, 2 }, { mode = "fan" }) end,
      '"fan_in", "fan_out"')
    assert.error_matches(function() init.xavier_normal(3) end, "expected a tensor for t, got 3")
  end)
end)
