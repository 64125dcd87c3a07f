--- Figure 2 of the paper, computed: the packets of two classes on the line and the plane between
-- their images, in position and in momentum.
--
-- For each loss the packets of both labels are measured on the line through the first images of
-- the two classes that the network classifies correctly, and drawn with their momentum densities;
-- so are those on the plane through a third image, of another class. Then the same numbers for
-- lines between images of every two classes.
--
--     conjugate run scripts/experiments/packets_of_two_classes.lua \
--       --checkpoint runs/mnist/model.safetensors --data mnist --out runs/two_classes
--
-- Writes packets.json, line.png and plane.png with their data, and page.md. With --page FILE.md the
-- page goes there, and the pictures to figures/ beside it.
--
-- Options: --labels 7,1,0 (two classes, and a third for the plane)  --losses ce,err,amp
-- --margin 0.5 (how far beyond the images, as a share of their distance)  --points 1536,192
-- (cells of the line, and of an axis of the plane, for densities and overlaps)
-- --quadrature 20000,100000 (points on the line and on the plane, for widths)  --images 3 (of each
-- class for the lines between every two of --classes 0,1,2,3,4,5,6,7,8,9; 0: none)  --window 0
-- (standard deviation of a normal density around the middle, in pixel units, for densities and
-- overlaps; 0: none, and packets are cut off at the ends)
local cj = require "conjugate"
local checkpoint = require "conjugate.run.checkpoint"
local cli = require "conjugate.cli"
local files = require "conjugate.run.files"
local pictures = {
  line = require "conjugate.packet.picture.line", plane = require "conjugate.packet.picture.plane",
}
local system = require "conjugate.run.system"

local opts = ... or {}

local function must(value, message)
  if not value then error(message, 0) end
  return value, message
end

local out = opts.out or "runs/two_classes"
local labels, losses = cli.words(opts.labels, "7,1,0"), cli.words(opts.losses, "ce,err,amp")
local points, margin = cli.words(opts.points, "1536,192"), opts.margin or 0.5
local window = (opts.window or 0) > 0 and opts.window or nil
local allowed = cli.words(opts.quadrature, "20000,100000")
local classes, image_count = cli.words(opts.classes, "0,1,2,3,4,5,6,7,8,9"), opts.images or 3
must(opts.checkpoint, "expected --checkpoint, a network to measure")
must(system.mkdir(out))

local function load_network()
  local net, about = must(checkpoint.load(opts.checkpoint))
  local name = opts.data or (about.data and about.data.name) or "mnist"
  local _, test = must(cj.data.load(name))
  return net, test, name
end

local net, test, data = load_network()

