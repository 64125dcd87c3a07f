--- What all models share: the configuration that a network is built from and can be rebuilt from.
-- @module conjugate.models.define
local check = require "conjugate.check"
local nn = require "conjugate.nn"

local M = {}

--- Every model by name, as `define` was given it.
M.known = {}

local function from_data(fn, set)
  if type(set) ~= "table" or not check.is_tensor(set.images) or set.classes == nil then
    check.fail(fn, "expected a data set for data, got %s", check.describe(set))
  end
  local shape = set.images.shape
  if shape[3] ~= shape[4] then
    check.fail(fn, "expected square pictures, got %dx%d", shape[3], shape[4])
  end
  return { channels = shape[2], size = shape[3], classes = set.classes }
end

-- The options every model has.
local common = {
  channels = 1, size = 28, classes = 10, data = { "table" }, normalize = { "table" },
}

local function read_config(model, given)
  local rules = {}
  for name, rule in pairs(common) do rules[name] = rule end
  for name, rule in pairs(model.options or {}) do rules[name] = rule end
  if not model.classifier then rules.classes = nil end
  if given ~= nil then check.table(model.name, "options", given) end
  if given and given.data then
    local sizes, copy = from_data(model.name, given.data), {}
    for name, value in pairs(sizes) do
      if rules[name] then copy[name] = value end
    end
    for name, value in pairs(given) do copy[name] = value end
    given = copy
  end
  local config = check.options(model.name, given, rules)
  config.data = nil
  check.integer(model.name, "channels", config.channels, 1)
  check.integer(model.name, "size", config.size, model.smallest)
  if model.classifier then check.integer(model.name, "classes", config.classes, 2) end
  return config
end

local function expected(channels, size)
  local side = size and tostring(size)
  return ("[B, %d, %s, %s]"):format(channels, side or "H", side or "W")
end

-- Puts a check of the input before the network's function, so that a picture of the wrong size is
-- reported by the model's name and not by some layer's.
local function guard(net, model, config)
  local forward, name = net.forward, model.name
  local channels = config.channels * (model.pictures or 1)
  local size = model.one_size and config.size or nil
  rawset(net, "forward", function(self, x)
    check.tensor(name, "x", x, "float")
    local shape = x.shape
    if #shape ~= 4 or shape[2] ~= channels or size and (shape[3] ~= size or shape[4] ~= size) then
      check.fail(name, "expected sizes %s for x, got [%s]", expected(channels, size),
        table.concat(shape, ", "))
    end
    return forward(self, x)
  end)
end

--- Makes the constructor of a model. The constructor takes `{ data = set }` or
-- `{ channels =, size =, classes = }` (1, 28, 10), the model's own options, and
-- `normalize = { mean = {...}, std = {...} }`, which puts a fixed normalisation before the first
-- layer so that inputs stay pixels in [0, 1].
-- @tparam table model `name`, `what`, `source`; `layers(c)` -> module; `options` of its own;
--  `smallest` size of picture; `one_size`, whether it takes no other size than the one it was made
--  for; `pictures`, how many are joined along the channels (1); `classifier`, whether it has
--  classes; `counts`, a list of { options, number of parameters }, published or worked out
-- @treturn function constructor(options) -> Module with `config`
function M.define(model)
  model.smallest = model.smallest or 1
  M.known[model.name] = model
  return function(given)
    local config = read_config(model, given)
    local net = model.layers(config)
    if config.normalize then
      local n = config.normalize
      net = nn.sequential { { "normalize", nn.normalize(n.mean, n.std) }, { "model", net } }
    end
    guard(net, model, config)
    config.model = model.name
    rawset(net, "config", config)
    return net
  end
end

return M
