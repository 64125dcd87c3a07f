local assert = require "luassert"
local cj = require "conjugate"
local golden = require "support.golden"

local shapes = { a = { 3, 2 }, b = { 5 } }

-- Parameters a and b, and a function that takes the next step of the golden run.
local function start(case)
  local params = {}
  for name, sizes in pairs(shapes) do
    params[name] = golden.numbers(name, sizes)
    params[name].requires_grad = true
  end
  local optimizer = cj.optim[case.optimiser]({ params.a, params.b }, case.options)
  local function step(n)
    for name, p in pairs(params) do
      p.grad = p:detach() * 0.1 + golden.numbers(("g%d/%s"):format(n, name), p.shape)
    end
    optimizer:step()
  end
  return params, optimizer, step
end

local function title(case)
  local parts = {}
  for name, value in pairs(case.options) do parts[#parts + 1] = name .. " " .. tostring(value) end
  table.sort(parts)
  return ("%s, %s"):format(case.optimiser or case.schedule, table.concat(parts, ", "))
end

local file = golden.read "optim"

describe("optimisers against PyTorch", function()
  for _, case in ipairs(file.optimisers) do
    it(title(case) .. ", 20 steps in float64", function()
      local params, _, step = start(case)
      local track = {}
      for _, entry in ipairs(case.track) do track[entry.step] = entry end
      for n = 1, 20 do
        step(n)
        for name, p in pairs(track[n] and params or {}) do
          local flat = p:detach():reshape { -1 }
          for i, v in ipairs(track[n][name]) do assert.near(v, flat[i], 2e-9) end
        end
      end
    end)

    it(title(case) .. ", stopped and resumed, gives the same bits", function()
      local whole, _, step = start(case)
      for n = 1, 6 do step(n) end
      local first, optimizer, first_step = start(case)
      for n = 1, 3 do first_step(n) end
      local second, resumed, second_step = start(case)
      for name, p in pairs(second) do p:detach():copy_(first[name]) end
      local saved = optimizer:state_dict()
      for _, pair in ipairs(saved.tensors) do pair[2] = pair[2]:clone() end
      resumed.lr = 17
      resumed:load_state_dict(saved)
      for n = 4, 6 do second_step(n) end
      for name, p in pairs(whole) do
        assert.same(p:detach():table(), second[name]:detach():table())
      end
    end)
  end
end)

describe("schedules against PyTorch", function()
  for _, case in ipairs(file.schedules) do
    it(title(case), function()
      local optimizer = cj.optim.sgd({ cj.zeros { 1 } }, { lr = 0.1 })
      local schedule = cj.optim.schedules[case.schedule](optimizer, case.options)
      for n, rate in ipairs(case.rates) do
        schedule:step(case.measured[n])
        assert.near(rate, optimizer.lr, 1e-12)
        if n == 7 then -- go on with a copy made from the state
          local state = schedule:state_dict()
          schedule = cj.optim.schedules[case.schedule](optimizer, case.options)
          schedule:load_state_dict(state)
        end
      end
    end)
  end
end)
