--- Golden cases of attacks: models so simple that what an attack must find is known exactly.
--
-- Each case is a table: `attack` (name), `options`, `model` ("plane" unless given), `expected`
-- (columns of the result's record, and `x_adv` as a list) and `within` (tolerance, 1e-12). Every
-- attack has at least one; they run in `conjugate selftest` and in the tests.
-- @module conjugate.selftest.golden
local cj = require "conjugate"

local M = {}

local function affine(weights, biases, x)
  return function(dtype)
    local w, b = cj.tensor(weights, dtype), cj.tensor(biases, dtype)
    local function model(input) return cj.linear(input:reshape { input:size(1), -1 }, w, b) end
    return model, cj.tensor({ x }, dtype), cj.tensor({ 0 }, "int64")
  end
end

local W = { { 2, -1, 0, 1 }, { 0, 1, 2, -1 }, { -1, 2, 1, 2 } }
local B = { 0, -0.5, -1.55 }

--- The models: name -> function of the element type -> model, x, label (0).
-- `plane`: three classes, four inputs; the nearest other class is 2 in l2 (.1229837) and l1
-- (.1833333), 1 in linf (.0625). `image`: the same for one image [1, 2, 2]. `two`: a margin of
-- 3 x_1 - 4 x_2 + 1. `jacobian`: one whose third and fourth input must not be touched.
M.models = {
  plane = affine(W, B, { 0.5, 0.5, 0.5, 0.5 }),
  image = affine(W, B, { { { 0.5, 0.5 }, { 0.5, 0.5 } } }),
  two = affine({ { 1.5, -2 }, { -1.5, 2 } }, { 0.5, -0.5 }, { 0.5, 0.5 }),
  jacobian = affine({ { -1, 0, 1, 1 }, { 3, 1, 0, -1 } }, { 10, 0 }, { 0, 0, 0, 0 }),
}

--- The cases, in the order of the attacks.
M.cases = {
  { attack = "fgsm", options = { eps = 0.0625 }, -- a tie, which the label wins
    expected = { status = "FAIL", x_adv = { 0.4375, 0.5625, 0.5625, 0.4375 } } },
  { attack = "fgsm", options = { eps = 0.063 }, expected = { status = "SUCCESS", pred_adv = 1 } },
  { attack = "fgm", options = { eps = 0.1 }, model = "two",
    expected = { status = "FAIL", l2 = 0.1, x_adv = { 0.44, 0.58 } } },
  { attack = "ofgsm", options = { eps = 0.1 },
    expected = { status = "SUCCESS", x_adv = { 0.6, 0.4, 0.4, 0.6 } } },
  { attack = "target1", options = { eps = 0.068 }, expected = { status = "FAIL", target = 2 } },
  { attack = "target1", options = { eps = 0.07 },
    expected = { status = "SUCCESS", pred_adv = 2, x_adv = { 0.43, 0.57, 0.57, 0.57 } } },
  { attack = "pgd", options = { eps = 0.062 },
    expected = { status = "FAIL", x_adv = { 0.438, 0.562, 0.562, 0.438 } } },
  { attack = "pgd", options = { eps = 0.063 }, expected = { status = "SUCCESS", pred_adv = 1 } },
  { attack = "bim", options = { eps = 8 / 255 },
    expected = { status = "FAIL", linf = 8 / 255, backwards = 10 } },
  { attack = "ill", options = { eps = 0.1, steps = 30 },
    expected = { status = "SUCCESS", target = 2, pred_adv = 2, linf = 0.1 } },
  { attack = "ifa", options = { eps = 0.1, steps = 3 }, model = "two",
    expected = { status = "SUCCESS", x_adv = { 0.8, 0.2 } } },
  { attack = "follow", options = { conjugate = "sign", eps = 0.062 },
    expected = { status = "FAIL", x_adv = { 0.438, 0.562, 0.562, 0.438 } } },
  { attack = "apgd", options = { eps = 0.062 }, expected = { status = "FAIL" } },
  { attack = "apgd", options = { eps = 0.063 }, expected = { status = "SUCCESS", pred_adv = 1 } },
  { attack = "apgdt", options = { eps = 0.062 }, expected = { status = "FAIL" } },
  { attack = "apgdt", options = { eps = 0.063 }, expected = { status = "SUCCESS", pred_adv = 1 } },
  { attack = "deepfool", options = { norm = "l2", stab = 0 }, within = 1e-6,
    expected = { status = "SUCCESS", pred_adv = 2, l2 = 0.125443 } },
  { attack = "deepfool", options = { norm = "l2" }, within = 1e-6,
    expected = { status = "SUCCESS", pred_adv = 2, l2 = 0.125545 } },
  { attack = "deepfool", options = { norm = "linf" }, within = 1e-6,
    expected = { status = "SUCCESS", pred_adv = 1, linf = 0.063852 } },
  { attack = "fab", options = { norm = "l2" }, within = 1e-6,
    expected = { status = "SUCCESS", pred_adv = 2, l2 = 0.123625 } },
  { attack = "fab", options = { norm = "linf" }, within = 1e-6,
    expected = { status = "SUCCESS", pred_adv = 1, linf = 0.062826 } },
  { attack = "fab", options = { norm = "l1" }, within = 1e-6,
    expected = { status = "SUCCESS", pred_adv = 2, l1 = 0.184289 } },
  { attack = "fabt", options = { norm = "l2" }, within = 1e-6,
    expected = { status = "SUCCESS", pred_adv = 2, l2 = 0.123625 } },
  { attack = "fabt", options = { norm = "linf" }, within = 1e-6,
    expected = { status = "SUCCESS", pred_adv = 1, linf = 0.062826 } },
  { attack = "fabt", options = { norm = "l1" }, within = 1e-6,
    expected = { status = "SUCCESS", pred_adv = 2, l1 = 0.184289 } },
  { attack = "square", options = { eps = 0.07, queries = 500 }, model = "image",
    expected = { status = "SUCCESS", linf = 0.07, l1 = 0.28 } },
  { attack = "autoattack", options = { eps = 0.062, queries = 50 }, model = "image",
    expected = { status = "FAIL" } },
  { attack = "autoattack", options = { eps = 0.063, queries = 50 }, model = "image",
    expected = { status = "SUCCESS", pred_adv = 1 } },
  -- (d + stab + .001) / (3 / sqrt 20) * 1.02, d the Euclidean distance
  { attack = "sparsefool", options = { lambda = 1 }, within = 1e-6,
    expected = { status = "SUCCESS", pred_adv = 2, l0 = 1, l1 = 0.188673 } },
  { attack = "jsma", options = { theta = 0.5, gamma = 1 }, model = "jacobian",
    expected = { status = "FAIL", l0 = 2, x_adv = { 0.5, 0.5, 0, 0 } } },
  { attack = "onepixel", options = { pop = 20, gens = 5 }, model = "image",
    expected = { status = "SUCCESS", l0 = 1 } },
  { attack = "square", options = { eps = 0.062, queries = 200 }, expected = { status = "FAIL" } },
  { attack = "square", options = { eps = 0.063, queries = 200 },
    expected = { status = "SUCCESS", x_adv = { 0.437, 0.563, 0.563, 0.437 } } },
  { attack = "cw2", options = { steps = 1000 }, within = 5e-4,
    expected = { status = "SUCCESS", pred_adv = 1, l2 = 0.125 } },
  { attack = "minimum", options = { eps0 = 0.03 }, -- .03 .06 .12, then six bisections
    expected = { status = "SUCCESS", pred_adv = 1, linf = 0.0628125 } },
  { attack = "su_linf", options = { eps0 = 0.03, target = 1 },
    expected = { status = "SUCCESS", pred_adv = 1, linf = 0.0628125 } },
}

--- What an attack found in a case.
-- @tparam table case one of `cases`
-- @tparam[opt="float64"] string dtype element type of the model and its input
-- @treturn {[string]=any} the columns of the one record, and `x_adv` as a list
function M.run(case, dtype)
  local model, x, y = M.models[case.model or "plane"](dtype or "float64")
  local r = cj.attacks[case.attack](case.options)(model, x, y, { quiet = true, seed = 1 })
  local found = r:rows()[1]
  found.x_adv = r.x_adv:reshape({ -1 }):table()
  return found
end

--- A case in words, such as "pgd(eps = 0.062)".
-- @tparam table case one of `cases`
-- @treturn string
function M.name(case)
  return tostring(cj.attacks[case.attack](case.options))
end

return M
