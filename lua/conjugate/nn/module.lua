--- Modules: layers and networks that own parameters, buffers and other modules.
--
-- A class is made by `class(name)` and called to make an object; `init` fills it, `forward`
-- computes. A module assigned to a field becomes a child of that name; parameters and buffers are
-- declared by `self:parameter(name, tensor)` and `self:buffer(name, tensor)`. Names of parameters
-- are those of a PyTorch state dict: the path of fields, joined by dots.
--
--     local Net = nn.class "Net"
--     function Net:init(width)
--       self.fc1 = nn.linear(784, width)
--       self.fc2 = nn.linear(width, 10)
--     end
--     function Net:forward(x)              -- [B, 1, 28, 28] -> [B, 10]
--       return self.fc2(self.fc1(x:flatten(2)):relu())
--     end
--     local net = Net(100)
--
-- @module conjugate.nn.module
local check = require "conjugate.check"
local cj = require "conjugate"
local describe = require "conjugate.nn.describe"

--- What every module can do; its class comes between it and the object.
-- @type Module
local Module = {}

local function is_module(v)
  return type(v) == "table" and rawget(v, "_children") ~= nil
end

local function register(self, name, value)
  if is_module(value) then table.insert(self._children, name) end
  rawset(self, name, value)
end

local function construct(class, ...)
  local self = setmetatable({ training = true, _parameters = {}, _buffers = {}, _children = {} },
    class)
  class.init(self, ...)
  return self
end

local function call(self, ...)
  return self:forward(...)
end

--- A new class of modules: a table to put `init` and `forward` in, called to make an object.
-- An `extra` method, if given, returns the text that `print` shows behind the class's name.
-- @function class
-- @string name shown by print
-- @treturn table the class; `class(...)` makes a module and passes `...` to `init`
-- @raise when the name is not a string
-- @source PyTorch, torch.nn.Module
local function class(name)
  check.string("class", "name", name)
  local made = {
    class_name = name, __newindex = register, __call = call, __tostring = describe.short,
  }
  made.__index = made
  return setmetatable(made, { __index = Module, __call = construct })
end

--- Does nothing; a class without an `init` of its own has no fields to fill.
function Module:init() -- luacheck: ignore self
end

--- The module's function; every class brings its own.
-- @raise always: this one only says that it is missing
function Module:forward()
  check.fail(self.class_name, "this class has no forward function")
end

--- Declares a parameter: it is trained, saved and counted.
-- @string name without dots
-- @tparam Tensor tensor its first value; from now on it wants a gradient
-- @treturn Tensor the same tensor
function Module:parameter(name, tensor)
  tensor.requires_grad = true
  table.insert(self._parameters, name)
  rawset(self, name, tensor)
  return tensor
end

--- Declares a buffer: it is saved, but neither trained nor counted.
-- @string name without dots
-- @tparam Tensor tensor its first value
-- @treturn Tensor the same tensor
function Module:buffer(name, tensor)
  table.insert(self._buffers, name)
  rawset(self, name, tensor)
  return tensor
end

--- Takes a parameter, buffer or child away again.
-- @string name as it was declared
-- @return what it was
function Module:forget(name)
  for _, list in ipairs { self._parameters, self._buffers, self._children } do
    for i = #list, 1, -1 do
      if list[i] == name then table.remove(list, i) end
    end
  end
  local value = rawget(self, name)
  rawset(self, name, nil)
  return value
end

--- Iterates over the direct children, in the order they were added.
-- @treturn function iterator: name, module
function Module:children()
  local i = 0
  return function()
    i = i + 1
    local name = self._children[i]
    if name then return name, self[name] end
  end
end

