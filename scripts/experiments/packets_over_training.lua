--- E11: what the packets of a network do while it is trained, next to its accuracy and robustness.
--
-- The measurement the paper does not make. For every network and seed the packets of all labels are
-- measured after some epochs (0: before training), over the box [0, 1]^M, over the data (normal
-- around training images), in a window around the first training image, and on the line from the
-- first image of the label's class to that of the next class; and beside them TA and RA (the
-- paper's PGD). Then: does any half of the uncertainty relation move with robustness? Kendall's tau
-- over the epochs of one training, for each seed, and its mean over the seeds with a 95 % interval
-- (t distribution).
--
--     conjugate run scripts/experiments/packets_over_training.lua --out runs/packets
--
-- Options: --models convnet,resnet  --data mnist  --seeds 3  --epochs 0,1,2,5,10,20
-- --samples 20000 (each packet)  --faces 64 (samples that ask for the faces of the box)
-- --centres 1000 (training images of the data packet)  --tau 0.1
-- --points 4000 (of a line)  --limit (first test images)  --train_limit
-- A run that was stopped goes on where it was.
local cj = require "conjugate"
local curves = require "conjugate.packet.curves"
local files = require "conjugate.run.files"
local words = require("conjugate.cli").words
local figure = require "conjugate.plot.figure"
local trend = require "conjugate.packet.trend"
local system = require "conjugate.run.system"

local opts = ... or {}

local function option(name, default)
  local value = opts[name]
  if value == nil then return default end
  return value
end

local out, data = option("out", "runs/packets_over_training"), option("data", "mnist")
local models = words(opts.models, "convnet,resnet")
local epochs = words(opts.epochs, "0,1,2,5,10,20")
local seeds, samples = option("seeds", 3), option("samples", 20000)
local tau, centres = option("tau", 0.1), option("centres", 1000)
local eps = data == "cifar10" and 8 / 255 or 0.1

local function load_sets()
  local train, test = cj.data.load(data)
  if not train then error(test, 0) end
  return train:take(math.min(option("train_limit", train:size()), train:size())),
    test:take(math.min(option("limit", test:size()), test:size()))
end

local train, test = load_sets()

-- The packets that are measured: key -> what cj.packet takes besides model and labels.
local shape = {}
do
  local x = train:batch(1, 1)
  for i = 2, x:dim() do shape[i - 1] = x:size(i) end
end
local around = train:take(math.min(centres, train:size())):batch(1, centres)
local packets = {
  { key = "box_ce", reference = "box", loss = "ce", shape = shape },
  { key = "box_err", reference = "box", loss = "err", shape = shape },
  { key = "data_ce", reference = "data", loss = "ce", data = around, tau = tau },
  { key = "data_err", reference = "data", loss = "err", data = around, tau = tau },
  { key = "window_ce", reference = "window", loss = "ce", centre = train:batch(1, 1), tau = tau },
  { key = "line_ce", reference = "line", loss = "ce" },
}

-- The first training image of a class.
local function first_image(class)
  for i = 1, train:size() do
    local x, y = train:batch(i, 1)
    if y:get(1) == class then return x:select(1, 1) end
  end
  error(("expected a training image of class %d"):format(class), 0)
end

-- --- measuring ----------------------------------------------------------------------------------

local function fresh(model, seed)
  cj.seed(seed)
  return cj.models[model] { data = train, n = model == "resnet" and 1 or nil }
end

local function folder_of(model, seed)
  return ("%s/%s-%d"):format(out, model, seed)
end

local function network_at(model, seed, epoch)
  local path = ("%s/epoch-%04d.safetensors"):format(folder_of(model, seed), epoch)
  if epoch == 0 then return fresh(model, seed) end
  local net, message = require("conjugate.run.checkpoint").load(path)
  return net or error(message, 0)
end

