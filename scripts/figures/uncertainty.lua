--- The figures of notebooks/uncertainty.md: packets of one dimension in both pictures, bound
-- against product over the laboratory and a trained network, the packets of two digits, and maps of
-- a packet over images.
--
--     conjugate run scripts/figures/uncertainty.lua [--out notebooks/figures]
--
-- Needs gnuplot. Trains a ConvNet on the digits that come with the package; takes half a minute.
local cj = require "conjugate"

local opts = ... or {}
local out = opts.out or "notebooks/figures"
local BLUE, RED, GREY = cj.plot.colour.lines[1], cj.plot.colour.lines[2], "#909090"

-- --- gnuplot ------------------------------------------------------------------------------------

-- Rows of numbers as a block of data.
local function block(name, rows)
  local lines = { ("$%s << EOD"):format(name) }
  for _, row in ipairs(rows) do
    local cells = {}
    for i, value in ipairs(row) do cells[i] = ("%.8g"):format(value) end
    lines[#lines + 1] = table.concat(cells, " ")
  end
  lines[#lines + 1] = "EOD"
  return table.concat(lines, "\n")
end

local function draw(name, width, height, lines)
  local script = os.tmpname()
  local file = assert(io.open(script, "w"))
  file:write(("set terminal pngcairo enhanced size %d,%d background rgb 'white' font 'sans,11'\n")
    :format(width, height), ("set output '%s/%s.png'\n"):format(out, name),
    "set border 3 lc rgb '#404040'\nset tics nomirror out\n", table.concat(lines, "\n"), "\n")
  file:close()
  local status = os.execute(("gnuplot %s"):format(script))
  os.remove(script)
  if status ~= 0 then error(("gnuplot failed to draw %s"):format(name), 0) end
end

-- Pairs of two tensors [n], those with low <= a <= high.
local function pairs_of(a, b, low, high)
  local list, rows = b:table(), {}
  for i, value in ipairs(a:table()) do
    if value >= low and value <= high then rows[#rows + 1] = { value, list[i] } end
  end
  return rows
end

-- --- packets of one dimension -------------------------------------------------------------------

local shapes = {
  { "l = x", function(x) return x * 1 end },
  { "l = sin(πx)", function(x) return (x * math.pi):sin() end },
  { "l = exp(-20 (x - ½)^2)", function(x) return ((x - 0.5) ^ 2 * -20):exp() end },
  { "l = log(1 + exp(-10 (x - ½)))", function(x) return ((x - 0.5) * -10):softplus() end },
}
local MOST_P = 40

-- From x - half to x + half, with a text above it.
local function bar(x, y, half, text, text_x, text_y)
  return ("set arrow 1 from %g,%g to %g,%g heads size screen 0.004,90 lw 2.5 lc rgb '%s' front\n")
    :format(x - half, y, x + half, y, RED)
    .. ("set label 1 '%s' at %g,%g center tc rgb '%s'"):format(text, text_x, text_y, RED)
end

local function density(i, r)
  return {
    ("set title '%s' offset 0,-0.4"):format(shapes[i][1]),
    i == 1 and "set ylabel 'ρ = ψ^2' offset 1.2" or "unset ylabel",
    bar(r.mu, 5.9, r.sigma_x, ("σ_x = %.3f"):format(r.sigma_x),
      math.min(math.max(r.mu, 0.25), 0.75), 6.6),
    ("plot $x%d with filledcurves y1=0 fc rgb '%s' fs transparent solid 0.2, $x%d with lines lw 2 "
      .. "lc rgb '%s'"):format(i, BLUE, i, BLUE),
  }
end

local function momenta(i, r)
  return {
    ("set title 'σ_x σ_p = %.3f ≥ %.3f' offset 0,-0.4"):format(r.P, r.bound),
    i == 1 and "set ylabel 'momentum density' offset 1" or "unset ylabel",
    bar(0, 1.2, r.sigma_p, ("σ_p = %.2f"):format(r.sigma_p), 0, 5.5),
    ("plot $p%d with lines lw 1.6 lc rgb '%s'"):format(i, BLUE),
  }
end

local function packets_of_one_dimension()
  local lines = { ("set multiplot layout 2,%d margins 0.065,0.99,0.105,0.93 spacing 0.05,0.21")
    :format(#shapes), "unset key" }
  local function add(parts)
    for _, line in ipairs(parts) do lines[#lines + 1] = line end
  end
  local results = {}
  for i, shape in ipairs(shapes) do
    local o = cj.packet.overlap.of { low = 0, high = 1, packets = { shape[2] }, pad = 16 }
    add { block("x" .. i, pairs_of(o.x[1], o.packets[1].density_x, 0, 1)),
      block("p" .. i, pairs_of(o.p[1], o.packets[1].density_p, -MOST_P, MOST_P)) }
    results[i] = cj.packet.quadrature.line { f = shape[2], low = 0, high = 1 }
  end
  add { "set xrange [0:1]", "set xtics 0.5", "set xlabel 'x' offset 0,0.6", "set yrange [0:7.4]",
    "set ytics 2" }
  for i, r in ipairs(results) do add(density(i, r)) end
  add { "set logscale y", "set format y '10^{%T}'", ("set xrange [-%g:%g]"):format(MOST_P, MOST_P),
    "set xtics 20", "set yrange [1e-7:30]", "set ytics 100", "set mytics 1",
    "set xlabel 'momentum p' offset 0,0.3" }
  for i, r in ipairs(results) do add(momenta(i, r)) end
  draw("packets_1d", 1080, 520, lines)
end

-- --- bound and product --------------------------------------------------------------------------

-- Every axis of every laboratory case that tells both.
local function laboratory_points()
  local rows = {}
  for _, case in ipairs(cj.packet.lab.cases) do
    local r = case.measure()
    for _, axis in ipairs(r.axes or { r }) do
      if axis.P and axis.bound then rows[#rows + 1] = { axis.bound, axis.P } end
    end
  end
  return rows
end

local function network()
  cj.seed(7)
  local train, test = cj.data.load "mini"
  local net = cj.models.convnet { data = train }
  cj.fit(net, train, { epochs = 2, quiet = true })
  return net, test, train
end

local function pixel_points(net)
  local r = cj.packet { model = net, label = 3, shape = { 1, 28, 28 } }
    :measure { samples = 20000, faces = 0, seed = 1, quiet = true }
  local bound, P, rows = r.values.bound:table(), r.values.P:table(), {}
  for i, value in ipairs(bound) do rows[i] = { value, P[i] } end
  return rows
end

local function bound_and_product(net)
  local low, high = 1e-7, 10
  draw("bound_and_product", 760, 540, {
    block("lab", laboratory_points()), block("net", pixel_points(net)),
    "set logscale xy\nset format xy '10^{%T}'\nset mxtics 1\nset mytics 1",
    ("set xrange [%g:%g]\nset yrange [%g:%g]\nset xtics 10\nset ytics 10"):format(low, high, low,
      high),
    "set xlabel 'corrected bound ½|1 - B|'\nset ylabel 'product σ_x σ_p'",
    "set key bottom right Left reverse samplen 1.5",
    ("set object polygon from %g,%g to %g,%g to %g,%g to %g,%g fc rgb '#eeeeee' fs solid noborder "
      .. "behind"):format(low, low, high, high, high, low, low, low),
    "set label 'impossible' at 2e-2,3e-4 tc rgb '#808080'",
    "set label '½' at 1.4e-7,0.95 tc rgb '#808080'",
    ("plot x with lines lw 1.5 lc rgb '%s' title 'product = bound', "):format(GREY)
      .. ("0.5 with lines dt 2 lw 1.5 lc rgb '%s' title 'the naive ½', "):format(GREY)
      .. ("$net with points pt 7 ps 0.35 lc rgb '%s' "):format(BLUE)
      .. "title 'pixels of a trained ConvNet on the box [0, 1]^{784}', "
      .. ("$lab with points pt 7 ps 1 lc rgb '%s' title 'the laboratory'"):format(RED),
  })
end

-- --- two classes --------------------------------------------------------------------------------

-- The first test digit of a class that is classified correctly.
local function digit(net, test, label)
  local x, y = test:batch(1, 100)
  local predicted = cj.predict(net, x):table()
  for i, truth in ipairs(y:table()) do
    if truth == label and predicted[i] == label then return x:select(1, i) end
  end
end

local function two_classes(net, test)
  local line = cj.packet.slices.line {
    from = digit(net, test, 7), to = digit(net, test, 1), margin = 0.5,
  }
  local far = line.high[1] / 1.5
  local lines = { "set multiplot layout 2,2 margins 0.08,0.985,0.11,0.93 spacing 0.09,0.2",
    "set key top right samplen 1.5" }
  for i, loss in ipairs { "amp", "ce" } do
    local o = cj.packet.overlap.slice(line, { pad = 16, packets = {
      { model = net, label = 7, loss = loss }, { model = net, label = 1, loss = loss },
    } })
    for j = 1, 2 do
      local p = o.packets[j]
      lines[#lines + 1] = block(("x%d%d"):format(i, j), pairs_of(o.x[1], p.density_x, -1e9, 1e9))
      lines[#lines + 1] = block(("p%d%d"):format(i, j), pairs_of(o.p[1], p.density_p, -4, 4))
    end
    local function plot(picture)
      return ("plot $%s%d1 with lines lw 2 lc rgb '%s' title 'packet of 7', $%s%d2 with lines lw 2 "
        .. "lc rgb '%s' title 'packet of 1'"):format(picture, i, BLUE, picture, i, RED)
    end
    local what = loss == "amp" and "amp = √p_Y" or "ce = -log p_Y"
    lines[#lines + 1] = ("set title '%s: overlap in x %.3f'\nunset logscale y\nset format y '%%g'\n"
      .. "set xlabel 't along the line' offset 0,0.5\nset ylabel 'ρ' offset 1\n"
      .. "set xrange [%g:%g]\nset yrange [0:*]\nset ytics auto\nset xtics auto"):format(what,
      o.modulus_x[1][2], line.low[1], line.high[1])
    for k, t in ipairs { 0, far } do
      lines[#lines + 1] = ("set arrow from first %g, graph 0 to first %g, graph 1 nohead dt 3 "
        .. "lc rgb '%s'"):format(t, t, GREY)
      lines[#lines + 1] = ("set label %d 'image of a %d' at first %g, graph 0.06 tc rgb '%s'")
        :format(k, k == 1 and 7 or 1, t + 0.15, GREY)
    end
    lines[#lines + 1] = "set key top center" .. "\n" .. plot "x"
    lines[#lines + 1] = ("unset arrow\nunset label\nset title '%s: overlap in p %.3f'\n"
      .. "set xlabel 'momentum p'\nset ylabel 'momentum density' offset 0.5\nset xrange [-4:4]\n"
      .. "set logscale y\nset format y '10^{%%T}'\nset yrange [1e-4:5]\nset ytics 10\n"
      .. "set mytics 1\nset key top right"):format(what, o.modulus_p[1][2])
    lines[#lines + 1] = plot "p"
  end
  draw("two_classes", 960, 620, lines)
end

-- --- maps ---------------------------------------------------------------------------------------

-- Rows of an image as gnuplot's matrix, the first row on top.
local function matrix(name, map)
  local rows = map:reshape({ 28, 28 }):table()
  local upside_down = {}
  for i = 1, 28 do upside_down[i] = rows[29 - i] end
  return block(name, upside_down)
end

local function maps(net, train)
  local r = cj.packet {
    model = net, label = 3, reference = "data", data = train:take(1000), tau = 0.1,
  }:measure { samples = 20000, seed = 1, quiet = true }
  local shown = {
    { "σ_x", r:map "sigma_x", 0.1 },
    { "1000 × loss part of g^2", r:map "loss_part" * 1000, 1 },
    { "σ_x σ_p", r:map "P", 0.5 },
  }
  local lines = { "set multiplot layout 1,3 margins 0.01,0.94,0.03,0.88 spacing 0.09",
    "unset border\nunset tics\nunset key\nset size ratio 1\nset colorbox",
    "set palette defined (0 '#ffffff', 0.35 '#9ecae1', 0.7 '#2171b5', 1 '#08306b')",
    "set xrange [-0.5:27.5]\nset yrange [-0.5:27.5]" }
  for i, one in ipairs(shown) do
    lines[#lines + 1] = matrix("map" .. i, one[2])
    lines[#lines + 1] = ("set title '%s'\nset cbrange [0:*]\nset cbtics %g\n"
      .. "plot $map%d matrix with image"):format(
      one[1], one[3], i)
  end
  draw("maps", 960, 300, lines)
end

packets_of_one_dimension()
local net, test, train = network()
bound_and_product(net)
two_classes(net, test)
maps(net, train)
