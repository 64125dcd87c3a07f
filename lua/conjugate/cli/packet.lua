--- `conjugate packet`: the uncertainty relation of a network, measured.
-- @module conjugate.cli.packet
local cli = require "conjugate.cli"

local M = {}

M.summary = "measure the uncertainty relation of a network's packets, or refuse"
M.description = "Measures the packets psi = l sqrt(nu) / sqrt(beta) of a network's loss: the "
  .. "widths sigma_x and sigma_p of every pixel, their product, the boundary term B and the bound "
  .. "|1 - B| / 2, with standard errors. A packet that cannot be trusted is refused, with the "
  .. "reason and without numbers; that is no error. References: box (uniform on [0, 1]), window "
  .. "(normal around one image), data (normal around many), line (between two images, by "
  .. "quadrature). --out writes a page, maps as PNG, and all numbers as JSON and CSV."
M.examples = {
  { "packet --checkpoint runs/a/model.safetensors --out runs/packets",
    "all labels over the box; then look at runs/packets/report.html" },
  { "packet --checkpoint runs/a/model.safetensors --reference window --index 7 --tau 0.3 "
    .. "--sampler auto", "around the seventh image; other samplers where plain samples are few" },
  { "packet --checkpoint runs/a/model.safetensors --reference data --centres 1000 --tau 0.1 "
    .. "--loss err --labels 3,8", "around 1,000 training images, two labels" },
  { "packet --checkpoint runs/a/model.safetensors --reference line --index 1,2 --labels 3",
    "along the line between two images" },
  { "packet --model convnet --data mnist --samples 5000 --json", "an untrained network" },
}
M.out = "Folder for report.html, summary.json, label-N.json, label-N.csv and map-NAME.png."
M.order = { "network", "packets" }

function M.define(parser)
  local cj = require "conjugate"
  parser:option("--checkpoint", "A .safetensors file made by train."):argname "<file>"
  parser:option("--model", "Instead of a checkpoint: a model by name, untrained, made with "
    .. "--seed."):argname "<name>"
  parser:option("--data", "Data set; by default that of the checkpoint."):argname "<name>"
  parser:option("--split", "Where the images of a window, of data or of a line come from: train "
    .. "or test."):choices { "train", "test" }:default "train"
  parser:option("--labels", "Labels, such as 0,1,8; all by default."):argname "<list>"
  parser:option("--loss", "Loss of the packet."):choices(cj.packet.named_losses)
    :default "ce"
  parser:option("--clip", "Largest loss of ce_clip."):argname "<x>":convert(cli.number)
  parser:option("--reference", "box, window, data or line.")
    :choices { "box", "window", "data", "line" }:default "box"
  parser:option("--index", "Number of the image of a window, from 1; two for a line: 1,2.")
    :argname "<list>":convert(cli.numbers)
  parser:option("--tau", "Width of window and data, in pixel units."):argname "<x>":default "0.1"
    :convert(cli.number)
  parser:option("--centres", "Images of the data reference, the first of the split.")
    :argname "<n>":default "1000":convert(cli.integer(1))
  parser:option("--samples", "Samples of each packet."):argname "<n>":default "20000"
    :convert(cli.integer(2))
  parser:option("--faces", "Samples that ask for the faces of a box; 0 for none.")
    :argname "<n>":convert(cli.integer(0))
  parser:option("--sampler", "plain, defensive, mcmc, or auto: the first that is even enough.")
    :choices { "plain", "defensive", "mcmc", "auto" }:default "plain"
  parser:option("--field", "A conjugate measured beside the pixels: its spread, and its "
    .. "covariance with each of them; see conjugate list conjugates."):argname "<name>"
end

-- --- what is measured ---------------------------------------------------------------------------

-- The network, its name and epoch, and the name of its data set.
local function network_of(options)
  if (options.checkpoint ~= nil) == (options.model ~= nil) then
    return nil, "give --checkpoint or --model, one of them"
  end
  if options.model then return nil, nil, options.data or "mini" end
  local net, about = require("conjugate.run.checkpoint").load(options.checkpoint)
  if not net then return nil, about end
  local data = options.data or type(about.data) == "table" and about.data.name
  if not data then return nil, "the checkpoint does not name its data; give --data" end
  return net, type(about.history) == "table" and #about.history or nil, data
end

-- An untrained network for a data set.
local function fresh(options, set)
  local build = require("conjugate").models[options.model]
  if not build then
    return nil, ("there is no model %s; conjugate list models"):format(options.model)
  end
  return build { data = set }
end

local function load_subject(options)
  local cj = require "conjugate"
  local net, epoch, name = network_of(options)
  if not name then return nil, epoch end
  local train, test = cj.data.load(name)
  if not train then return nil, test end
  if options.model then
    net, epoch = fresh(options, train)
    if not net then return nil, epoch end
    epoch = 0
  end
  options.data = name
  return { net = net, epoch = epoch, set = options.split == "test" and test or train }
end

