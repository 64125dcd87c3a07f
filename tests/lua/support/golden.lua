--- Golden values: the closed rule for weights and inputs, and the comparison with summaries that
-- tests/golden/make_golden.py wrote. The rule must agree with `numbers` there to the last bit;
-- every step is exact in double precision.
local cj = require "conjugate"
local json = require "dkjson"

local M = {}

local function name_hash(name)
  local h = 0
  for i = 1, #name do h = (h * 131 + name:byte(i)) % 1000003 end
  return h
end

-- x mod p for a float64 tensor of whole numbers from 0 to 2^50.
local function mod(x, p)
  return x - (x / p):to("int64"):to("float64") * p
end

local function product(sizes)
  local n = 1
  for _, size in ipairs(sizes) do n = n * size end
  return n
end

--- float64 numbers in (-1, 1), never 0, given by the name and the element's position.
function M.numbers(name, sizes)
  local i = cj.arange(0, product(sizes), 1, "float64") + name_hash(name)
  local a, b = mod(i, 46337), mod(i, 46349)
  local s = mod(a * a * a + b * b * b * 7, 65521)
  return ((s + 0.25) / 32760.5 - 1):reshape(sizes)
end

-- s^T G t with fixed signs s and t, where G is the tensor as a matrix [first size, rest].
local function projection(name, t)
  local g = t:reshape { t:dim() > 0 and t:size(1) or 1, -1 }
  local left = M.numbers(name .. "/s", { 1, g:size(1) }):sign()
  local right = M.numbers(name .. "/t", { g:size(2), 1 }):sign()
  return cj.matmul(cj.matmul(left, g), right):item()
end

local function positions(name, count)
  local list = M.numbers(name, { 8 }):table()
  for i, u in ipairs(list) do list[i] = math.floor((u + 1) / 2 * count) + 1 end
  return list
end

-- The value of a parameter or buffer by its name, float64 rounded to float32.
local function value(name, sizes)
  local u = M.numbers(name, sizes)
  local function ends(text) return name:sub(-#text) == text end
  if #sizes > 1 then
    u = u * (6 / (product(sizes) / sizes[1])) ^ 0.5 * (name == "out.weight" and 0.25 or 1)
  elseif ends "running_var" then
    u = u * 0.5 + 1
  elseif ends "running_mean" or ends "bias" then
    u = u * 0.1
  elseif ends "weight_u" or ends "weight_v" then
    u = u / (u * u):sum():item() ^ 0.5
  else
    u = u * 0.25 + 1
  end
  return u:to("float32")
end

--- Gives every parameter and buffer of a module the value of its name.
function M.fill(module)
  cj.no_grad(function()
    for _, pair in ipairs(module:state_dict()) do
      local name, t = pair[1], pair[2]
      if t.dtype == "int64" then t:zero_() else t:copy_(value(name, t.shape)) end
    end
  end)
  return module
end

local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"

--- Sets batch-norm biases to the value of their name plus offset and steps of 1/256, one letter a
-- channel.
function M.shift(module, shifts, offset)
  local state = module:state_dict()
  cj.no_grad(function()
    for path, text in pairs(shifts) do
      local name, steps = path .. ".bias", {}
      for c = 1, #text do steps[c] = (letters:find(text:sub(c, c), 1, true) - 1) / 256 end
      local rule = value(name, { #text }):to("float64")
      state[name]:copy_((rule + offset + cj.tensor(steps, "float64")):to("float32"))
    end
  end)
end

--- A picture in [0, 1], float32: noise, in blocks of 4x4 pixels if the name says so.
function M.picture(name, sizes)
  local x = (M.numbers(name, sizes) + 1) / 2
  if name:find "^blocks" then
    local coarse = M.numbers(name .. "/4", { sizes[1], sizes[2], sizes[3] / 4, sizes[4] / 4 })
    x = x * cj.upsample((coarse + 1) / 2, 4)
  end
  return x:to("float32")
end

--- Reads tests/golden/NAME.json.
function M.read(name)
  local here = debug.getinfo(1, "S").source:match "^@(.*)lua/support/golden%.lua$"
  local file = assert(io.open(here .. "golden/" .. name .. ".json"))
  local text = file:read "*a"
  file:close()
  return assert(json.decode(text))
end

local function dot(a, b)
  return (a * b):sum():item()
end

--- How far a tensor is from a summary: the largest of the relative difference of norms, of the
-- eight entries in units of the largest entry, and of the two projections in units of the norm. A
-- gradient that is zero in exact arithmetic is measured by the gradient beside it.
function M.distance(t, golden)
  local exact = t:detach():to("float64")
  local flat = exact:reshape { -1 }
  local norm = dot(flat, flat) ^ 0.5
  assert(table.concat(t.shape, ",") == table.concat(golden.shape, ","), golden.name .. ": shape")
  if golden.beside then return norm / golden.beside end
  local unit = math.max(golden.norm, 1e-30)
  local worst = math.abs(norm - golden.norm) / unit
  for i, p in ipairs(positions(golden.name, flat:numel())) do
    worst = math.max(worst, math.abs(flat[p] - golden.entries[i]) / math.max(golden.max, 1e-30))
  end
  for k = 1, 2 do
    local got = projection(golden.name .. "/" .. k, exact)
    worst = math.max(worst, math.abs(got - golden.projections[k]) / unit)
  end
  return worst ~= worst and math.huge or worst
end

return M
