-- The laws of attacks must bite: attacks that are broken on purpose, and the law that says so.
local cj = require "conjugate"
local check_attack = require "support.check_attack"

local pgd = cj.attacks.pgd

-- A family whose attacks run PGD, and then something goes wrong in `spoil(result, net, x, y)`.
local function spoiled(spoil)
  return function(o)
    local attack = pgd(o)
    return function(net, x, y, opts)
      local r = attack(net, x, y, opts)
      return spoil(r, net, x, y, opts, o) or r
    end
  end
end

-- A family that changes its options, or those of a call, or the model, before it runs PGD.
local function misled(change)
  return function(o)
    return function(net, x, y, opts)
      local own, call = {}, {}
      for key, v in pairs(o) do own[key] = v end
      for key, v in pairs(opts or {}) do call[key] = v end
      net = change(own, call, net, x, y) or net
      return pgd(own)(net, x, y, call)
    end
  end
end

-- The result of the attack is x_adv, as if PGD had found it.
local function returning(f)
  return spoiled(function(r, net, x, y)
    r.x_adv = f(r.x_adv, x, net, y)
  end)
end

local function no_op(o)
  local attack = pgd(o)
  return function(net, x, y, opts)
    local r = attack(net, x, y, opts)
    r.x_adv = x
    for i = 1, r.n do
      if r.status[i] == "SUCCESS" then
        r.status[i], r.pred_adv[i], r.broken[i] = "FAIL", r.pred_clean[i], false
        r.counts.SUCCESS, r.counts.FAIL = r.counts.SUCCESS - 1, r.counts.FAIL + 1
      end
      r.loss_adv[i], r.l0[i], r.l1[i], r.l2[i], r.linf[i] = r.loss_first[i], 0, 0, 0, 0
    end
    return r
  end
end

local function mapped_model(f)
  return misled(function(_, _, net)
    return function(x)
      return f(net(x))
    end
  end)
end

local downhill = cj.conjugate {
  name = "downhill",
  direction = function(g) return -g:sign() end,
}
local calls = 0

local broken = {
  leaves_all_else_alone = {
    ["leaves the ball"] = misled(function(o) o.eps = o.eps * 1.01 end),
    ["ends elsewhere than it says"] = returning(function(x_adv, x)
      return (x + (x_adv - x) * 0.99):clamp(0, 1)
    end),
    ["leaves the box"] = returning(function(x_adv) return x_adv - 1e-3 end),
    ["gives NaN"] = returning(function(x_adv) return x_adv * (0 / 0) end),
    ["gives another type"] = returning(function(x_adv) return x_adv:to "int64" end),
    ["gives another shape"] = returning(function(x_adv) return x_adv:reshape { -1, 36 } end),
    ["writes into the input"] = spoiled(function(_, _, x) x:mul_(0.5) end),
    ["writes into the labels"] = spoiled(function(_, _, _, y) y:add_(1) end),
    ["leaves the network in evaluation mode"] = spoiled(function(_, net) net:eval() end),
    ["moves the running statistics"] = spoiled(function(_, net, x) net:train()(x) end),
    ["moves a parameter"] = spoiled(function(_, net)
      for _, p in ipairs(net:parameters()) do p:detach():mul_(1.001) end
    end),
    ["leaves gradients of parameters"] = spoiled(function(_, net, x)
      net:eval()(x):sum():backward()
      net:train()
    end),
    ["misstates its norm"] = spoiled(function(r) r.linf[1] = r.linf[1] + 1e-3 end),
  },
  does_nothing_without_budget = {
    ["rounds its radius up"] = misled(function(o) o.eps = math.max(o.eps, 1e-3) end),
    ["takes one step more"] = misled(function(o) o.steps = (o.steps or 4) + 1 end),
  },
  depends_on_the_sample_alone = {
    ["has no seed"] = misled(function(o, call)
      calls = calls + 1
      o.random, call.seed = true, calls
    end),
    ["keys random numbers by the place in the batch"] = misled(function(o, call)
      o.random, call.index = true, nil
    end),
    ["takes steps of a batch's mean"] = misled(function(o, _, _, x) o.alpha = 0.1 / x:size(1) end),
    ["depends on threads"] = misled(function(o) o.alpha = 0.01 * cj.threads() end),
    ["depends on the option batch"] = misled(function(o, call)
      o.alpha = 0.001 * (call.batch or 9)
    end),
    ["counts otherwise for plans"] = spoiled(function(r, net)
      if type(net) == "table" then r.forwards[2] = r.forwards[2] + 1 end
    end),
  },
  knows_classes_by_their_logits_only = {
    ["loves class 0"] = misled(function(o) o.target, o.same_target = 0, true end),
    ["knows three classes"] = mapped_model(function(z) return z:narrow(2, 1, 5) * cj.tensor(
      { 1, 1, 1, 0, 0 }, z.dtype) end),
  },
  ignores_what_softmax_ignores = {
    ["masks a logit by multiplication"] = mapped_model(function(z) return cj.relu(z) end),
    ["changes with the logits' scale"] = misled(function(o, _, net, x)
      local z = net(x)
      o.alpha = 0.001 * (z:max() - z:min()):item()
    end),
  },
  tells_the_truth = {
    ["keeps its flag from the loop"] = spoiled(function(r)
      for i = 1, r.n do
        if r.status[i] == "FAIL" then r.status[i] = "SUCCESS" end
      end
    end),
    ["rounds after it looked"] = returning(function(x_adv) return (x_adv * 2):round() / 2 end),
    ["takes the prediction of the clean input"] = spoiled(function(r)
      r.pred_adv = r.pred_clean
    end),
  },
  counts_its_calls = {
    ["forgets the last pass"] = spoiled(function(r)
      for i = 1, r.n do r.forwards[i] = r.forwards[i] - 1 end
    end),
    ["looks in secret"] = spoiled(function(_, net, x) net(x) end),
    ["forgets gradients"] = spoiled(function(r) r.backwards[1] = r.backwards[1] - 1 end),
  },
  gains_from_a_larger_budget = {
    ["grows weaker"] = misled(function(o) o.eps = 0.3 - o.eps end),
    ["loses what it had"] = spoiled(function(r, _, _, _, _, o)
      if o.restarts == 2 then table.insert(r.broken, table.remove(r.broken, 1)) end
    end),
  },
  leaves_wrong_samples_alone = {
    ["attacks all"] = misled(function(o) o.paper = true end),
    ["calls them robust"] = spoiled(function(r)
      for i = 1, r.n do r.broken[i] = false end
    end),
    ["calls them successes"] = spoiled(function(r)
      for i = 1, r.n do
        if r.status[i] == "ALREADY" then r.status[i] = "SUCCESS" end
      end
    end),
  },
  survives_a_constant_model = {
    ["divides by the gradient's length"] = spoiled(function(r)
      for i = 1, r.n do r.status[i] = "NAN" end
    end),
    ["gives zeros"] = returning(function(x_adv) return cj.zeros_like(x_adv) end),
    ["does not notice zero gradients"] = spoiled(function(r)
      for i = 1, r.n do r.zeros[i] = 0 end
    end),
  },
  takes_a_radius_for_each_sample = {
    ["takes the first for all"] = misled(function(_, call)
      for i in ipairs(call.radii or {}) do call.radii[i] = call.radii[1] end
    end),
    ["leaves its step as it was"] = misled(function(o, call) o.alpha = call.radii and 0.01 end),
  },
  moves_the_right_way = {
    ["does nothing"] = no_op,
    ["goes downhill"] = function(o) return downhill:attack(o) end,
  },
}

