--- Densities of packets as they come: charts of a line, heat maps of a plane.
-- @module conjugate.packet.picture.densities
local figure = require "conjugate.plot.figure"
local heatmap = require "conjugate.plot.heatmap"

local M = {}

-- A packet that is cut off has long tails in p; this share of them is not drawn.
local TAILS = 0.02

-- How many momenta around 0 to show of an axis.
local function shown(o, axis)
  local p = o.p[axis]
  local size, most = p:size(1), 2
  for _, packet in ipairs(o.packets) do
    local density = packet.density_p
    if #o.x == 2 then density = density:sum(3 - axis) end
    local list = (density / density:sum()):table()
    local outside, cut = 0, 0
    while outside < TAILS do
      cut = cut + 1
      outside = outside + list[cut] + list[size + 1 - cut]
    end
    most = math.max(most, size - 2 * (cut - 1))
  end
  return math.min(most, size)
end

-- The middle of a plane of momenta.
local function middle(o, density)
  for axis = 1, 2 do
    local size, count = density:size(axis), shown(o, axis)
    density = density:narrow(axis, math.floor((size - count) / 2) + 1, count)
  end
  return density
end

local function chart(o, title, axis, coordinates, density)
  local series, x = {}, coordinates:table()
  for i, packet in ipairs(o.packets) do
    series[i] = { name = packet.name, x = x, y = packet[density]:table(), style = "lines" }
  end
  return { title = title, x = axis, y = { label = "density" }, series = series }
end

--- What `save` of an overlap does.
-- @tparam table o of `conjugate.packet.overlap`
-- @tparam string path beginning of the names
-- @treturn boolean true, or nil and a message
function M.save(o, path)
  if #o.x == 1 then
    local most = o.p[1]:get(math.floor((o.p[1]:size(1) + shown(o, 1)) / 2))
    local ok, why = figure.save(path .. "_x", chart(o, "packets: |psi(x)|^2",
      { label = "x along the line" }, o.x[1], "density_x"))
    if not ok then return nil, why end
    ok, why = figure.save(path .. "_p", chart(o, "packets: |psi~(p)|^2",
      { label = "momentum p", range = { -most, most } }, o.p[1], "density_p"))
    if not ok then return nil, why end
    return true
  end
  for i, packet in ipairs(o.packets) do
    local pictures = { x = packet.density_x, p = middle(o, packet.density_p) }
    for picture, density in pairs(pictures) do
      local ok, why = heatmap.save(("%s_%s%d.png"):format(path, picture, i), density,
        { title = packet.name })
      if not ok then return nil, why end
    end
  end
  return true
end

return M
