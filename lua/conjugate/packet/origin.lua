--- What a record says of its packet: network, loss and reference, so that it can be made again.
-- @module conjugate.packet.origin
local bit = require "bit"

local M = {}

local bxor, byte, tohex = bit.bxor, string.byte, bit.tohex

--- A number that tells tensors apart: their bytes, row by row, hashed.
-- @tparam Tensor t any contiguous tensor of at least one dimension
-- @treturn string 16 hexadecimal digits
-- @source FNV-1a, 64 bits (Fowler, Noll, Vo)
function M.fingerprint(t)
  local hash = 0xcbf29ce484222325ULL
  for i = 1, t:size(1) do
    local row = t:narrow(1, i, 1):contiguous():bytes()
    for k = 1, #row do hash = bxor(hash, byte(row, k)) * 0x100000001b3ULL end
  end
  return tohex(hash)
end

local function centres_of(packet)
  local centres = packet.centres
  if not centres then return nil end
  local one = packet.reference == "window"
  return { count = one and 1 or centres:size(1), index = packet.index,
    fingerprint = M.fingerprint(centres) }
end

local function slice_of(packet)
  local slice = packet.slice
  if not slice then return nil end
  local ways = {}
  for i, u in ipairs(slice.directions) do ways[i] = M.fingerprint(u) end
  return { low = slice.low, high = slice.high, index = packet.index,
    from = M.fingerprint(slice.x0), directions = ways }
end

local function field_name(field)
  if field == nil or type(field) == "string" then return field end
  return type(field) == "table" and field.name or "a function"
end

local function describe(packet)
  local box = packet.reference == "box"
  return {
    name = packet.name, epoch = packet.epoch, loss = packet.loss,
    clip = packet.loss == "ce_clip" and packet.clip or nil, reference = packet.reference,
    low = box and packet.low or nil, high = box and packet.high or nil,
    tau = packet.centres and packet.tau or nil, centres = centres_of(packet),
    slice = slice_of(packet), shape = packet.shape, dtype = packet.dtype,
    field = field_name(packet.field),
  }
end

--- Describes a packet.
-- @tparam table packet from `cj.packet`
-- @treturn table `name` and `epoch` of the network, where they are known; `loss`, `clip`;
--   `reference` with `low` and `high`, or `tau` and `centres` (`count`, `index`, `fingerprint`), or
--   `slice`; `shape` and `dtype` of a point, `field`
function M.of(packet)
  if not packet.origin then packet.origin = describe(packet) end
  return packet.origin
end

return M
