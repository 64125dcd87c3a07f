--- Packets on a line in both spaces: the paper's figure 2, computed.
--
-- For each row of packets densities in x with `mu +- sigma_x`, in p with `+- sigma_p`, and below
-- them images along the line. Writes PATH.gp with its data, and PATH.png where gnuplot is there.
-- @module conjugate.packet.picture.line
local check = require "conjugate.check"
local parts = require "conjugate.packet.picture.parts"

local number, put, quote = parts.number, parts.put, parts.quote

local M = {}

local PAINT = { "#1f6fb4", "#d9541e" }
local THUMBS = 9 -- images along the line

-- [H][W] of an image [C, H, W] or [H, W]: the mean of its channels.
local function grey(image)
  if image:dim() == 3 then image = image:mean(1):reshape { image:size(2), image:size(3) } end
  return image:table()
end

-- Images along the line beside each other, in the middles of equal parts.
local function strip(slice)
  local t, width = {}, (slice.high[1] - slice.low[1]) / THUMBS
  for k = 1, THUMBS do t[k] = slice.low[1] + (k - 0.5) * width end
  local images = slice:points(require("conjugate").tensor(t, "float64"))
  local rows = {}
  for k = 1, THUMBS do
    local pixels = grey(images:select(1, k))
    local height = #pixels
    for i, line in ipairs(pixels) do
      local row = rows[height + 1 - i] or {} -- gnuplot counts rows from below
      rows[height + 1 - i] = row
      if k > 1 then for _ = 1, 2 do row[#row + 1] = 0 end end
      for _, v in ipairs(line) do row[#row + 1] = math.max(0, math.min(1, v)) end
    end
  end
  return rows
end

-- Bars mu +- sigma at two heights below the curves.
local function bars(row, middle, width, depth)
  local list = {}
  for i, r in ipairs(row.results) do
    local y = -depth * (0.045 + 0.055 * (i - 1))
    local at, half = middle(r), width(r)
    list[i] = ("set arrow from %s,%s to %s,%s heads size graph 0.008,90 front lw 2.5 lc rgb '%s'")
      :format(number(at - half), number(y), number(at + half), number(y), PAINT[i])
  end
  return table.concat(list, "\n")
end

local function highest(row, density)
  local most = 0
  for _, packet in ipairs(row.overlap.packets) do
    most = math.max(most, packet[density]:max():item())
  end
  return most
end

-- Momenta up to which all but a fiftieth of every density is, for each picture alike.
local function momenta(rows)
  local most = 0
  for _, row in ipairs(rows) do
    for i, packet in ipairs(row.overlap.packets) do
      local p, density = row.overlap.p[1]:table(), packet.density_p:table()
      local sum, all, k = 0, packet.density_p:sum():item(), 0
      while sum < 0.015 * all do
        k = k + 1
        sum = sum + density[k]
      end
      most = math.max(most, math.abs(p[k]), 1.2 * row.results[i].sigma_p)
    end
  end
  return most
end

local function curves(file, columns, names)
  local list = {}
  for i, name in ipairs(names) do
    local at = columns + i - 1
    list[#list + 1] = ("%s using 1:%d with filledcurves y=0 fs transparent solid 0.12 noborder "
      .. "lc rgb '%s' notitle"):format(quote(file), at, PAINT[i])
    list[#list + 1] = ("%s using 1:%d with lines lw 2.2 lc rgb '%s' title %s"):format(quote(file),
      at, PAINT[i], quote(name))
  end
  return "plot " .. table.concat(list, ", \\\n  ")
end

-- A round number near a quarter of a height.
local function tick(height)
  local unit = 10 ^ math.floor(math.log10(height / 4))
  for _, k in ipairs { 1, 2, 5 } do
    if k * unit > height / 5 then return k * unit end
  end
  return 10 * unit
end

local function panel(lines, o)
  local function add(...) lines[#lines + 1] = string.format(...) end
  add("%s", o.key and "set key top center horizontal samplen 2 nobox" or "unset key")
  add("set ytics 0,%s", number(tick(o.height)))
  add("unset arrow")
  add("set lmargin at screen %.4f", o.left)
  add("set rmargin at screen %.4f", o.right)
  add("set tmargin at screen %.4f", o.top)
  add("set bmargin at screen %.4f", o.bottom)
  add("set title %s font ',12' offset 0,-0.6", quote(o.title))
  add("set xlabel %s", quote(o.xlabel or ""))
  add("set ylabel %s", quote(o.ylabel or ""))
  add("set xrange [%s:%s]", number(o.range[1]), number(o.range[2]))
  add("set yrange [%s:%s]", number(-0.15 * o.height), number(o.above * o.height))
  add("%s", o.bars)
  if o.marks then add("%s", o.marks) end
  add("%s", o.plot)
  add("unset label")
end

local function line_rows(path, slice, rows, marks, lines)
  local count, most = #rows, momenta(rows)
  local bottom, size = 0.2, 0.74 / #rows
  for k, row in ipairs(rows) do
    local o, names = row.overlap, {}
    local columns_x, columns_p = { o.x[1]:table() }, { o.p[1]:table() }
    for i, packet in ipairs(o.packets) do
      columns_x[i + 1], columns_p[i + 1] = packet.density_x:table(), packet.density_p:table()
      names[i] = packet.name
    end
    local file_x = put(path, ("_%d_x.csv"):format(k), parts.table_of(columns_x))
    local file_p = put(path, ("_%d_p.csv"):format(k), parts.table_of(columns_p))
    local top = 0.955 - (k - 1) * size
    local place = { top = top - 0.03, bottom = top - size + 0.045 }
    local at_ends = {}
    for _, at in ipairs(marks) do
      at_ends[#at_ends + 1] = ("set arrow from %s,graph 0.13 to %s,graph 1 nohead back dt 3 "
        .. "lc rgb '#707070'"):format(number(at), number(at))
    end
    panel(lines, {
      left = 0.075, right = 0.53, top = place.top, bottom = place.bottom, plot = curves(file_x, 2,
        names), key = true, above = 1.45, height = highest(row, "density_x"),
      range = { slice.low[1], slice.high[1] }, marks = table.concat(at_ends, "\n"),
      title = ("%s, in position: overlap %.3g"):format(row.title, o.modulus_x[1][2]),
      ylabel = "|psi(x)|^2", xlabel = k == count and "" or nil,
      bars = bars(row, function(r) return r.mu end, function(r) return r.sigma_x end,
        highest(row, "density_x")),
    })
    panel(lines, {
      left = 0.615, right = 0.985, top = place.top, bottom = place.bottom, plot = curves(file_p, 2,
        names), above = 1.1, height = highest(row, "density_p"), range = { -most, most },
      title = ("%s, in momentum: overlap of moduli %.3g"):format(row.title, o.modulus_p[1][2]),
      ylabel = "|psi~(p)|^2",
      xlabel = k == count and "momentum p along the line (1 / pixel unit)" or nil,
      bars = bars(row, function() return 0 end, function(r) return r.sigma_p end,
        highest(row, "density_p")),
    })
  end
  return bottom
end

--- Draws packets of two classes on a line.
-- @tparam string path folder and beginning of the names of the files
-- @tparam table slice a line
-- @tparam table rows a list of { title =, overlap = of `conjugate.packet.overlap`, results = the
--   packets' measurements }
-- @tparam {number,...} marks where its images are
-- @treturn boolean true, or nil and a message
function M.save(path, slice, rows, marks)
  check.string("picture", "path", path)
  check.table("picture", "rows", rows)
  local lines = parts.header(path, 1200, 130 + 260 * #rows)
  for _, text in ipairs {
    "set label 1 'Packets psi = l / ||l|| of two labels on the line between their images, and what "
      .. "they hold of each momentum' at screen 0.5,0.978 center font ',13'",
    "set label 2 'Bars: mu +- sigma_x at the left, +- sigma_p at the right.' at screen 0.615,0.155",
    "set label 3 'Dotted lines: where the two images are.' at screen 0.615,0.125",
    "set label 4 'Overlap: integral of |psi_a| |psi_b|, or of the moduli of' at screen 0.615,0.095",
    "set label 5 'their Fourier transforms.' at screen 0.615,0.069",
    "set datafile separator comma", "set border 3 lc rgb '#404040'", "set tics nomirror out",
    "set grid lc rgb '#e4e4e4' lt 1 lw 0.6",
  } do lines[#lines + 1] = text end
  local bottom = line_rows(path, slice, rows, marks, lines)
  local image = strip(slice)
  local file = put(path, "_images.txt", parts.matrix_of(image))
  local wide, high = #image[1], #image
  local scale = (slice.high[1] - slice.low[1]) / wide
  for _, text in ipairs {
    "unset arrow", "unset label", "unset grid", "unset key", "unset title",
    "unset colorbox", "unset ylabel", "unset ytics",
    "set border 0", "set datafile separator whitespace",
    "set palette defined (0 'white', 1 'black')", "set cbrange [0:1]",
    "set lmargin at screen 0.075", "set rmargin at screen 0.53",
    ("set tmargin at screen %.4f"):format(bottom - 0.005), "set bmargin at screen 0.085",
    ("set xrange [%s:%s]"):format(number(slice.low[1]), number(slice.high[1])),
    ("set yrange [0:%d]"):format(high),
    "set xtics in scale 0", "set xlabel 'position x along the line (l2, pixel units)'",
    ("plot %s matrix using (%s + ($1 + 0.5) * %s):($2 + 0.5):3 with image"):format(quote(file),
      number(slice.low[1]), number(scale)),
  } do lines[#lines + 1] = text end
  return parts.finish(path, lines)
end

return M
