local assert = require "luassert"
local cj = require "conjugate"

describe("an optimiser", function()
  local net

  before_each(function()
    cj.seed(3)
    net = cj.nn.linear(4, 2)
  end)

  local function loss()
    return net(cj.ones { 3, 4 }):square():sum()
  end

  it("takes a module and names its state by the parameters", function()
    local optimizer = cj.optim.sgd(net, { lr = 0.1, momentum = 0.9 })
    local names = {}
    for i, pair in ipairs(optimizer:state_dict().tensors) do names[i] = pair[1] end
    assert.same({ "weight.momentum_buffer", "bias.momentum_buffer" }, names)
  end)

  for _, name in ipairs { "sgd", "adam", "adamw", "rmsprop" } do
    it(name .. " makes the loss of a linear layer smaller", function()
      local optimizer = cj.optim[name](net, { lr = 0.01 })
      local first = loss():item()
      for _ = 1, 20 do
        optimizer:zero_grad()
        loss():backward()
        optimizer:step()
      end
      assert.is_true(loss():item() < 0.9 * first)
    end)
  end

  it("leaves parameters without a gradient alone", function()
    local before = net.weight:detach():clone():table()
    cj.optim.adam(net):step()
    assert.same(before, net.weight:detach():table())
  end)

  it("forgets gradients on zero_grad", function()
    local optimizer = cj.optim.adam(net)
    loss():backward()
    optimizer:zero_grad()
    assert.is_nil(net.weight.grad)
  end)

  it("follows its options when they are changed between steps", function()
    local optimizer = cj.optim.sgd(net, { lr = 0.1 })
    loss():backward()
    optimizer.lr = 0
    local before = net.weight:detach():clone():table()
    optimizer:step()
    assert.same(before, net.weight:detach():table())
  end)

  it("refuses unknown options with a suggestion", function()
    assert.error_matches(function() cj.optim.adam(net, { lrr = 1 }) end, 'adam: .*"lrr".*"lr"')
  end)

  it("refuses negative rates, an empty list and Nesterov without momentum", function()
    assert.error_matches(function() cj.optim.adam(net, { lr = -1 }) end, "adam: .* lr, got %-1")
    assert.error_matches(function() cj.optim.adam {} end, "adam: expected a module or a list")
    assert.error_matches(function() cj.optim.sgd(net, { nesterov = true }) end, "momentum above 0")
  end)

  it("refuses the state of another optimiser, and of other shapes", function()
    local adam = cj.optim.adam(net)
    assert.error_matches(function() adam:load_state_dict(cj.optim.rmsprop(net):state_dict()) end,
      "expected a state of adam, got one of rmsprop")
    local other = cj.optim.adam(cj.nn.linear(5, 2)):state_dict()
    assert.error_matches(function() adam:load_state_dict(other) end,
      'expected a tensor of sizes %[2, 4%] for "weight.exp_avg"')
  end)

  it("prints its name, options and step", function()
    assert.equal("sgd: lr 0.1, momentum 0, nesterov false, weight_decay 0; 2 tensors, step 0",
      tostring(cj.optim.sgd(net, { lr = 0.1 })))
  end)
end)

describe("a schedule", function()
  it("refuses what is no optimiser, unknown options and wrong ranges", function()
    local s = cj.optim.schedules
    local optimizer = cj.optim.sgd({ cj.zeros { 1 } })
    assert.error_matches(function() s.step(3) end, "step: expected an optimiser")
    assert.error_matches(function() s.step(optimizer, { everyy = 2 }) end, '"everyy".*"every"')
    assert.error_matches(function() s.step(optimizer, { every = 0 }) end, "at least 1 for every")
    assert.error_matches(function() s.plateau(optimizer, { mode = "low" }) end, '"min", "max"')
  end)

  it("plateau wants a number at every step", function()
    local schedule = cj.optim.schedules.plateau(cj.optim.sgd({ cj.zeros { 1 } }))
    assert.error_matches(function() schedule:step() end, "step: expected a number for measured")
  end)

  it("refuses the state of another schedule", function()
    local optimizer = cj.optim.sgd({ cj.zeros { 1 } })
    local state = cj.optim.schedules.step(optimizer):state_dict()
    local cosine = cj.optim.schedules.cosine(optimizer, { steps = 3 })
    assert.error_matches(function() cosine:load_state_dict(state) end,
      "expected a state of the cosine")
  end)
end)
