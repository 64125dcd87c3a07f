--- How an operator of the core becomes a function of Lua.
--
-- A file of `conjugate.ops` calls `def` once per operator:
--
--     local def = require "conjugate.ops.define"
--     def { name = "softmax", args = { "x", { "dim", "dim", -1 } } }
--
-- This makes `cj.softmax(x, dim)`, the method `x:softmax(dim)` and, unless the operator is a view,
-- the method `x:softmax_(dim)`, which stores the result in x.
--
-- An argument is a name (a tensor) or `{ name, kind, default }`. With a default it may be left
-- out. Tensors reach the core in the order of the arguments, numbers likewise, and the numbers of
-- lists (sizes, dims, numbers) after all other numbers, wherever the list stands.
--
-- - "tensor": a number given in its place becomes a tensor without dimensions, of the call's type
-- - "tensor?": may be nil
-- - "tensors": a table of one or more tensors
-- - "number", "integer", "boolean" (0 or 1)
-- - "dim", "index": counted from 1, or from the end with -1; reach the core from 0, or negative
-- - "dtype": "float32" and so on; reaches the core as cj_dtype
-- - "choice": one of the strings of the fourth element, `{ "reduction", "choice", "mean",
--   { "none", "mean", "sum" } }`; reaches the core as its place, from 0
-- - "pair": a whole number for both, or a table of two; two numbers for the core
-- - "sizes": a table of whole numbers, or, as last argument, all that follow
-- - "dims": the same with dimensions, converted like "dim"
-- - "numbers": a table of any numbers
--
-- Numbers may also be given by name in a last table: `cj.conv2d(x, w, b, { stride = 2 })`.
-- @module conjugate.ops.define
local core = require "conjugate.core"

local methods = core.methods
local M = { functions = {}, definitions = {}, order = {} }

local function place(list, word)
  for i, candidate in ipairs(list) do
    if candidate == word then return i - 1 end
  end
  return error("def: the default is none of the choices: " .. tostring(word), 3)
end

local dtypes = { "float32", "float64", "int64", "uint8" }

-- The default in the form the core wants.
local function default_of(entry)
  local kind, default = entry[2], entry[3]
  if default == nil then return nil end
  if kind == "choice" then return place(entry[4], default) end
  if kind == "dtype" then return place(dtypes, default) end
  if kind == "dim" or kind == "index" then return default > 0 and default - 1 or default end
  return default
end

local function argument(entry)
  if type(entry) == "string" then return { name = entry, kind = "tensor" } end
  return {
    name = entry[1],
    kind = entry[2],
    default = default_of(entry),
    choices = entry[4] and table.concat(entry[4], "|"),
  }
end

local function takes_tensor_first(args)
  return args[1] and (args[1].kind == "tensor" or args[1].kind == "tensor?")
end

local function in_place(d, info)
  if d.inplace ~= nil then return d.inplace end
  return not info.view
end

--- Defines the function and methods of one operator of the core.
-- @tparam table d `name`: the core's name; `args`: list of arguments, see above; `as`: the name in
--   Lua if it differs; `method`: false to make no methods; `inplace`: whether `x:NAME_` exists;
--   `wrap`: function(f) giving the function to use instead of the plain one
-- @treturn function the operator
-- @raise when the core has no such operator or an argument's kind is unknown
local function def(d)
  local args = {}
  for i, entry in ipairs(d.args) do args[i] = argument(entry) end
  local info = core.operator_info(d.name)
  if not info then error("def: the core has no operator named " .. tostring(d.name), 2) end
  local name = d.as or d.name
  local f = core.operator(d.name, args)
  if d.wrap then f = d.wrap(f) end
  M.functions[name] = f
  M.definitions[d.name] = d
  M.order[#M.order + 1] = d.name
  if d.method ~= false and takes_tensor_first(args) then
    methods[name] = f
    if in_place(d, info) then methods[name .. "_"] = core.operator(d.name, args, true) end
  end
  return f
end

return setmetatable(M, {
  __call = function(_, d)
    return def(d)
  end,
})