--- All modules of the tree, the module itself first.
-- @treturn table list of { name, module }; the own name is ""
function Module:named_modules()
  local found = {}
  local function visit(module, path)
    found[#found + 1] = { path, module }
    for name, child in module:children() do
      visit(child, path == "" and name or path .. "." .. name)
    end
  end
  visit(self, "")
  return found
end

-- The tensors named in the lists (fields of a module) of the whole tree, as { full name, tensor }.
local function collect(self, ...)
  local found = {}
  for _, entry in ipairs(self:named_modules()) do
    local path, module = entry[1], entry[2]
    local prefix = path == "" and "" or path .. "."
    for _, list in ipairs { ... } do
      for _, name in ipairs(module[list]) do
        found[#found + 1] = { prefix .. name, module[name] }
      end
    end
  end
  return found
end

local function tensors(pairs_list)
  local list = {}
  for i, pair in ipairs(pairs_list) do list[i] = pair[2] end
  return list
end

--- Parameters with their names, in the order of the state dict.
-- @treturn table list of { name, tensor }
function Module:named_parameters()
  return collect(self, "_parameters")
end

--- Parameters, in the order of the state dict.
-- @treturn table list of tensors
function Module:parameters()
  return tensors(self:named_parameters())
end

--- Buffers (running means and the like) with their names.
-- @treturn table list of { name, tensor }
function Module:named_buffers()
  return collect(self, "_buffers")
end

--- Buffers, in the order of the state dict.
-- @treturn table list of tensors
function Module:buffers()
  return tensors(self:named_buffers())
end

--- Number of elements of all parameters; buffers do not count.
-- @treturn number
function Module:num_parameters()
  local sum = 0
  for _, p in ipairs(self:parameters()) do sum = sum + p:numel() end
  return sum
end

local by_name = {
  __index = function(dict, name)
    for _, pair in ipairs(dict) do
      if pair[1] == name then return pair[2] end
    end
  end,
}

--- All that must be saved: parameters and buffers, named as PyTorch names them.
-- The tensors are the module's own, not copies.
-- @treturn table list of { name, tensor }, which also answers `dict["conv1.weight"]`
function Module:state_dict()
  return setmetatable(collect(self, "_parameters", "_buffers"), by_name)
end

-- A state dict in either form (list of pairs, or names as keys) as a table by name.
local function keyed(dict)
  local map = {}
  for k, v in pairs(dict) do
    if type(k) == "number" and type(v) == "table" then
      map[v[1]] = v[2]
    else
      map[k] = v
    end
  end
  return map
end

local function same_shape(a, b)
  return describe.shape(a) == describe.shape(b)
end

-- Every disagreement between what the module has and what it is offered, one line each.
local function complaints(own, offered)
  local lines, known = {}, {}
  for _, pair in ipairs(own) do
    local name, tensor, new = pair[1], pair[2], offered[pair[1]]
    known[name] = true
    if new == nil then
      lines[#lines + 1] = ("%q is missing"):format(name)
    elseif not same_shape(tensor, new) then
      lines[#lines + 1] = ("%q: expected shape %s, got %s"):format(name, describe.shape(tensor),
        describe.shape(new))
    end
  end
  local extra = {}
  for name in pairs(offered) do
    if not known[name] then extra[#extra + 1] = tostring(name) end
  end
  table.sort(extra)
  for _, name in ipairs(extra) do lines[#lines + 1] = ("%q is not part of it"):format(name) end
  return lines
end

--- Takes over the values of a state dict; names and shapes must agree, types are converted.
-- Nothing is changed unless everything fits.
-- @tparam table dict list of { name, tensor } or table of tensors by name
-- @treturn Module self
-- @raise names that are missing or unknown, and shapes that differ
function Module:load_state_dict(dict)
  check.table("load_state_dict", "dict", dict)
  local own, offered = self:state_dict(), keyed(dict)
  local lines = complaints(own, offered)
  if #lines > 0 then
    local shown = table.concat(lines, "\n  ", 1, math.min(#lines, 6))
    local more = #lines > 6 and ("\n  and %d more"):format(#lines - 6) or ""
    check.fail("load_state_dict", "the state does not fit this %s:\n  %s%s", self.class_name, shown,
      more)
  end
  cj.no_grad(function()
    for _, pair in ipairs(own) do pair[2]:copy_(offered[pair[1]]) end
  end)
  return self
end

--- Sets the mode of the whole tree: dropout and batch norm behave differently in training.
-- @bool[opt=true] mode
-- @treturn Module self
function Module:train(mode)
  if mode == nil then mode = true end
  check.boolean("train", "mode", mode)
  for _, entry in ipairs(self:named_modules()) do rawset(entry[2], "training", mode) end
  return self
end

--- Evaluation mode: the same as `train(false)`.
-- @treturn Module self
function Module:eval()
  return self:train(false)
end

--- Turns all floating-point parameters and buffers into another type.
-- The tensors are replaced, so make the optimiser afterwards.
-- @string dtype "float32" or "float64"
-- @treturn Module self
-- @raise when dtype is another type
function Module:to(dtype)
  check.one_of("to", "dtype", dtype, { "float32", "float64" })
  for _, entry in ipairs(self:named_modules()) do
    local module = entry[2]
    for _, list in ipairs { module._parameters, module._buffers } do
      for _, name in ipairs(list) do
        local t = module[name]
        if t.dtype ~= dtype and t.dtype ~= "int64" then
          local changed, wanted = t:detach():to(dtype), t.requires_grad
          if wanted then changed.requires_grad = true end
          rawset(module, name, changed)
        end
      end
    end
  end
  return self
end

--- Forgets the gradients of all parameters.
-- @treturn Module self
function Module:zero_grad()
  for _, p in ipairs(self:parameters()) do
    if p.requires_grad then p.grad = nil end
  end
  return self
end

--- Freezes all parameters, so that no gradients are computed for them, or thaws them again.
-- @bool[opt=true] frozen
-- @treturn Module self
function Module:freeze(frozen)
  for _, p in ipairs(self:parameters()) do p.requires_grad = frozen == false end
  return self
end

--- Every layer of the module with the shapes of its parameters and their count, one a line; `print`
-- gives the same, but only the outermost modules of a network of more than 60 parts.
-- @treturn string
function Module:tree()
  return describe.tree(self)
end

--- Sizes of what every layer gives, for an input of the given sizes.
-- @tparam table sizes of the input, as { B, C, H, W }
-- @treturn string a table: layer, output shape, parameters
-- @usage print(net:summary { 1, 1, 28, 28 })
function Module:summary(sizes)
  return describe.summary(self, sizes)
end

return { class = class, is_module = is_module, keyed = keyed }