local function train_network(model, seed)
  local kept = {}
  for _, epoch in ipairs(epochs) do
    if epoch > 0 then kept[#kept + 1] = epoch end
  end
  local last = kept[#kept]
  local result = ("%s/epoch-%04d.safetensors"):format(folder_of(model, seed), last)
  if system.exists(result) then return end
  cj.fit(fresh(model, seed), train, {
    epochs = last, batch = 128, lr = 1e-3, seed = seed, out = folder_of(model, seed), keep = kept,
    quiet = opts.quiet, label = ("%s %d"):format(model, seed),
  })
end

local function how(seed)
  return {
    samples = samples, faces = math.min(option("faces", 64), samples), seed = seed,
    quiet = opts.quiet,
  }
end

-- A packet on the line from an image of each label to one of the next.
local function measure_lines(net, description)
  local records = {}
  for label = 0, train.classes - 1 do
    records[label + 1] = cj.packet {
      model = net, label = label, loss = description.loss,
      reference = cj.packet.slices.line {
        from = first_image(label), to = first_image((label + 1) % train.classes),
      },
    }:measure { points = option("points", 4000), quiet = opts.quiet }:record()
  end
  return records
end

-- Records of all labels of one packet, without their pixels.
local function measure_packet(net, description, seed)
  if description.reference == "line" then return measure_lines(net, description) end
  local o, labels = { model = net, labels = {} }, train.classes
  for key, value in pairs(description) do
    if key ~= "key" then o[key] = value end
  end
  for label = 0, labels - 1 do o.labels[label + 1] = label end
  local records = {}
  for i, r in ipairs(cj.packet(o):measure(how(seed))) do
    local record = r:record()
    record.pixels, record.faces, record.seconds = nil, nil, nil
    records[i] = record
  end
  return records
end

local function measure(model, seed, epoch)
  local path = ("%s/epoch-%04d.json"):format(folder_of(model, seed), epoch)
  if system.exists(path) then return files.read_json(path) end
  io.stderr:write(("%s, seed %d, epoch %d\n"):format(model, seed, epoch))
  local net = network_at(model, seed, epoch)
  local e = cj.evaluate(net, test, {
    cj.attacks.pgd { eps = eps, alpha = eps / 4, steps = 4, quiet = true },
  }, { quiet = opts.quiet, guards = epoch > 0 })
  local record = { model = model, seed = seed, epoch = epoch, n = e.n, ta = e.ta, ra = e.ra_paper,
    ta_interval = e.ta_interval, ra_interval = e.ra_paper_interval, packets = {} }
  for _, description in ipairs(packets) do
    record.packets[description.key] = measure_packet(net, description, seed)
  end
  assert(system.mkdir(folder_of(model, seed)))
  assert(files.write_json(path, record))
  return files.read_json(path)
end

-- --- pictures -----------------------------------------------------------------------------------

-- P would hide sigma_p, since sigma_x hardly moves.
local drawn = { "sigma_x", "sigma_p", "bound", "rms_gradient" }

local function chart(model, key, rows)
  local name = ("%s/%s-%s"):format(out, model, key)
  local description = curves.of_rows(rows, drawn, {
    title = ("%s, %s"):format(model, key:gsub("_", ", ")), shares = { "ta", "ra" },
  })
  description.key = "outside right top" -- curves fill the frame
  return figure.save(name, description)
end

-- --- the run ------------------------------------------------------------------------------------

local function measure_model(model)
  local records = {}
  for seed = 1, seeds do
    train_network(model, seed)
    for _, epoch in ipairs(epochs) do records[#records + 1] = measure(model, seed, epoch) end
  end
  return records
end

local function heading()
  return ("# Packets over training\n\n%s, %d seeds, PGD eps %.4g in 4 steps, data packets around "
    .. "%d training images and windows around one, tau %.3g. Values are means over the classes "
    .. "that were not refused, then over the seeds, ± half of the 95 %% interval over the seeds. "
    .. "sigma_x and sigma_p are roots of sums of squares over all pixels (of a line: its own), P "
    .. "their product, bound = sum over pixels of |1 - B| / 2.\n"):format(data, seeds, eps,
      centres, tau)
end

local function append(list, more)
  for _, item in ipairs(more) do list[#list + 1] = item end
end

local function with_model(rows, model)
  for _, row in ipairs(rows) do row.model = model end
  return rows
end

assert(system.mkdir(out))
local lines, keys, all, result = { heading() }, {}, {}, { epochs = {}, taus = {} }
for i, description in ipairs(packets) do keys[i] = description.key end
for _, model in ipairs(models) do
  local records = measure_model(model)
  for _, key in ipairs(keys) do
    local rows = with_model(trend.epochs(records, key), model)
    lines[#lines + 1] = ("## %s, %s\n"):format(model, key:gsub("_", ", "))
    lines[#lines + 1] = ("%d %s each.\n"):format(records[1].packets[key][1].samples
      or option("points", 4000), key:find "^line" and "points" or "samples")
    lines[#lines + 1] = trend.markdown(records, key)
    chart(model, key, rows)
    append(result.epochs, rows)
    append(result.taus, with_model(trend.taus(records, key), model))
  end
  append(all, records)
end
local text = table.concat(lines, "\n")
assert(files.write(out .. "/results.md", text))
assert(files.write(out .. "/results.csv", trend.csv(all, keys)))
assert(files.write_json(out .. "/results.json", result))
if not opts.json then io.write(text) end
return result