-- The first images of each label that are classified correctly, at most `count`: label -> list.
local function images_of(wanted, count)
  local found, missing = {}, #wanted
  for _, label in ipairs(wanted) do found[label] = {} end
  for from = 1, test:size(), 100 do
    local x, y = test:batch(from, math.min(100, test:size() - from + 1))
    local predicted, truth = cj.predict(net, x):table(), y:table()
    for i, label in ipairs(truth) do
      local list = found[label]
      if list and predicted[i] == label and #list < count then
        list[#list + 1] = x:select(1, i):clone()
        if #list == count then missing = missing - 1 end
      end
    end
    if missing == 0 then break end
  end
  for _, label in ipairs(wanted) do
    must(#found[label] == count, ("no image of class %d is classified correctly"):format(label))
  end
  return found
end

local function overlap_on(slice, pair, loss, cells)
  local packets = {}
  for i, label in ipairs(pair) do
    packets[i] = { model = net, label = label, loss = loss, name = ("label %d"):format(label) }
  end
  return cj.packet.overlap.slice(slice, { packets = packets, points = cells, window = window })
end

-- What two packets have in common, with errors of the cells.
local function shared(o)
  return {
    overlap_x = o.modulus_x[1][2], overlap_p = o.modulus_p[1][2], parseval = o.parseval,
    overlap_x_error = o.errors.modulus_x[1][2], overlap_p_error = o.errors.modulus_p[1][2],
  }
end

local function measure_on(slice, pair, loss, most)
  return cj.packet {
    model = net, labels = pair, loss = loss, reference = slice,
  }:measure { points = most }
end

-- --- two classes --------------------------------------------------------------------------------

-- Where an image is on a slice.
local function place_of(slice, image)
  local at, way = {}, image:to("float64"):reshape { slice.x0:numel() } - slice.x0
  for i, u in ipairs(slice.directions) do at[i] = (way * u):sum():item() end
  return at
end

local pair = { labels[1], labels[2] }

local function rows_on(slice, cells, most)
  local rows = {}
  for k, loss in ipairs(losses) do
    rows[k] = {
      title = loss, overlap = overlap_on(slice, pair, loss, cells),
      results = measure_on(slice, pair, loss, most),
    }
  end
  return rows
end

local function records(rows)
  local list = {}
  for k, row in ipairs(rows) do
    list[losses[k]] = shared(row.overlap)
    list[losses[k]].packets = { row.results[1]:record(), row.results[2]:record() }
  end
  return list
end

local function compare_pair(images)
  local from, to = images[pair[1]][1], images[pair[2]][1]
  local line = cj.packet.slices.line { from = from, to = to, margin = margin }
  local rows, distance = rows_on(line, points[1], allowed[1]), place_of(line, to)[1]
  must(pictures.line.save(out .. "/line", line, rows, { 0, distance }))
  local result = { distance = distance, line = records(rows) }
  if not labels[3] then return result end
  local third = images[labels[3]][1]
  local plane = cj.packet.slices.plane { from = from, to = to, third = third, margin = margin }
  local marks = {}
  for i, image in ipairs { from, to, third } do
    local at = place_of(plane, image)
    marks[i] = { text = tostring(labels[i]), x = at[1], y = at[2] }
  end
  rows = rows_on(plane, points[2] or points[1], allowed[2] or allowed[1])
  must(pictures.plane.save(out .. "/plane", plane, rows, marks))
  result.plane = records(rows)
  return result
end

-- --- every two classes --------------------------------------------------------------------------

local SWEEP = 4000 -- points of a line, of which there are many

-- One line between images of two classes: for each loss what the packets share, and each one.
local function look_between(a, b, images, n)
  local line = cj.packet.slices.line { from = images[a][n], to = images[b][n], margin = margin }
  local distance, looks = place_of(line, images[b][n])[1], {}
  for _, loss in ipairs(losses) do
    local look, both = shared(overlap_on(line, { a, b }, loss, points[1])),
      measure_on(line, { a, b }, loss, math.min(allowed[1], SWEEP))
    look.loss, look.labels, look.image, look.packets = loss, { a, b }, n, {}
    -- below 0: each stands nearer to its own image than the other one does
    look.order = (both[1].mu - both[2].mu) / distance
    for i, r in ipairs(both) do
      look.packets[i] = {
        place = r.mu / distance, sigma_x = r.sigma_x, sigma_p = r.sigma_p, P = r.P,
        P_error = r.errors.P, bound = r.bound, verdict = r.verdicts[1], status = r.status,
      }
    end
    looks[#looks + 1] = look
  end
  return looks
end

local function compare_all()
  if image_count < 1 then return nil end
  local images, list = images_of(classes, image_count), {}
  for i, a in ipairs(classes) do
    for j = i + 1, #classes do
      for n = 1, image_count do
        for _, look in ipairs(look_between(a, classes[j], images, n)) do list[#list + 1] = look end
      end
    end
  end
  return list
end

-- --- the page -----------------------------------------------------------------------------------

local text = {}
local function say(...)
  text[#text + 1] = string.format(...)
end

-- Least, median and most of a list.
local function spread(list)
  table.sort(list)
  return list[1], list[math.ceil(#list / 2)], list[#list]
end

local function spread_text(list)
  local least, median, most = spread(list)
  return ("%.3g (%.2g to %.3g)"):format(median, least, most)
end

local function of_loss(all, loss)
  local t = { x = {}, p = {}, P = {}, own = 0, more = 0, holds = 0, warned = 0, error = 0 }
  for _, look in ipairs(all) do
    if look.loss == loss then
      t.x[#t.x + 1], t.p[#t.p + 1] = look.overlap_x, look.overlap_p
      t.own = t.own + (look.order < 0 and 1 or 0)
      local e = look.overlap_x_error + look.overlap_p_error
      t.more = t.more + (look.overlap_p - look.overlap_x >= -e and 1 or 0)
      t.error = math.max(t.error, look.overlap_x_error, look.overlap_p_error)
      for _, packet in ipairs(look.packets) do
        t.P[#t.P + 1] = packet.P
        t.holds = t.holds + (packet.verdict == "holds" and 1 or 0)
        t.warned = t.warned + (packet.status == "ok" and 0 or 1)
      end
    end
  end
  return t
end

-- A number with its error, to the digits that the error leaves.
local function known(r, i, name)
  local value, e = r.axes[i][name], r.errors.axes[i][name]
  return ("%.5g ± %.0e"):format(value, e)
end

-- Packets of a slice, one a line; axes of a plane one below the other.
local function say_packets(records_of)
  say("| loss | label | axis | mu | sigma_x | sigma_p | P | bound | relation | status |")
  say("|---|---|---|---|---|---|---|---|---|---|")
  for _, loss in ipairs(losses) do
    for _, r in ipairs(records_of[loss].packets) do
      for i in ipairs(r.axes) do
        say("| %s | %d | %d | %s | %s | %s | %s | %s | %s | %s |", loss, r.label, i,
          known(r, i, "mu"), known(r, i, "sigma_x"), known(r, i, "sigma_p"), known(r, i, "P"),
          known(r, i, "bound"), r.verdicts[i], r.status)
      end
    end
  end
  say("\n| loss | overlap in x | overlap of moduli in p |")
  say("|---|---|---|")
  for _, loss in ipairs(losses) do
    local l = records_of[loss]
    say("| %s | %.4f ± %.0e | %.4f ± %.0e |", loss, l.overlap_x, l.overlap_x_error, l.overlap_p,
      l.overlap_p_error)
  end
end

local function say_pair(two)
  say("The line runs from a %d (x = 0) to a %d (x = %.3f), and %g times as far beyond both.",
    pair[1], pair[2], two.distance, margin)
  say("Pixels are not held to [0, 1] there.\n")
  say_packets(two.line)
  if not two.plane then return end
  say("\n![packets on the plane](figures/packets_plane.png)\n")
  say("The plane goes through a %d, too.\n", labels[3])
  say_packets(two.plane)
end

-- What the sketch of two bumps says, and what these packets do.
local meaning = {
  amp = "the likelihood packet of a label stands where the network accepts it",
  other = "a loss packet of a label stands where the network rejects it",
}

local function say_meaning(all, lines)
  say("The sketch has a packet at each class, apart in x and alike in p.\n")
  for _, loss in ipairs(losses) do
    local t = of_loss(all, loss)
    local least_x, _, most_x = spread(t.x)
    local least_p, _, most_p = spread(t.p)
    say("- `%s`: each packet on the side of its own class on %d of %d lines (%s). Overlaps are "
      .. "%.2g to %.2g in x and %.2g to %.2g in p.", loss, t.own, lines,
      meaning[loss] or meaning.other, least_x, most_x, least_p, most_p)
  end
  say("\nMomentum densities of real packets are symmetric about 0 and do not say where a packet "
    .. "is, so the overlap in p is large for any two packets of similar widths: it does not "
    .. "separate classes. On a uniform line B is not 0, and the bound is |1 - B| / 2, not 1/2.")
end

local function say_all(all)
  local lines = #all / #losses
  say("\n## Every two classes\n")
  say("%d lines: between %d correctly classified test images of every two classes. Median (least "
    .. "to most):\n", lines, image_count)
  say("| loss | overlap in x | overlap of moduli in p | P | own side first | p >= x | relation "
    .. "holds | not ok |")
  say("|---|---|---|---|---|---|---|---|")
  local worst = 0
  for _, loss in ipairs(losses) do
    local t = of_loss(all, loss)
    worst = math.max(worst, t.error)
    say("| %s | %s | %s | %s | %d of %d | %d of %d | %d of %d | %d |", loss, spread_text(t.x),
      spread_text(t.p), spread_text(t.P), t.own, lines, t.more, lines, t.holds, 2 * lines, t.warned)
  end
  say("\n*Own side first*: the mean of each packet is nearer to the image of its own class than "
    .. "the other packet's is. *p >= x*: the overlap of moduli in p is not below that in x, as it "
    .. "must be where losses are not negative. *Not ok*: packets whose status is not ok, of %d. "
    .. "Errors of the overlaps by cells are at most %.0e.\n", 2 * lines, worst)
  say_meaning(all, lines)
end

local function commit()
  local pipe = io.popen("git describe --always --dirty 2>/dev/null", "r")
  local name = pipe and pipe:read "*l"
  if pipe then pipe:close() end
  return name or "unknown"
end

local function page(two, all)
  text = {}
  say("# Packets of two classes: figure 2, computed\n")
  local shown = opts.checkpoint:match "([^/]+/[^/]+)$" or opts.checkpoint
  say("Network `%s` on %s, commit %s. Made by:\n", shown, data, commit())
  say("    conjugate run scripts/experiments/packets_of_two_classes.lua \\")
  say("      --checkpoint %s --data %s \\", shown, data)
  say("      --labels %s --losses %s --margin %g --points %s --quadrature %s --images %d%s\n",
    table.concat(labels, ","), table.concat(losses, ","), margin, table.concat(points, ","),
    table.concat(allowed, ","), image_count, window and (" --window %g"):format(window) or "")
  say("## Two images\n")
  say("![packets on the line](figures/packets_line.png)\n")
  say_pair(two)
  if all then say_all(all) end
  return table.concat(text, "\n") .. "\n"
end

local function copy(name, to)
  local bytes = system.read(name)
  if bytes then must(files.write(to, bytes)) end
end

local function write_page(path, two, all)
  local folder = (path:match "^(.*)/[^/]+$" or ".") .. "/figures"
  must(system.mkdir(folder))
  for _, name in ipairs { "line", "plane" } do
    copy(("%s/%s.png"):format(out, name), ("%s/packets_%s.png"):format(folder, name))
  end
  must(files.write(path, page(two, all)))
end

local two = compare_pair(images_of(labels, 1))
local all = compare_all()
must(files.write_json(out .. "/packets.json", {
  checkpoint = opts.checkpoint, data = data, labels = labels, margin = margin, window = window,
  points = points, two = two, all = all,
}))
write_page(opts.page or out .. "/page.md", two, all)
print(table.concat(text, "\n"))