-- What the attack gives in place of a nearest point.
local broken_nearest = {
  gives_the_input_back_when_it_fails = {
    ["gives its last iterate"] = spoiled(function() end),
  },
  finds_the_nearest_plane = {
    ["stops far beyond"] = spoiled(function() end),
    ["stops before"] = spoiled(function(r) r.linf[1] = r.linf[1] * 0.1 end),
    ["finds nothing"] = no_op,
  },
  moves_the_right_way = { ["finds nothing"] = no_op },
}

local ascent = {
  ball = "linf", steps = true, losses = true, options = { eps = 0.06 },
  monotone = {
    { { eps = 0.02 }, { eps = 0.1 }, { eps = 0.28 } },
    { { random = true, restarts = 1 }, { random = true, restarts = 2 } },
  },
}
local nearest = { ball = "linf", minimum = true, ratio = 2, options = { eps = 0.4 } }

local function try_law(name, make, spec)
  local given = { make = make }
  for key, v in pairs(spec) do given[key] = v end
  return pcall(check_attack.law, name, given)
end

local function check_bites(name, make, spec)
  local ok, message = try_law(name, make, spec)
  assert.is_false(ok, "the law is content")
  assert.is_table(message, "an error, not a broken law: " .. tostring(message)) -- of luassert
end

describe("the laws of attacks", function()
  local covered = {}
  for _, list in ipairs { broken, broken_nearest } do
    for name in pairs(list) do covered[name] = true end
  end

  it("all have attacks that break them", function()
    for _, name in ipairs(check_attack.names()) do assert.is_true(covered[name], name) end
  end)

  it("are content with attacks that keep them", function()
    for name in pairs(broken) do assert.is_true(try_law(name, pgd, ascent)) end
    for name in pairs(broken_nearest) do
      assert.is_true(try_law(name, cj.attacks.deepfool, nearest))
    end
  end)

  for name, attacks in pairs(broken) do
    for what, make in pairs(attacks) do
      it(("%s: catch an attack that %s"):format(name:gsub("_", " "), what), function()
        check_bites(name, make, ascent)
      end)
    end
  end

  for name, attacks in pairs(broken_nearest) do
    for what, make in pairs(attacks) do
      it(("%s: catch a nearest point that %s"):format(name:gsub("_", " "), what), function()
        check_bites(name, make, nearest)
      end)
    end
  end
end)
