-- Plans for evaluation: what they give, what they refuse, and what they hold on to.
local check_plan = require "support.check_plan"
local starve = require "support.starve"
local cj = require "conjugate"
local core = require "conjugate.core"

local nn = cj.nn

local function raises(pattern, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "expected an error with " .. pattern)
  assert.truthy(tostring(message):find(pattern, 1, true), message)
end

-- A little network with one layer of most kinds.
local function small()
  cj.seed(11)
  return nn.sequential {
    { "conv1", nn.conv2d(1, 6, 3, { padding = 1 }) }, { "bn1", nn.batch_norm2d(6) }, nn.relu(),
    nn.max_pool2d(2), { "conv2", nn.conv2d(6, 8, 3) }, nn.leaky_relu(0.1),
    nn.adaptive_avg_pool2d(1), nn.flatten(), nn.dropout(0.5), { "fc", nn.linear(8, 4) },
  }
end

local function pictures(n, dtype)
  return cj.random.rand({ n, 1, 8, 8 }, dtype or "float32", 5)
end

local models = {
  { "convnet", {} }, { "ygcnn", {} }, { "resnet", { n = 1 } },
  { "resnet", { n = 2, channels = 3 } },
  { "googlenet", { scale = "small" } }, { "pix2pix_generator", { width = 4 } },
  { "pix2pix_discriminator", { width = 8 }, 2 },
}

describe("the plan of a model", function()
  for _, case in ipairs(models) do
    local name, options, channels = unpack(case)
    channels = channels or options.channels or 1

    local function make(dtype)
      cj.seed(3)
      local net = cj.models[name](options)
      net(cj.rand { 4, channels, 28, 28 }) -- moves the running statistics
      return net:to(dtype):eval(), cj.random.rand({ 5, channels, 28, 28 }, dtype, 9)
    end

    it("agrees with it in double precision: " .. name, function()
      local net, x = make "float64"
      check_plan.agrees(net, x, 1e-11, { what = name })
    end)

    it("agrees with it to rounding, and with Winograd to 1e-4: " .. name, function()
      local net, x = make "float32"
      check_plan.agrees(net, x, 1e-5, { what = name, exact = true, undecided = 0.4 })
      check_plan.agrees(net, x, 1e-4, { what = name, gradient = 1e-3, undecided = 0.4 })
    end)
  end
end)

