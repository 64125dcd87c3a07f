--- Transfer between models: inputs made against one, shown to another.
--
-- For each pair (A, B) only the images count that both classify correctly; the rate is the share of
-- them that B misclassifies once they were perturbed against A. On the diagonal it is the success
-- rate of the white-box attack.
-- @module conjugate.metrics.transfer
-- @source Szegedy et al., ICLR 2014; Liu et al., ICLR 2017
local check = require "conjugate.check"
local walk = require "conjugate.metrics.walk"

local M = {}

local Result = {}

function Result.__tostring(r)
  local lines = { ("transfer of %s, n = %d: misclassified, percent of what both get right"):format(
    r.attack, r.n), "made against \\ shown to  " .. table.concat(r.names, "  ") }
  for a, name in ipairs(r.names) do
    local fields = {}
    for b, shown in ipairs(r.names) do
      local rate = r.rates[a][b]
      fields[b] = ("%" .. math.max(#shown, 6) .. "s"):format(rate and ("%.2f"):format(rate) or "-")
    end
    lines[#lines + 1] = ("%-24s "):format(name) .. table.concat(fields, "  ")
  end
  return table.concat(lines, "\n")
end

-- Names and networks: from a list, numbered, or from a table of names, sorted.
local function read_models(models)
  check.table("transfer", "models", models)
  local names, nets = {}, {}
  for i, net in ipairs(models) do names[i], nets[i] = "model " .. i, net end
  if #names == 0 then
    for name in pairs(models) do names[#names + 1] = check.string("transfer", "a name", name) end
    table.sort(names)
    for i, name in ipairs(names) do nets[i] = models[name] end
  end
  if #names == 0 then check.fail("transfer", "expected at least one model, got none") end
  for i, net in ipairs(nets) do check.callable("transfer", names[i], net) end
  return names, nets
end

local function square(n)
  local rows = {}
  for a = 1, n do
    rows[a] = {}
    for b = 1, n do rows[a][b] = 0 end
  end
  return rows
end

local function hits(model, x, y)
  return walk.logits(model, x):predict():eq(y):table()
end

--- The matrix of transfer rates.
-- @function transfer
-- @tparam table models networks: a list, or name -> network
-- @tparam DataSet set images and labels
-- @tparam Attack attack run against each model
-- @tparam[opt] table opts `batch`, `seed`, `quiet`
-- @treturn table names; rates[a][b] in percent, nil where no image is classified correctly by both;
--   both[a][b] (how many are); successes[a][b]; n. Of a targeted attack, too, any misclassification
--   counts. print shows it as a table.
-- @raise wrong arguments; what the attack raises
-- @usage print(cj.metrics.transfer({ plain = net, augmented = other }, test, cj.attacks.pgd {
--   eps = 0.1 }))
function M.transfer(models, set, attack, opts)
  local o = walk.options("transfer", opts)
  local names, nets = read_models(models)
  walk.check_attack("transfer", attack)
  local r = {
    attack = attack.name, names = names, n = 0, rates = {}, both = square(#nets),
    successes = square(#nets),
  }
  walk.each("transfer", nets, set, o, function(plans, x, y, first)
    local clean = {}
    for b, model in ipairs(plans) do clean[b] = hits(model, x, y) end
    for a, source in ipairs(plans) do
      local x_adv = attack(source, x, y, walk.call(o, first)).x_adv
      for b, model in ipairs(plans) do
        local after = hits(model, x_adv, y)
        for i = 1, x:size(1) do
          local both = clean[a][i] * clean[b][i]
          r.both[a][b] = r.both[a][b] + both
          r.successes[a][b] = r.successes[a][b] + both * (1 - after[i])
        end
      end
    end
    r.n = r.n + x:size(1)
  end)
  for a in ipairs(names) do
    r.rates[a] = {}
    for b in ipairs(names) do
      local both = r.both[a][b]
      r.rates[a][b] = both > 0 and 100 * r.successes[a][b] / both or nil
    end
  end
  return setmetatable(r, Result)
end

return M
