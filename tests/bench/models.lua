--- Training steps, forward passes and PGD of the models: images a second.
local cj = require "conjugate"

local BATCH = 128

local function of_model(list, name, options, batch)
  local net = cj.models[name](options)
  local x = cj.rand { batch, options.channels, options.size, options.size }
  local y = cj.zeros({ batch }, "int64")
  local optimizer = cj.optim.adam(net:parameters(), { lr = 1e-3 })
  local pgd = cj.attacks.pgd { eps = 0.1, alpha = 0.025, steps = 4 }
  local title = ("%s %dx%d batch %d"):format(name, options.channels, options.size, batch)
  local function add(what, f)
    list[#list + 1] = { name = title .. " " .. what, unit = "images/s", amount = batch, f = f }
  end
  add("forward", function()
    net:eval()
    cj.predict(net, x)
  end)
  add("train", function()
    net:train()
    optimizer:zero_grad()
    cj.cross_entropy(net(x), y):backward()
    optimizer:step()
  end)
  add("pgd 4 steps", function()
    net:eval()
    pgd(net, x, y)
  end)
end

local list = {}
of_model(list, "convnet", { channels = 1, size = 28, classes = 10 }, BATCH)
of_model(list, "ygcnn", { channels = 1, size = 28, classes = 10 }, BATCH)
of_model(list, "resnet", { channels = 3, size = 32, classes = 10, n = 1 }, BATCH)
return list
