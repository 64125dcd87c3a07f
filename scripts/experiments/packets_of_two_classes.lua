--- Figure 2 of the paper, computed: the packets of two classes on the line and the plane between
-- their images, in position and in momentum.
--
-- For each loss the packets of both labels are measured on the line through the first images of
-- the two classes that the network classifies correctly, and drawn with their momentum densities;
-- so are those on the plane through a third image, of another class. What the paper's sketch shows
-- as two separate bumps is a matter of the loss: "amp" packets stand at their own class, "ce" and
-- "err" packets at the other one. In p they always overlap more than in x.
--
--     conjugate run scripts/experiments/packets_of_two_classes.lua \
--       --checkpoint runs/mnist/model.safetensors --data mnist --out runs/two_classes
--
-- Options: --labels 7,1,0 (two classes, and a third for the plane)  --losses ce,err,amp
-- --margin 0.5 (how far beyond the images, as a share of their distance)  --points 1024, 64
-- (cells of the line, and of an axis of the plane)  --window 0 (standard deviation of a normal
-- density around the middle, in pixel units; 0: none, and packets are cut off at the ends)
local cj = require "conjugate"
local checkpoint = require "conjugate.run.checkpoint"
local files = require "conjugate.run.files"
local words = require("conjugate.cli").words
local system = require "conjugate.run.system"

local opts = ... or {}

local function must(value, message)
  if not value then error(message, 0) end
  return value, message
end

local out = opts.out or "runs/two_classes"
local labels, losses = words(opts.labels, "7,1,0"), words(opts.losses, "ce,err,amp")
local points, margin = words(opts.points, "1024,64"), opts.margin or 0.5
local window = (opts.window or 0) > 0 and opts.window or nil
must(opts.checkpoint, "expected --checkpoint, a network to measure")
must(system.mkdir(out))

local function load_network()
  local net, about = must(checkpoint.load(opts.checkpoint))
  local name = opts.data or (about.data and about.data.name) or "mnist"
  local _, test = must(cj.data.load(name))
  return net, test, name
end

local net, test, data = load_network()

-- The first image of a class that is classified correctly.
local function image_of(label)
  for from = 1, test:size(), 100 do
    local x, y = test:batch(from, math.min(100, test:size() - from + 1))
    local predicted, truth = cj.predict(net, x):table(), y:table()
    for i, value in ipairs(truth) do
      if value == label and predicted[i] == label then return x:select(1, i):clone() end
    end
  end
  error(("no image of class %d is classified correctly"):format(label), 0)
end

local images = {}
for i, label in ipairs(labels) do images[i] = image_of(label) end
local line = cj.packet.slices.line { from = images[1], to = images[2], margin = margin }
local plane = images[3] and cj.packet.slices.plane {
  from = images[1], to = images[2], third = images[3], margin = margin,
}

local text = {}
local function say(...)
  text[#text + 1] = string.format(...)
end

-- Draws the packets of a loss on a slice; gives their overlaps.
local function compare(slice, loss, cells)
  local packets = {}
  for i = 1, 2 do packets[i] = { model = net, label = labels[i], loss = loss } end
  local o = cj.packet.overlap.slice(slice, { packets = packets, points = cells, window = window })
  must(o:save(("%s/%s_%s"):format(out, slice.kind, loss)))
  say("%s, %s: overlap %.4g; of moduli %.4g in x, %.4g in p", slice.kind, loss,
    o.overlap_x[1][2], o.modulus_x[1][2], o.modulus_p[1][2])
  return {
    overlap_x = o.overlap_x[1][2], overlap_p = o.overlap_p[1][2],
    modulus_x = o.modulus_x[1][2], modulus_p = o.modulus_p[1][2], parseval = o.parseval,
  }
end

-- The packet of a label on the line, without window.
local function measure(label, loss)
  local r = cj.packet.slices.measure(line, { model = net, label = label, loss = loss })
  say("  label %d: mu %.4f, sigma_x %.4f, sigma_p %.4f, product %.4f, bound %.4f: %s (%s)", label,
    r.mu, r.sigma_x, r.sigma_p, r.P, r.bound, r.verdicts[1], r.status)
  return r:record()
end

local record = { checkpoint = opts.checkpoint, data = data, labels = labels, losses = {} }
record.margin, record.window, record.points = margin, window, points
say("x runs from 0 at the %d to %.4f at the %d", labels[1],
  line.high[1] / (1 + margin), labels[2])
for _, loss in ipairs(losses) do
  record.losses[loss] = {
    line = compare(line, loss, points[1]),
    plane = plane and compare(plane, loss, points[2] or points[1]),
    packets = { measure(labels[1], loss), measure(labels[2], loss) },
  }
end
must(files.write_json(out .. "/packets.json", record))
print(table.concat(text, "\n"))
return record
