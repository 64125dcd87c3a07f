--- Layers one after the other.
-- @module conjugate.nn.sequential
local check = require "conjugate.check"
local module = require "conjugate.nn.module"

--- A chain of modules: each takes what the one before gives.
-- Entries are modules, or { name, module }; an entry without a name is called by its position
-- counted from 0, as PyTorch does. `chain[i]` is the i-th module, counted from 1.
--
--     nn.sequential {
--       { "conv1", nn.conv2d(1, 6, 5) }, nn.relu(), nn.max_pool2d(2),
--       nn.flatten(), { "fc", nn.linear(864, 10) },
--     }
--
-- @function sequential
-- @tparam table entries list of modules or { name, module }
-- @treturn Module
-- @raise entries that are neither, names used twice or with a dot
-- @source PyTorch, Sequential
local Sequential = module.class "Sequential"

local function read(i, entry)
  if module.is_module(entry) then return tostring(i - 1), entry end
  local name, layer = type(entry) == "table" and entry[1], type(entry) == "table" and entry[2]
  if type(name) ~= "string" or not module.is_module(layer) then
    check.fail("sequential", "expected a module or { name, module } as entry %d, got %s", i,
      check.describe(entry))
  end
  if name:find(".", 1, true) then
    check.fail("sequential", "expected a name without dots as entry %d, got %q", i, name)
  end
  return name, layer
end

function Sequential:init(entries)
  if type(entries) ~= "table" or module.is_module(entries) then
    check.fail("sequential", "expected a list of modules for entries, got %s",
      check.describe(entries))
  end
  for i, entry in ipairs(entries) do
    local name, layer = read(i, entry)
    if rawget(self, name) ~= nil then
      check.fail("sequential", "the name %q is taken", name)
    end
    self[name] = layer
    rawset(self, i, layer)
  end
end

function Sequential:forward(x)
  for i = 1, #self do x = self[i](x) end
  return x
end

return { sequential = Sequential }
