-- Plans for training: the same loss, gradients and statistics as the tape gives.
local check_plan = require "support.check_plan"
local starve = require "support.starve"
local cj = require "conjugate"
local plans = require "conjugate.plan"

local nn = cj.nn

local function raises(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "expected an error with " .. pattern)
  assert.truthy(tostring(message):find(pattern, 1, true), message)
end

local function labels(n, classes)
  local list = {}
  for i = 1, n do list[i] = (3 * i) % classes end
  return cj.tensor(list, "int64")
end

-- A step of a classifier, and of anything else.
local function classifier(net)
  return function(x, y)
    local z = net(x)
    return cj.cross_entropy(z, y), z
  end
end


local function mean_square(net)
  return function(x) return net(x):square():mean() end
end

local cases = {
  { "convnet", {}, 1 }, { "ygcnn", {}, 1 }, { "resnet", { n = 1 }, 1 },
  { "resnet", { n = 2, channels = 3 }, 3 }, { "googlenet", { scale = "small" }, 1 },
  { "pix2pix_generator", { width = 4 }, 1, mean_square },
  { "pix2pix_discriminator", { width = 8 }, 2, mean_square },
}

describe("the training plan of a model", function()
  for _, case in ipairs(cases) do
    local name, options, channels, step = unpack(case)
    for _, dtype in ipairs { "float64", "float32" } do
      it(("agrees with the tape: %s, %s"):format(name, dtype), function()
        cj.seed(4)
        local net = cj.models[name](options):to(dtype)
        local x = cj.random.rand({ 6, channels, 28, 28 }, dtype, 9)
        local f = (step or classifier)(net)
        local inputs = step and { x } or { x, labels(6, 10) }
        -- Biases before batch norm have no slope but rounding: `floor` leaves them out. In single
        -- precision a unit near zero may be on here and off there: wide nets are held loosely.
        local double = dtype == "float64"
        check_plan.trains(net, f, inputs, double and 1e-8 or 0.05,
          { exact = true, floor = double and 1e-9 or 1e-3 })
      end)
    end
  end

  it("agrees closely in single precision where no unit is near zero", function()
    cj.seed(5)
    local net = nn.sequential {
      { "conv1", nn.conv2d(1, 8, 5) }, nn.tanh(), { "conv2", nn.conv2d(8, 16, 3, { padding = 1 }) },
      { "bn", nn.batch_norm2d(16) }, nn.sigmoid(), nn.avg_pool2d(2), nn.dropout(0.3), nn.flatten(),
      { "fc", nn.linear(576, 10) },
    }
    local x = cj.random.rand({ 33, 1, 16, 16 }, "float32", 2)
    check_plan.trains(net, classifier(net), { x, labels(33, 10) }, 1e-5, { exact = true,
      floor = 1e-4 })
    check_plan.trains(net, classifier(net), { x, labels(33, 10) }, 1e-3, { floor = 1e-3 })
  end)
end)

local function small()
  cj.seed(6)
  return nn.sequential {
    { "conv1", nn.conv2d(1, 6, 3) }, { "bn1", nn.batch_norm2d(6) }, nn.relu(), nn.max_pool2d(2),
    nn.dropout(0.4), nn.flatten(), { "fc", nn.spectral_norm(nn.linear(54, 4)) },
  }
end

local function batch(n)
  return cj.random.rand({ n, 1, 8, 8 }, "float32", 3), labels(n, 4)
end

