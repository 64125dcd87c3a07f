--- The effective conjugates of the attacks as fields over inputs, after Table 4 of the paper.
--
-- Each entry of `fields` has `formula`; `options`, rules for `check.options`; `sense`, -1 where the
-- attack walks against the field; and `field(x, state, options)`, which gives the field at x
-- [B, ...], with `state.model`, `state.y` (labels, int64 [B]) and `state.rows` (numbers of the
-- samples from 1, int64 [B]). What iterates starts at x. Gradients are of the summed cross entropy
-- l, or of logits f.
--
-- `target`, where there is one, is a label, "least" (likely besides the label), "second" (likeliest
-- besides the label), or a list with a label for each sample.
-- @module conjugate.attacks.kinds.effective
-- @source Zhang et al., arXiv 2205.01493, table 4
local autograd = require "conjugate.autograd"
local check = require "conjugate.check"
local core = require "conjugate.core"
local ops = require "conjugate.ops"

local M = { fields = {} }

-- --- gradients -----------------------------------------------------------------------------------

-- Gradients of sum_k s_k z_k at x: choose(z), with the logits as lists, gives the slopes s of all
-- samples, once for each gradient that is wanted.
local function gradients(x, state, choose)
  return autograd.enable_grad(function()
    local leaf, out = x:detach():clone(), {}
    leaf.requires_grad = true
    local z = state.model(leaf)
    local slopes = choose(z:table())
    for i, s in ipairs(slopes) do
      local weights = { gradient = core.tensor(s, z.dtype), keep = i < #slopes }
      out[i] = z.requires_grad and autograd.grad(z, leaf, weights) or leaf:detach() * 0
    end
    return out
  end)
end

-- Slopes of z_k - z_y for one sample; those of z_k without y.
local function difference(classes, k, y)
  local s = {}
  for j = 1, classes do s[j] = (j - 1 == k and 1 or 0) - (j - 1 == y and 1 or 0) end
  return s
end

-- The gradient of l(x, label), in which a sure prediction is not rounded to zero.
local function loss_gradient(x, state, label_of)
  local y = state.y:table()
  return gradients(x, state, function(z)
    local all, _ = {}, nil
    for i, logits in ipairs(z) do
      local label = label_of and label_of(logits, y[i], i) or y[i]
      _, all[i] = core.attack_loss("ce", logits, label)
    end
    return { all }
  end)[1]
end

-- --- classes -------------------------------------------------------------------------------------

-- Classes other than y, the likeliest first.
local function rivals(logits, y)
  local list = {}
  for k = 0, #logits - 1 do
    if k ~= y then list[#list + 1] = k end
  end
  table.sort(list, function(a, b)
    local za, zb = logits[a + 1], logits[b + 1]
    return za > zb or za == zb and a < b
  end)
  return list
end

-- A function(logits, y, i) -> the target of sample i.
local function targets(target, state)
  if target == "second" then return function(logits, y) return rivals(logits, y)[1] end end
  if target == "least" then
    return function(logits, y)
      local list = rivals(logits, y)
      return list[#list]
    end
  end
  if type(target) == "number" then return function() return target end end
  local rows = state.rows:table()
  local list = type(target) == "table" and target or target:table()
  return function(_, _, i) return list[rows[i]] end
end

local function target_rule(default)
  return { "integer|string|tensor|table", default }
end

local function check_target(target)
  if type(target) == "string" then
    check.one_of("conjugate.of", "target", target, { "least", "second" })
  end
end

-- --- one step, and iterated ----------------------------------------------------------------------

M.fields.fgsm = {
  formula = "sign(grad l(X, y))",
  field = function(x, state) return loss_gradient(x, state):sign() end,
}

M.fields.fgm = {
  formula = "grad l(X, y)",
  field = function(x, state) return loss_gradient(x, state) end,
}

for _, name in ipairs { "ofgsm", "ifa" } do
  M.fields[name] = {
    formula = "-sign(grad l(X, y))",
    field = function(x, state) return -loss_gradient(x, state):sign() end,
  }
end

M.fields.target1 = {
  formula = "sign(grad l(X, y_t))", sense = -1, options = { target = target_rule "least" },
  field = function(x, state, o)
    return loss_gradient(x, state, targets(o.target, state)):sign()
  end,
}

-- The result of an attack from x, and the attack; `given` are its options.
local function reach(name, x, state, given)
  local o = { quiet = true, paper = true, seed = 0 }
  for key, v in pairs(given) do o[key] = v end
  local attack = require("conjugate.attacks")[name](o)
  return attack(state.model, x, state.y), attack
end

local ITERATED = { eps = { "number", 0.1 }, alpha = { "number" }, steps = { "integer" } }

for _, name in ipairs { "pgd", "bim" } do
  M.fields[name] = {
    formula = "alpha sign(grad l(X_N, y))", options = ITERATED,
    field = function(x, state, o)
      local r, attack = reach(name, x, state, o)
      return loss_gradient(r.x_adv, state):sign() * attack.settings.alpha
    end,
  }
end

M.fields.ill = {
  formula = "alpha sign(grad l(X_N, y_LL))", sense = -1, options = ITERATED,
  field = function(x, state, o)
    local r, attack = reach("ill", x, state, o)
    local function least(_, _, i) return r.target[i] end
    return loss_gradient(r.x_adv, state, least):sign() * attack.settings.alpha
  end,
}

-- --- the saliency map ----------------------------------------------------------------------------

-- Slopes of the softmax's p_t for one sample.
local function softmax_slopes(logits, t)
  local most, sum, p, s = math.max(unpack(logits)), 0, {}, {}
  for k, v in ipairs(logits) do
    p[k] = math.exp(v - most)
    sum = sum + p[k]
  end
  for k in ipairs(p) do s[k] = p[t + 1] / sum * ((k == t + 1 and 1 or 0) - p[k] / sum) end
  return s
end

-- Slopes of what is to rise, and of the rest together.
local function saliency_slopes(logits, t, softmax)
  local up = softmax and softmax_slopes(logits, t) or difference(#logits, t)
  local rest = {}
  for k, v in ipairs(up) do rest[k] = softmax and -v or 1 - v end
  return up, rest
end

-- S_i = sign(a_i) max(-a_i b_i, 0): the score of a pair for one element by itself, with the sign of
-- the move that raises class t and lowers the others.
M.fields.jsma = {
  formula = "S = sign(a) max(-a b, 0), a = grad f_t, b = grad sum f_j",
  options = { target = target_rule "second", jacobian = "logits" },
  field = function(x, state, o)
    local target, y = targets(o.target, state), state.y:table()
    local g = gradients(x, state, function(z)
      local first, second = {}, {}
      for i, logits in ipairs(z) do
        local t = target(logits, y[i], i)
        first[i], second[i] = saliency_slopes(logits, t, o.jacobian == "softmax")
      end
      return { first, second }
    end)
    return g[1]:sign() * (-g[1] * g[2]):relu()
  end,
}

-- --- planes --------------------------------------------------------------------------------------

-- For each sample the rivals among its `count` highest logits.
local function near_classes(z, y, count)
  local all = {}
  for i, logits in ipairs(z) do
    local list, others = {}, rivals(logits, y[i])
    local above = 0 -- classes likelier than the label
    for _, k in ipairs(others) do above = above + (logits[k + 1] > logits[y[i] + 1] and 1 or 0) end
    local last = above < count and count - 1 or count
    for r = 1, math.min(last, #others) do list[r] = others[r] end
    all[i] = list
  end
  return all
end

-- The row of `planes` (one [B, ...] for each rank of rivals) that is nearest for each sample.
local function nearest_rows(planes, z, y, classes)
  local sizes, places, b = {}, {}, #z
  for r, g in ipairs(planes) do
    local flat = g:reshape { b, -1 }
    sizes[r] = (flat * flat):sum(2):sqrt():table()
  end
  for i, list in ipairs(classes) do
    local best, least = 1, math.huge
    for r, k in ipairs(list) do
      local distance = math.abs(z[i][k + 1] - z[i][y[i] + 1]) / sizes[r][i]
      if distance < least then best, least = r, distance end
    end
    places[i] = (best - 1) * b + i
  end
  return core.attack_rows(ops.cat(planes, 1), core.tensor(places, "int64"))
end

M.fields.deepfool = {
  formula = "grad f_k(X_i) - grad f_k0(X_i), k the nearest",
  options = { classes = { "integer", 10 } },
  field = function(x, state, o)
    local y, z, classes = state.y:table(), nil, nil
    local planes = gradients(x, state, function(logits)
      z, classes = logits, near_classes(logits, y, o.classes)
      local slopes, most = {}, 0
      for _, list in ipairs(classes) do most = math.max(most, #list) end
      for r = 1, most do
        slopes[r] = {}
        for i, list in ipairs(classes) do
          slopes[r][i] = difference(#z[i], list[r] or list[#list], y[i])
        end
      end
      return slopes
    end)
    return nearest_rows(planes, z, y, classes)
  end,
}

M.fields.sparsefool = {
  formula = "grad f_k(X_B) - grad f_k0(X_B), X_B = X + DeepFool(X)",
  options = { classes = { "integer", 10 } },
  field = function(x, state, o)
    local y = state.y:table()
    local r = reach("deepfool", x, state, { classes = o.classes })
    return gradients(r.x_adv, state, function(z)
      local slopes = {}
      for i, logits in ipairs(z) do
        local k = r.pred_adv[i] ~= y[i] and r.pred_adv[i] or rivals(logits, y[i])[1]
        slopes[i] = difference(#logits, k, y[i])
      end
      return { slopes }
    end)[1]
  end,
}

--- Reads the options of a field.
-- @tparam table entry of `fields`
-- @tparam ?table opts what the user gave
-- @treturn table option name -> value
-- @raise "conjugate.of: ..." for unknown names, wrong types, values out of range
function M.read(entry, opts)
  local o = check.options("conjugate.of", opts, entry.options or {})
  check_target(o.target)
  if o.classes then check.integer("conjugate.of", "classes", o.classes, 2) end
  if o.jacobian then
    check.one_of("conjugate.of", "jacobian", o.jacobian, { "logits", "softmax" })
  end
  return o
end

return M
