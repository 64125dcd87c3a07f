--- Parameters side by side in memory, so that one operator call steps over all of them.
--
-- An optimiser's parameters of one element type share a storage, their gradients another, and so
-- does each of its slots. The tensors stay what they were: whoever holds a parameter, its gradient
-- or a slot sees nothing of it. A parameter that something else looks into (a view, a graph that is
-- still alive) stays where it is, and so does a gradient while somebody holds it; those are
-- stepped one by one. So is a parameter that a later optimiser has taken into its own storage.
-- @module conjugate.optim.flat
local cj = require "conjugate"
local core = require "conjugate.core"

local M = {}

-- The parameters (indices of the list) of each element type that can have gradients.
local function by_dtype(params)
  local groups, order = {}, {}
  for i, pair in ipairs(params) do
    local p = pair[2]
    if p.requires_grad and p.is_leaf then
      if not groups[p.dtype] then
        groups[p.dtype] = {}
        order[#order + 1] = p.dtype
      end
      table.insert(groups[p.dtype], i)
    end
  end
  return groups, order
end

local function all_moved(offsets, count)
  for k = 1, count do
    if not (offsets and offsets[k]) then return false end
  end
  return true
end

-- Moves the parameters of a group. A graph that nobody needs any more may still hold some: then
-- the collector runs first.
local function gather(params, members, slot_names)
  local tensors = {}
  for k, i in ipairs(members) do tensors[k] = params[i][2] end
  local values, grads, offsets = core.flat_move(tensors)
  if not all_moved(offsets, #members) then
    collectgarbage()
    collectgarbage()
    values, grads, offsets = core.flat_move(tensors)
  end
  if not values then return nil end
  local flat = {
    members = members, tensors = tensors, values = values, grads = grads, offsets = offsets,
    slots = {},
  }
  for _, name in ipairs(slot_names) do flat.slots[name] = cj.zeros(values.shape, values.dtype) end
  return flat
end

-- The part of each slot that belongs to parameter k of a flat.
local function slots_at(flat, k)
  local p, slots = flat.tensors[k], {}
  for name, all in pairs(flat.slots) do
    slots[name] = all:narrow(1, flat.offsets[k] + 1, p:numel()):reshape(p.shape)
  end
  return slots
end

--- Moves the parameters and makes their slots, zeros.
-- @tparam table params list of { name, tensor }
-- @tparam table slot_names
-- @treturn table the flats, for `step`
-- @treturn table the slots of each parameter, tensors by name
function M.gather(params, slot_names)
  local flats, slots = {}, {}
  local groups, order = by_dtype(params)
  for _, dtype in ipairs(order) do
    local flat = gather(params, groups[dtype], slot_names)
    for k, i in ipairs(flat and flat.members or {}) do
      if flat.offsets[k] then slots[i] = slots_at(flat, k) end
    end
    flats[#flats + 1] = flat
  end
  for i, pair in ipairs(params) do
    if not slots[i] then
      slots[i] = {}
      for _, name in ipairs(slot_names) do
        slots[i][name] = cj.zeros(pair[2].shape, pair[2].dtype)
      end
    end
  end
  return flats, slots
end

-- The elements from parameter `first` to parameter `last` of one of a flat's tensors.
local function range(flat, t, first, last)
  local from, to = flat.offsets[first], flat.offsets[last] + flat.tensors[last]:numel()
  if to - from == t:numel() then return t end
  return t:narrow(1, from + 1, to - from)
end

--- Steps over all parameters of a flat that are in place with their gradients.
-- @tparam table flat
-- @tparam function update update(p, g, slots), called once when all are in place
-- @tparam table done done[i] becomes true for every parameter i that was stepped
function M.step(flat, update, done)
  local runs = core.flat_runs(flat.values, flat.grads, flat.tensors, flat.offsets)
  for r = 1, #runs, 2 do
    local first, last = runs[r], runs[r + 1]
    local slots = {}
    for name, all in pairs(flat.slots) do slots[name] = range(flat, all, first, last) end
    update(range(flat, flat.values, first, last), range(flat, flat.grads, first, last), slots)
    for k = first, last do
      if flat.offsets[k] then done[flat.members[k]] = true end
    end
  end
end

return M