-- Labels as numbers.
local function labels_of(options, classes)
  local list = {}
  if not options.labels then
    for label = 0, classes - 1 do list[label + 1] = label end
    return list
  end
  for i, label in ipairs(cli.words(options.labels)) do
    if type(label) ~= "number" or label % 1 ~= 0 or label < 0 or label >= classes then
      return nil, ("expected labels in 0..%d such as 0,1 for --labels, got %s"):format(classes - 1,
        options.labels)
    end
    list[i] = label
  end
  return list
end

-- Numbers of images: those of --index, or the first.
local function indices_of(options, count)
  local index = options.index or (count == 1 and 1 or { 1, 2 })
  if type(index) == "number" then index = { index } end
  if #index == count then return index end
  return nil, ("expected %d number%s for --index, got %d"):format(count, count == 1 and "" or "s",
    #index)
end

-- As many images as are wanted, by --index.
local function images_of(options, set, count)
  local index, message = indices_of(options, count)
  if not index then return nil, message end
  local images = {}
  for k, i in ipairs(index) do
    if i % 1 ~= 0 or i < 1 or i > set:size() then
      return nil, ("expected images in 1..%d for --index, got %g"):format(set:size(), i)
    end
    images[k] = set:batch(i, 1)
  end
  options.index = count == 1 and index[1] or index
  return images
end

local function sizes_of(set)
  local x, shape = set:batch(1, 1), {}
  for i = 2, x:dim() do shape[i - 1] = x:size(i) end
  return shape
end

-- What each reference adds to the packet.
local references = {
  box = function(o, _, set) o.shape = sizes_of(set) end,
  data = function(o, options, set)
    o.data, o.tau = set:batch(1, math.min(options.centres, set:size())), options.tau
  end,
  window = function(o, options, set)
    local images, message = images_of(options, set, 1)
    if not images then return message end
    o.centre, o.tau, o.index = images[1], options.tau, options.index
  end,
  line = function(o, options, set)
    local images, message = images_of(options, set, 2)
    if not images then return message end
    local shape = sizes_of(set)
    o.reference = require("conjugate").packet.slices.line {
      from = images[1]:reshape(shape), to = images[2]:reshape(shape),
    }
    o.index = options.index
  end,
}

local function packet_of(options, subject)
  local labels, message = labels_of(options, subject.set.classes)
  if not labels then return nil, message end
  local o = { model = subject.net, labels = labels, loss = options.loss, clip = options.clip,
    reference = options.reference, epoch = subject.epoch, field = options.field }
  message = references[options.reference](o, options, subject.set)
  if message then return nil, message end
  return require("conjugate").packet(o)
end

local function measure(packet, options)
  local how = { quiet = options.quiet }
  if options.reference ~= "line" then
    how.samples, how.sampler, how.seed = options.samples, options.sampler, options.seed
    how.faces = options.faces and math.min(options.faces, options.samples)
  end
  local results = packet:measure(how)
  return results[1] and results or { results }
end

-- --- what is said -------------------------------------------------------------------------------

local FORM = "%-6s %-8s %18s %18s %18s %18s  %s"

local function pm(pair)
  return ("%.5g +- %.2g"):format(pair[1], pair[2])
end

local function line_of(r)
  if not r.totals then return FORM:format(r.label, "refused", "-", "-", "-", "-", "-") end
  local t, c = r.totals, r.counts
  local verdicts = c and ("holds %d, violated %d, undecided %d"):format(c.holds, c.violated,
    c.undecided) or "none"
  return FORM:format(r.label, r.status, pm(t.sigma_x), pm(t.sigma_p), pm(t.P), pm(t.bound),
    verdicts)
end

local function text_of(results)
  if #results == 1 or results[1].axes then
    local parts = {}
    for i, r in ipairs(results) do parts[i] = tostring(r) end
    return table.concat(parts, "\n\n")
  end
  local r = results[1]
  local lines = {
    ("%s%s: packets of %s, reference %s"):format(r.name, r.epoch and ", epoch " .. r.epoch or "",
      r.loss, r.reference),
    FORM:format("label", "status", "sigma_x", "sigma_p", "P", "bound", "|1 - B| / 2, pixels"),
  }
  for _, one in ipairs(results) do lines[#lines + 1] = line_of(one) end
  for _, one in ipairs(results) do
    for _, reason in ipairs(one.reasons) do
      lines[#lines + 1] = ("label %d, %s: %s"):format(one.label,
        one.status == "unreliable" and "refused" or one.status, reason)
    end
  end
  return table.concat(lines, "\n")
end

function M.run(options)
  local subject, message = load_subject(options)
  if not subject then return nil, message end
  local packet, why = packet_of(options, subject)
  if not packet then return nil, why end
  local results = measure(packet, options)
  local report = require "conjugate.report.packet"
  local text = text_of(results)
  if options.out then
    local ok, trouble = report.write(results, options.out)
    if not ok then return nil, trouble end
    text = ("%s\n%s/report.html"):format(text, options.out)
  end
  local summary = report.summary(results)
  summary.checkpoint, summary.data, summary.split = options.checkpoint, options.data, options.split
  return summary, text
end

return M
