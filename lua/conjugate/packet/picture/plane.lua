--- Packets on a plane in both spaces: heat maps of densities in x and of moduli in p, with the mean
-- and widths. Writes PATH.gp with its data, and PATH.png where gnuplot is there.
-- @module conjugate.packet.picture.plane
local check = require "conjugate.check"
local parts = require "conjugate.packet.picture.parts"

local number, put, quote = parts.number, parts.put, parts.quote

local M = {}

-- The least symmetric range of momenta of an axis that holds all but a tenth of every density: its
-- first number, how many, and where it ends.
local function middle_of(rows, axis)
  local o = rows[1].overlap
  local p, count, least = o.p[axis]:table(), o.p[axis]:size(1), o.p[axis]:size(1) / 2
  for _, row in ipairs(rows) do
    for _, packet in ipairs(row.overlap.packets) do
      local list = packet.density_p:sum(3 - axis)
      local values, all, sum, k = list:table(), list:sum():item(), 0, 0
      while sum < 0.05 * all do
        k = k + 1
        sum = sum + values[k]
      end
      least = math.min(least, k)
    end
  end
  return least + 1, count + 1 - 2 * least, (p[2] - p[1]) / 2 - p[least + 1] -- 0 in the middle
end

-- A cross: mean and width along both axes.
local function cross(lines, at, half)
  for axis = 1, 2 do
    local from, to = { at[1], at[2] }, { at[1], at[2] }
    from[axis], to[axis] = at[axis] - half[axis], at[axis] + half[axis]
    lines[#lines + 1] = ("set arrow from %s,%s to %s,%s heads size graph 0.012,90 front lw 2 "
      .. "lc rgb '#e08000'"):format(number(from[1]), number(from[2]), number(to[1]), number(to[2]))
  end
end

-- The first axis goes to the right, the second one up.
local function map_of(density)
  return parts.matrix_of(density:transpose(1, 2):contiguous():table())
end

local function heat(lines, o)
  local function add(...) lines[#lines + 1] = string.format(...) end
  add("unset arrow")
  cross(lines, o.at, o.half)
  add("set lmargin at screen %.4f", o.left)
  add("set rmargin at screen %.4f", o.left + o.width)
  add("set tmargin at screen %.4f", o.bottom + o.size)
  add("set bmargin at screen %.4f", o.bottom)
  add("set title %s offset 0,-0.7", quote(o.title))
  add("set xlabel %s offset 0,0.4", quote(o.xlabel))
  add("set ylabel %s offset 1,0", quote(o.ylabel))
  add("set xrange [%s:%s]", number(o.x[1]), number(o.x[2]))
  add("set yrange [%s:%s]", number(o.y[1]), number(o.y[2]))
  for _, mark in ipairs(o.marks or {}) do
    add("set label %s at %s,%s center front boxed tc rgb '#c00000' font ',13'", quote(mark.text),
      number(mark.x), number(mark.y))
  end
  add("plot %s matrix using (%s + ($1 + 0.5) * %s):(%s + ($2 + 0.5) * %s):3 with image",
    quote(o.file), number(o.x[1]), number((o.x[2] - o.x[1]) / o.columns), number(o.y[1]),
    number((o.y[2] - o.y[1]) / o.rows))
  add("unset label")
end

--- Draws packets of two classes on a plane: densities in x and in p.
-- @tparam string path folder and beginning of the names of the files
-- @tparam table slice a plane
-- @tparam table rows as for `line`
-- @tparam table marks a list of { text =, x =, y = }: its images
-- @treturn boolean true, or nil and a message
function M.save(path, slice, rows, marks)
  check.string("picture", "path", path)
  check.table("picture", "rows", rows)
  local width, height = 1280, 90 + 290 * #rows
  local lines = parts.header(path, width, height)
  for _, text in ipairs {
    "set label 'Packets of two labels on the plane through three images (red)' at screen 0.5,0.985 "
      .. "center font ',13'",
    "set label 'Crosses: mu +- sigma_x in position, +- sigma_p in momentum; darker is more' at "
      .. "screen 0.5,0.96 center",
    "set style textbox opaque fc rgb '#f4f4f4' noborder margins 0.5,0.5",
    "unset key", "unset colorbox", "set tics out nomirror font ',9'",
    "set palette defined (0 '#ffffff', 0.15 '#cfe1f2', 0.5 '#4a90c9', 1 '#08306b')",
    "set xtics autofreq offset 0,0.4", "set ytics autofreq offset 0.6,0",
  } do lines[#lines + 1] = text end
  local first = { middle_of(rows, 1) }
  local second = { middle_of(rows, 2) }
  local size = 200 / height
  for k, row in ipairs(rows) do
    for i, packet in ipairs(row.overlap.packets) do
      local x, p = packet.density_x, packet.density_p:narrow(1, first[1], first[2]):narrow(2,
        second[1], second[2])
      local common = {
        bottom = 1 - (k * 290 + 20) / height, size = size, width = 235 / width,
      }
      local a, b = row.results[i].axes[1], row.results[i].axes[2]
      local function draw(more)
        for key, value in pairs(common) do more[key] = value end
        heat(lines, more)
      end
      draw {
        left = (55 + 310 * (i - 1)) / width,
        title = ("%s, %s: |psi(x)|^2"):format(row.title, packet.name),
        at = { a.mu, b.mu }, half = { a.sigma_x, b.sigma_x },
        file = put(path, ("_%d_x%d.txt"):format(k, i), map_of(x)), columns = x:size(1),
        rows = x:size(2), x = { slice.low[1], slice.high[1] }, y = { slice.low[2], slice.high[2] },
        xlabel = "x1 (l2, pixel units)", ylabel = "x2", marks = marks,
      }
      draw {
        left = (55 + 310 * (i + 1)) / width,
        title = ("%s, %s: |psi~(p)|"):format(row.title, packet.name), at = { 0, 0 },
        half = { a.sigma_p, b.sigma_p },
        file = put(path, ("_%d_p%d.txt"):format(k, i), map_of(p:sqrt())), columns = p:size(1),
        rows = p:size(2), x = { -first[3], first[3] }, y = { -second[3], second[3] },
        xlabel = "p1 (1 / pixel unit)", ylabel = "p2",
      }
    end
  end
  return parts.finish(path, lines)
end

return M