describe("a training plan", function()
  it("repeats dropout, statistics and the power iteration step after step", function()
    local net, other = small(), small()
    local x, y = batch(20)
    local f, g = classifier(net), classifier(other)
    local opt, own = cj.optim.sgd(net, { lr = 0.1 }), cj.optim.sgd(other, { lr = 0.1 })
    local plan = assert(plans.training(net, f, { x, y }))
    cj.seed(1)
    for _ = 1, 5 do
      plan(x, y)
      opt:zero_grad()
      plan:backward()
      opt:step()
    end
    local drawn = cj.random.state()
    cj.seed(1)
    for _ = 1, 5 do
      own:zero_grad()
      local loss = g(x, y)
      loss:backward()
      own:step()
    end
    assert.same(cj.random.state(), drawn)
    for i, pair in ipairs(other:state_dict()) do
      -- before batch norm a bias has no slope but rounding
      check_plan.near(pair[1] == "conv1.bias" and 10 or 1e-4, pair[2]:detach():to "float64",
        net:state_dict()[i][2]:detach():to "float64", pair[1])
    end
    assert.equal(5, net.bn1.num_batches_tracked:item())
  end)

  it("gives the same bytes on 1 and 2 threads, and adds to gradients", function()
    local was, seen = cj.threads(), {}
    for _, threads in ipairs { 1, 2, 3 } do
      cj.threads(threads)
      local net = small()
      local x, y = batch(50)
      local plan = assert(plans.training(net, classifier(net), { x, y }))
      cj.seed(3)
      local loss = plan(x, y)
      plan:backward()
      local bytes = { loss:bytes() }
      for _, p in ipairs(net:parameters()) do bytes[#bytes + 1] = p.grad:bytes() end
      seen[#seen + 1] = table.concat(bytes)
      local first = net.conv1.weight.grad:clone()
      cj.seed(3)
      plan(x, y)
      plan:backward()
      check_plan.near(0.2, first * 2, net.conv1.weight.grad, "sum") -- another power iteration
    end
    cj.threads(was)
    assert.is_true(seen[1] == seen[2] and seen[1] == seen[3])
  end)

  it("goes back from a result that is no number, when its gradient is given", function()
    cj.seed(4)
    local net = cj.models.pix2pix_generator({ width = 4 }):to "float64"
    local x = cj.random.rand({ 3, 1, 28, 28 }, "float64", 3)
    local gy = cj.randn(x.shape, "float64", 5)
    local plan = assert(plans.training(net, function(a) return net(a) / 3 end, { x }))
    plan(x)
    raises("backward: the first result has 2352 elements: give its gradient", plan.backward, plan)
    raises("for gz, got a float64 tensor [2, 1, 28, 28]", plan.backward, plan, gy:narrow(1, 1, 2))
    plan:backward(gy)
    local got = check_plan.gradients(net)
    net:zero_grad();
    ((net(x) / 3) * gy):sum():backward()
    for name, g in pairs(check_plan.gradients(net)) do
      if g:abs():max():item() > 1e-9 then check_plan.near(1e-7, g, got[name], name) end
    end
  end)

  it("names what is wrong with a call", function()
    local net = small()
    local x, y = batch(8)
    local plan = assert(plans.training(net, classifier(net), { x, y }))
    raises("expected a float32 tensor [8, 1, 8, 8] for input 1", plan, batch(7))
    raises("an input", plan, x)
    raises("expected a forward pass", plan.backward, plan)
    local wrong = labels(8, 4)
    wrong[3] = 4
    raises("cross_entropy: expected labels", plan, x, wrong)
    plan(x, y)
    plan:backward()
    raises("expected a forward pass", plan.backward, plan)
    assert.truthy(tostring(plan:describe()):find("conv2d", 1, true))
  end)

  it("is none where a step cannot be repeated", function()
    local net = small()
    local x, y = batch(8)
    local function reason(f)
      local plan, why = plans.training(net, f, { x, y })
      assert.is_nil(plan)
      return why
    end
    assert.truthy(reason(function(a, b)
      local loss = cj.cross_entropy(net(a), b)
      return loss / loss:item()
    end):find("looks at elements of the result of cross_entropy", 1, true))
    assert.truthy(reason(function(a, b)
      return cj.cross_entropy(net(a):detach() + net.fc.bias, b)
    end):find("detached", 1, true))
    assert.truthy(reason(function(a)
      return cj.cross_entropy(net(a), net(a):predict())
    end):find("indices that are computed", 1, true))
    local calls = 0
    assert.truthy(reason(function(a, b)
      calls = calls + 1
      return cj.cross_entropy(net(a), b) * (1 + 0.1 * calls)
    end):find("does not do the same", 1, true))
    assert.truthy(reason(function(a, b)
      return cj.cross_entropy(net(cj.dropout(a, 0.5, true, 3)), b)
    end):find("a key of its own", 1, true))
  end)

  it("notices a network that was exchanged, frozen or switched", function()
    local net = small()
    local x, y = batch(8)
    local f = classifier(net)
    local plan = assert(plans.training(net, f, { x, y }))
    assert.is_true(plan:suits())
    net.bn1:eval()
    assert.is_false(plan:suits())
    net.bn1:train()
    assert.is_true(plan:suits())
    net.conv1.weight.requires_grad = false
    assert.is_false(plan:suits())
    plan = assert(plans.training(net, f, { x, y }))
    plan(x, y)
    plan:backward()
    assert.is_nil(net.conv1.weight.grad)
    assert.is_not_nil(net.conv1.bias.grad)
    net[5].p = 0.1
    assert.is_false(plan:suits())
    net[5].p = 0.4
    assert.is_true(plan:suits() and plan:repeats())
    net.conv1 = nn.conv2d(1, 6, 3)
    assert.is_false(plan:suits())
  end)

  it("gives its memory back, also when allocations fail", function()
    local net = small()
    local x, y = batch(8)
    starve.every_allocation(function()
      local plan, why = plans.training(net, classifier(net), { x, y })
      if not plan then error(why, 0) end
      plan(x, y)
      local ok, message = pcall(plan.backward, plan)
      net:zero_grad() -- some may have theirs already
      plan:release()
      if not ok then error(message, 0) end
    end, 5000)
  end)
end)

describe("cj.fit on plans", function()
  local train = cj.data.load("mini"):take(150)

  local function fit(opts)
    cj.seed(9)
    local net = cj.models.ygcnn { size = 28 }
    local settings = { epochs = 1, batch = 64, quiet = true }
    for key, v in pairs(opts or {}) do settings[key] = v end
    local history = cj.fit(net, train, settings)
    return net, history
  end

  it("learns what it learns without them, to rounding", function()
    local net, history = fit { exact = true, optimizer = "sgd", lr = 0.05 }
    local own, plain = fit { plan = false, optimizer = "sgd", lr = 0.05 }
    assert.near(plain.epochs[1].loss, history.epochs[1].loss, 1e-4)
    for i, p in ipairs(own:parameters()) do
      check_plan.near(0.2, p:detach(), net:parameters()[i]:detach(), "parameter " .. i)
    end
  end)

  it("gives the same bytes twice, and on other threads", function()
    local was, seen = cj.threads(), {}
    for _, threads in ipairs { 1, 2 } do
      cj.threads(threads)
      local net = fit()
      for i, p in ipairs(net:parameters()) do
        local bytes = p:detach():bytes()
        assert.is_true((seen[i] or bytes) == bytes)
        seen[i] = bytes
      end
    end
    cj.threads(was)
  end)

  it("does without them where a loss cannot be compiled", function()
    local calls = 0
    local _, history = fit { loss = function(z, y)
      calls = calls + 1
      local loss = cj.cross_entropy(z, y)
      return loss:item() > 0 and loss or loss * 1
    end }
    assert.is_true(calls >= 3)
    assert.is_true(history.epochs[1].loss > 0)
  end)

  it("sees a loss that changes between epochs", function()
    local weight, seen = 1, {}
    local train_twice = { epochs = 2, batch = 75, loss = function(z, y)
      return cj.cross_entropy(z, y) * weight
    end, on_epoch = function(record)
      weight = 100
      seen[#seen + 1] = record.loss
    end }
    fit(train_twice)
    assert.is_true(seen[2] > 20 * seen[1])
  end)

  it("makes another plan when layers are frozen on the way", function()
    local net, _ = fit { on_step = function(info)
      if info.step == 1 then info.net:parameters()[1].requires_grad = false end
    end }
    assert.is_false(net:parameters()[1].requires_grad)
  end)
end)
