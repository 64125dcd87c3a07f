--- One measurement of a packet: samples through the model into moments, with a progress bar, from
-- the reference or, where their weights are too uneven, from its tilt or from chains.
-- @module conjugate.packet.measure
local chains = require "conjugate.packet.chains"
local check = require "conjugate.check"
local core = require "conjugate.core"
local defence = require "conjugate.packet.defence"
local fill = require "conjugate.packet.fill"
local gates = require "conjugate.packet.gates"
local matrix = require "conjugate.packet.matrix"
local mode = require "conjugate.nn.mode"
local ops = require "conjugate.ops"
local pencils = require "conjugate.packet.pencils"
local plans = require "conjugate.plan"
local result = require "conjugate.packet.result"

local OPTIONS = {
  samples = { "integer", 20000 },
  faces = { "integer" },
  face_pixels = { "string|table", "all" },
  pencils = { "integer" },
  pencil_pixels = { "string|table" },
  pencil_nodes = 16,
  directions = { "table" },
  matrix = { "boolean" },
  seed = { "integer" },
  sampler = "plain",
  defence = { "table" },
  mcmc = { "table" },
  quiet = { "boolean" },
}

-- ESS/N below which "auto" turns to a defensive mixture, and then to chains; and below which, as a
-- pilot predicts it, the mixture is not worth a try.
local EVEN, HOPE = 0.05, 0.01

local function read(packet, opts)
  local o = check.options("packet", opts, OPTIONS)
  check.integer("packet", "samples", o.samples, 2)
  o.faces = check.integer("packet", "faces", o.faces or math.min(256, o.samples), 0, o.samples)
  o.seed = check.integer("packet", "seed", o.seed or core.random_state(), 0)
  check.one_of("packet", "sampler", o.sampler, { "plain", "defensive", "mcmc", "auto" })
  o.defence = defence.read(o.defence)
  o.mcmc = chains.read(o.mcmc, o.samples, packet.loss)
  pencils.read(packet, o)
  matrix.read(packet, o)
  local pixels = {}
  if packet.reference == "box" and o.faces > 0 then
    if o.face_pixels == "all" then
      for i = 1, packet.pixels do pixels[i] = i end
    else
      pixels = check.table("packet", "face_pixels", o.face_pixels)
      for _, i in ipairs(pixels) do check.integer("packet", "face_pixels", i, 1, packet.pixels) end
    end
  end
  o.face_pixels = pixels
  return o
end

-- A point near the mean of every pixel, around which sums lose no digits.
local function near_mean(packet)
  if packet.reference == "box" then
    return core.new({ packet.pixels }, (packet.low + packet.high) / 2, "float64", "packet")
  end
  local centres = packet.centres:to("float64"):reshape { -1, packet.pixels }
  return centres:mean(1):reshape { packet.pixels }:contiguous()
end

local function term_set(packet)
  if packet.field then return "field" end
  return packet.reference == "window" and "window" or "plain"
end

local function description(packet, o)
  return {
    loss = packet.loss, clip = packet.clip, reference = packet.reference, low = packet.low,
    high = packet.high, tau = packet.tau, centres = packet.centres, seed = o.seed,
    size = packet.shape, dtype = packet.dtype, labels = packet.labels, samples = o.samples,
    set = term_set(packet), centre = near_mean(packet), face_pixels = o.face_pixels,
    face_samples = o.faces,
  }
end

-- A function that gives l alone, as logits of two classes.
local function as_logits(f)
  return function(x)
    local l = f(x)
    check.tensor("packet", "the model's result", l, "float")
    l = l:reshape { -1, 1 }
    return ops.cat({ l, l:detach() * 0 }, 2)
  end
end

-- l a(x) as the core asks for it.
local function field_function(packet)
  local field = packet.field
  if field == nil then return nil end
  if type(field) == "function" then return field end
  local conjugate = require("conjugate.attacks").conjugate
  local c = conjugate.find(field)
  if not c then
    check.fail("packet", "expected a conjugate, its name or a function for field, got %s",
      check.describe(field))
  end
  return function(x, l, _, label)
    local y = core.new({ x:size(1) }, label, "int64", "packet")
    local sizes = { x:size(1) }
    for i = 2, x:dim() do sizes[i] = 1 end
    return c:field(packet.model, x, y, { quiet = true }) * l:to(x.dtype):reshape(sizes)
  end
end