describe("a plan", function()
  local net, x, gz
  before_each(function()
    net, x = small():eval(), pictures(128)
    gz = cj.randn({ 128, 4 }, "float32", 8)
  end)

  it("gives the same bytes for 1, 7 and 128 images, and on 1 and 2 threads", function()
    local was = cj.threads()
    local plan = cj.compile(net, x)
    local z, gx = plan(x):bytes(), plan:gradient(x, gz):bytes()
    for _, threads in ipairs { 1, 2, 5 } do
      cj.threads(threads)
      for _, piece in ipairs { 1, 7, 128 } do
        local zs, gs = {}, {}
        for from = 1, 128, piece do
          local n = math.min(piece, 129 - from)
          zs[#zs + 1] = plan(x:narrow(1, from, n)):bytes()
          gs[#gs + 1] = plan:gradient(x:narrow(1, from, n), gz:narrow(1, from, n)):bytes()
        end
        assert.is_true(table.concat(zs) == z)
        assert.is_true(table.concat(gs) == gx)
      end
    end
    cj.threads(was)
  end)

  it("gives the same bytes however many images a piece has", function()
    local z, gx
    for _, images in ipairs { 1, 3, 16, 50 } do
      local plan = cj.compile(net, x, { images = images })
      assert.equal(images, plan.rows)
      z, gx = z or plan(x):bytes(), gx or plan:gradient(x, gz):bytes()
      assert.is_true(plan(x):bytes() == z)
      assert.is_true(plan:gradient(x, gz):bytes() == gx)
    end
  end)

  it("takes no images, strided images, and gives what it knows about itself", function()
    local plan = cj.compile(net, x)
    assert.same({ 0, 4 }, plan(x:narrow(1, 1, 0)).shape)
    local turned = x:transpose(3, 4)
    assert.same(plan(turned:contiguous()):table(), plan(turned):table())
    local about = plan:about()
    assert.equal(plan.rows, about.rows)
    assert.is_true(about.bytes > 0 and about.weight_bytes > 0)
    local text = tostring(plan:describe())
    for _, word in ipairs { "conv2d 3x3 6->8", "max_pool2d", "linear 8->4", "MFLOP" } do
      assert.truthy(text:find(word, 1, true), text)
    end
    local profile, same = plan:profile(function() return plan(x) end)
    assert.same({ 128, 4 }, same.shape)
    local seconds = 0
    for _, step in ipairs(profile.steps) do seconds = seconds + step.forward end
    assert.is_true(seconds > 0)
    assert.truthy(tostring(profile):find("share", 1, true))
    assert.truthy(tostring(plan):find("plan of Sequential", 1, true))
  end)

  it("sees weights that change in place", function()
    local plan = cj.compile(net, x)
    plan(x)
    cj.no_grad(function()
      net.conv1.weight:mul_(0.5)
      net.fc.bias:fill_(3)
      net.bn1.running_mean:add_(0.25)
    end)
    check_plan.near(1e-5, cj.no_grad(net, x), plan(x), "changed weights")
    local other = small()
    other:load_state_dict(net:state_dict())
    cj.no_grad(function() other.fc.weight:zero_() end)
    net:load_state_dict(other:state_dict())
    check_plan.near(1e-5, cj.no_grad(net, x), plan(x), "loaded weights")
  end)

  it("leaves mode, statistics, generator and gradients as they were", function()
    local training = small()
    local before, state = check_plan.buffers(training), cj.random.state()
    cj.compile(training, x)
    assert.is_true(training.training and training.bn1.training)
    assert.same(state, cj.random.state())
    for name, b in pairs(check_plan.buffers(training)) do
      assert.same(before[name]:table(), b:table())
    end
    for _, p in ipairs(training:parameters()) do assert.is_nil(p.grad) end
  end)

  it("may be for results alone, which are then the same", function()
    local plan = cj.compile(net, x, { gradients = false })
    assert.is_true(plan(x):bytes() == cj.compile(net, x)(x):bytes())
    assert.is_true(plan:about().bytes <= cj.compile(net, x):about().bytes)
    raises("plan: it was compiled without gradients", plan.gradient, plan, x, gz)
    raises("plan: it was compiled without gradients", cj.attacks.fgsm { eps = 0.1 }, plan, x, 0)
    assert.same({ 0, 1, 0, 1 }, cj.compile(function(v)
      return cj.no_grad(function() return v:detach():gt(0):to "float32" end)
    end, x, { gradients = false })(cj.tensor { -1, 1, -1, 1 }:reshape(4, 1, 1, 1)
      :expand(4, 1, 8, 8):contiguous()):select(2, 1):select(2, 1):select(2, 1):table())
  end)

  it("can be recorded: gradients of what comes after go back through it", function()
    local plan = cj.compile(net, x)
    local leaf, own = x:detach():clone(), x:detach():clone()
    leaf.requires_grad, own.requires_grad = true, true
    plan(leaf * 0.5):square():sum():backward()
    net(own * 0.5):square():sum():backward()
    check_plan.near(1e-5, own.grad, leaf.grad, "gradient")
  end)

  it("may have several results", function()
    local function f(a)
      local h = net.conv1(a):relu()
      return h, h:flatten(2):mean(2), h * 2
    end
    local plan = cj.compile(function(a)
      local h = net.conv1(a):relu()
      return h, h * 2
    end, x)
    local h, double = plan(x)
    local own = cj.no_grad(f, x)
    check_plan.near(1e-5, own, h, "first")
    check_plan.near(1e-5, own * 2, double, "second")
    local leaf = x:detach():clone()
    leaf.requires_grad = true
    local want = cj.grad({ f(leaf) }, leaf, { gradient = { own, cj.zeros { 128 }, own } })
    check_plan.near(1e-5, want, (plan:gradient(x, { own, own })), "gradient of both")
    check_plan.near(1e-5, want / 1.5, (plan:gradient(x, { false, own })) * 1, "of the second")
  end)
end)

describe("misuse of a plan", function()
  local net, x = small():eval(), pictures(4)

  it("is named", function()
    local plan = cj.compile(net, x)
    raises("plan: expected a float32 tensor like [8, 1, 8, 8]", plan, pictures(4, "float64"))
    raises("with any number of rows, for x, got a float32 tensor [4, 1, 9, 9]", plan,
      cj.zeros { 4, 1, 9, 9 })
    raises("plan: expected a tensor for x, got nil", plan)
    local gone = pictures(4)
    gone:release()
    raises("was released", plan, gone)
    raises("gradient: expected a float32 tensor [4, 4] for gz, got a float32 tensor [4, 3]",
      plan.gradient, plan, x, cj.zeros { 4, 3 })
    raises("gradient: expected a table for gz, got nil", plan.gradient, plan, x)
    raises("compile: expected something callable for f", cj.compile, 3, x)
    raises("compile: expected a float tensor for example", cj.compile, net,
      cj.zeros({ 1, 1, 8, 8 }, "int64"))
    raises("there is no option", cj.compile, net, x, { exakt = true })
    raises("images", cj.compile, net, x, { images = 0 })
    raises("conv2d", cj.compile, net, cj.zeros { 1, 3, 8, 8 })
    raises("expected 1 to 8 tensors", cj.compile, function() return 3 end, x)
    plan:release()
    plan:release()
    raises("plan: it was released", plan, x)
  end)

  it("is noticed when the network is not the one that was compiled", function()
    local own = small():eval()
    local plan = cj.compile(own, x)
    own.conv2 = nn.conv2d(6, 8, 3)
    raises('the network has another "conv2" than when it was compiled', plan, x)
    own = small():eval()
    plan = cj.compile(own, x)
    own:to "float64"
    raises("than when it was compiled", plan, x)
    own = small():eval()
    plan = cj.compile(own, x)
    own.fc.weight:release()
    raises("was released or moved since it was compiled", plan, x)
  end)
end)

describe("a function that cannot be compiled", function()
  local x = pictures(3)
  local held = cj.zeros { 8 }
  local cases = {
    ["it looks at elements of the result of max"] = function(a) return a / a:max():item() end,
    ["it looks at elements"] = function(a) return a * a:flatten():get(1) end,
    ["it looks at elements of a tensor"] = function(a) return a * held[1] end,
    ["it draws random numbers"] = function(a) return a + cj.rand(a.shape) end,
    ["key of its own"] = function(a) return cj.dropout(a, 0.5, true, 7) end,
    ["changes a tensor in place"] = function(a) return a:clone():zero_() end,
    ["add_ changes a tensor in place"] = function(a) return a:clone():add_(1) end,
    ["copy_ changes a tensor in place"] = function(a)
      held:copy_(a:flatten():narrow(1, 1, 8))
      return a
    end,
    ["it asks for gradients"] = function(a)
      return cj.grad(a:square():sum(), a) * 2
    end,
    ["is detached"] = function(a) return (a * 2):detach() * a end,
    ["is not recorded"] = function(a) return cj.no_grad(function() return a * 2 end) * a end,
    ["custom"] = function(a)
      return cj.func {
        forward = function(_, v) return v * 2 end,
        backward = function(_, g) return g * 2 end,
      }(a)
    end,
    ["may mix images"] = function(a) return cj.softmax(a, 1) end,
    ["does not come from the inputs"] = function() return cj.zeros { 8, 2 } end,
    ["constant that is not contiguous"] = function(a)
      return cj.linear(a:flatten(2), cj.ones({ 64, 3 }):t())
    end,
  }
  for reason, f in pairs(cases) do
    it("is refused: " .. reason, function()
      local opts = { gradients = not reason:find "in place" }
      raises("cannot be compiled: ", cj.compile, f, x, opts)
      raises(reason, cj.compile, f, x, opts)
    end)
  end

  it("leaves nothing of the trace behind", function()
    for _, f in pairs(cases) do pcall(cj.compile, f, x) end
    assert.same({ 0, 0, 0, 0, 0, 0, 0, 0 }, held:table())
    assert.equal(2, (cj.ones { 1 } * 2):item()) -- looking is allowed again
    raises("boom", cj.compile, function() error "boom" end, x)
    raises("cannot be compiled", cj.compile, function(a)
      cj.compile(function(b) return b end, a)
      return a
    end, x)
    assert.same({ 3, 1, 8, 8 }, cj.compile(function(a) return a * 2 end, x)(x).shape)
  end)
end)

describe("memory of plans", function()
  it("is given back, also when allocations fail", function()
    local net, x = small():eval(), pictures(9)
    starve.every_allocation(function()
      local plan = cj.compile(net, x)
      plan:gradient(x, plan(x))
      plan:release()
    end, 3000)
  end)

  it("does not grow with calls or with images", function()
    local net, x = small():eval(), pictures(64)
    local plan = cj.compile(net, x)
    plan:gradient(x, plan(x))
    local before = starve.settle()
    for _ = 1, 20 do plan:gradient(x, plan(x)) end
    assert.equal(before, starve.settle())
    for _ = 1, 20 do cj.compile(net, x)(x) end
    assert.equal(before, starve.settle())
    local about = plan:about()
    plan(pictures(500))
    assert.same(about, plan:about())
  end)
end)

describe("Ctrl-C", function()
  it("stops a plan, which can be used again", function()
    local net, x = small():eval(), pictures(64)
    local plan = cj.compile(net, x)
    local z = plan(x):bytes()
    local ok, message = core.interrupt_call(false, nil, function()
      for i = 1, 1e7 do
        if i == 20 then core.interrupt_signal() end
        plan(x)
      end
    end)
    assert.is_false(ok)
    assert.truthy(tostring(message):find("interrupted", 1, true))
    assert.is_true(plan(x):bytes() == z)
  end)
end)
