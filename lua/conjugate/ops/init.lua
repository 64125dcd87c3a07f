--- All operators: loads the files of every family and gives the functions by name.
-- @module conjugate.ops
local core = require "conjugate.core"
local def = require "conjugate.ops.define"

-- One file per family, named like the C file of the same operators; one a line, sorted.
local families = {
  "affine",
  "arithmetic",
  "batch_norm",
  "compare",
  "concat",
  "conv",
  "conv_transpose",
  "convert",
  "dropout",
  "extreme",
  "index",
  "linear",
  "loss",
  "matmul",
  "norm",
  "optim",
  "pad",
  "pool",
  "random",
  "reduce",
  "softmax",
  "spectrum",
  "unary",
  "upsample",
  "view",
}

for _, family in ipairs(families) do
  local name = "conjugate.ops." .. family
  if package.loaded[name] or package.searchpath(name, package.path) then require(name) end
end

local f = def.functions

-- The operators of the language.
core.metamethods {
  __add = f.add,
  __sub = f.sub,
  __mul = f.mul,
  __div = f.div,
  __pow = f.pow,
  __unm = f.neg and function(x) -- Lua passes the operand twice
    return f.neg(x)
  end,
}

return f