-- Runs a measurement of points to its end.
local function fill_points(m, o, label, samples, model, plan, field)
  return fill({ label = label, total = samples, unit = "samples", least = 64, quiet = o.quiet },
    function(count) return core.packet_run(m, model, plan, field, count) end)
end

local function work(started, forwards, backwards)
  return { forwards = forwards, backwards = backwards, seconds = core.clock() - started }
end

-- Fills a measurement with points, and its pencils.
local function run(m, packet, o, model, plan)
  pencils.open(m, packet, o)
  matrix.open(m, o)
  local forwards, backwards = fill_points(m, o, "packet", o.samples, model, plan,
    field_function(packet))
  if (o.pencils or 0) > 0 then return pencils.run(m, o, model, plan) end
  return forwards, backwards
end

-- Results of all labels from points of the reference.
local function sample(packet, o, model, plan)
  local m, started, list = core.packet_new(description(packet, o)), core.clock(), {}
  local done = work(started, run(m, packet, o, model, plan))
  for place, label in ipairs(packet.labels) do
    list[place] = result.new(packet, o, m, place, label, done)
  end
  return list
end

-- The result of one label from points of rho.
local function walk(packet, o, model, plan, label)
  local d, set, started = description(packet, o), o.mcmc, core.clock()
  d.labels, d.face_pixels, d.face_samples = { label }, {}, 0
  d.mcmc, d.samples = set, set.chains * set.keep
  local m, field = core.packet_new(d), field_function(packet)
  pencils.open(m, packet, o, set)
  matrix.open(m, o)
  local done = work(started, chains.run(m, set, model, plan, field, o.quiet))
  return result.walked(packet, o, m, chains.diagnose(m, set), label, done)
end

-- What pilots say of a tilt for one label.
local function aim(packet, o, model, plan, label)
  local started = core.clock()
  local fitted = defence.fit(o.defence, packet.pixels, function()
    local d = description(packet, o)
    d.labels = { label }
    return d
  end, function(m, samples) return fill_points(m, o, "pilot", samples, model, plan) end)
  fitted.seconds = core.clock() - started
  return fitted
end

-- The result of one label from points of a defensive mixture.
local function defend(packet, o, model, plan, label, fitted)
  local d, started = description(packet, o), core.clock()
  d.labels, d.tilt, d.share = { label }, fitted.tilt, fitted.share
  local m = core.packet_new(d)
  local forwards, backwards = run(m, packet, o, model, plan)
  return result.defended(packet, o, m, fitted, label, work(started - fitted.seconds,
    forwards + fitted.forwards, backwards + fitted.backwards))
end

local function even(r)
  return r.status ~= "unreliable" and r.ess >= EVEN * r.samples
end

-- What "auto" gives, for a label that was sampled plainly.
local function better(packet, o, model, plan, plain)
  if even(plain) then return plain end
  local fitted, best = aim(packet, o, model, plan, plain.label), plain
  if fitted.predicted >= HOPE then
    local more = setmetatable({ samples = math.max(o.samples, gates.LEAST_DEFENDED) },
      { __index = o })
    best = result.over(plain, defend(packet, more, model, plan, plain.label, fitted))
    if even(best) then return best end
  end
  return result.choose(best, walk(packet, o, model, plan, plain.label))
end

-- One label, by a sampler that takes each for itself.
local function single(packet, o, model, plan, label)
  if o.sampler == "mcmc" then return walk(packet, o, model, plan, label) end
  return defend(packet, o, model, plan, label, aim(packet, o, model, plan, label))
end

local function measure(packet, o, model, plan)
  local list = {}
  if o.sampler == "plain" or o.sampler == "auto" then list = sample(packet, o, model, plan) end
  if o.sampler == "plain" then return list end
  for place, label in ipairs(packet.labels) do
    list[place] = list[place] and better(packet, o, model, plan, list[place])
      or single(packet, o, model, plan, label)
  end
  return list
end

return function(packet, opts)
  local o = read(packet, opts)
  local model, plan = packet.model, nil
  if packet.loss == "value" then model = as_logits(model) end
  local shape = { 1 }
  for i, size in ipairs(packet.shape) do shape[i + 1] = size end
  local list = mode.in_eval(model, function()
    plan = plans.try(model, core.new(shape, 0.5, packet.dtype, "packet"))
    return measure(packet, o, model, plan and plan:checked())
  end)
  if plan and plan ~= model then plan:release() end
  return #list == 1 and list[1] or list
end
