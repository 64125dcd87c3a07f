--- The IFA pipeline: from a classifier to the same classifier behind a learnt augmentation.
--
-- 1. A classifier, trained here to chosen epochs or taken as it is (CL).
-- 2. X_n and Delta_N of the training set: N steps of opposite FGSM; TA and RA of X_n on the way.
-- 3. A Pix2Pix generator G learns Delta_N from X_0; the classifier is not touched.
-- 4. TA and RA of classifier(X_0 + G(X_0)) on the test set, attacked through both networks (ACL).
--
-- Labels enter Delta_N, so G may learn to classify, and the robustness of ACL may be an illusion of
-- weak gradients; `checks = true` attacks it harder and says what is left.
--
-- Everything lives in a run directory: a run that was stopped goes on where it was when the same
-- call is made again, and ends with the same bytes but for times.
-- @module conjugate.ifa
-- @source Zhang, Zhang, Chen, Pang and Meng, arXiv 2205.01493v3, supplement
local cj = require "conjugate"
local check = require "conjugate.check"
local checkpoint = require "conjugate.run.checkpoint"
local figure = require("conjugate.plot").figure
local files = require "conjugate.run.files"
local follow = require "conjugate.ifa.follow"
local interrupt = require "conjugate.run.interrupt"
local json = require "conjugate.run.json"
local pix2pix = require "conjugate.ifa.pix2pix"
local plans = require "conjugate.plan"
local report = require "conjugate.ifa.report"
local runs = require "conjugate.run"
local system = require "conjugate.run.system"

local M = {}

M.schedule = follow.schedule

local options = {
  model = { type = "string|table", required = true },
  data = { "string" }, train = { "table" }, test = { "table" },
  out = { type = "string", required = true },
  epochs = { "number|table" }, trained = { "integer" }, fit = { "table" },
  steps = { "integer", 200 }, eps = { "number" }, clip = { "string", "none" },
  marks = { "table" }, ra_share = { "number", 1 }, chunk = { "integer", 500 },
  attack = { "table" }, gan = { "table" },
  checks = false, check_samples = { "integer", 500 },
  seed = { "integer" }, quiet = { "boolean" }, pictures = true,
}

-- Settings of the generator's training.
local gan_options = {
  epochs = { "integer", 10 }, batch = { "integer", 16 }, lr = { "number", 2e-4 },
  beta1 = { "number", 0.5 }, l1 = { "number", 100 }, width = { "integer", 16 },
  memory = { "number", 2 ^ 30 },
}

-- eps of the paper: 0.1 for grey images, 8/255 for coloured ones.
local function default_eps(set)
  return set.images:size(2) == 1 and 0.1 or 8 / 255
end

-- --- what was asked for --------------------------------------------------------------------------

local function load_sets(o)
  if o.train and o.test then return end
  if not o.data then check.fail("ifa.run", "expected train and test, or the name of data") end
  local train, test = cj.data.load(o.data)
  if not train then check.fail("ifa.run", "%s", test) end
  o.train, o.test = o.train or train, o.test or test
end

-- A number of epochs or a list of them as a rising list; nil stays nil.
local function epoch_list(epochs)
  if epochs == nil then return nil end
  local list = type(epochs) == "number" and { epochs } or { unpack(epochs) }
  table.sort(list)
  for i, n in ipairs(list) do
    check.integer("ifa.run", ("epochs[%d]"):format(i), n, 1)
  end
  if #list == 0 then check.fail("ifa.run", "expected at least one number in epochs, got none") end
  return list
end

-- Marks that were asked for, rising, with the last step among them.
local function mark_list(marks, steps)
  if not marks then return follow.schedule(steps) end
  local set, list = { [steps] = true }, {}
  for i, n in ipairs(marks) do
    set[check.integer("ifa.run", ("marks[%d]"):format(i), n, 0, steps)] = true
  end
  for n in pairs(set) do list[#list + 1] = n end
  table.sort(list)
  return list
end

local function read_options(given)
  local o = check.options("ifa.run", given, options)
  load_sets(o)
  o.gan = check.options("ifa.run: gan", o.gan, gan_options)
  o.eps = o.eps or default_eps(o.train)
  check.number("ifa.run", "eps", o.eps, 0)
  check.integer("ifa.run", "steps", o.steps, 0)
  check.integer("ifa.run", "chunk", o.chunk, 1)
  check.number("ifa.run", "ra_share", o.ra_share, 0, 1)
  check.one_of("ifa.run", "clip", o.clip, { "none", "box" })
  o.marks = mark_list(o.marks, o.steps)
  local attack = { eps = o.eps, alpha = o.eps / 4, steps = 4 }
  for key, value in pairs(o.attack or {}) do attack[key] = value end
  o.attack = attack
  o.epochs = epoch_list(o.epochs)
  if type(o.model) == "string" then o.epochs = o.epochs or { 1 } end
  o.seed = o.seed or cj.random.state().seed
  return o
end

-- Tells one set of weights from another in config.json.
local function fingerprint(net)
  local sum, squares = 0, 0
  for _, p in ipairs(net:parameters()) do
    local values = p:detach():to("float64")
    sum, squares = sum + values:sum():item(), squares + (values * values):sum():item()
  end
  return ("%.12g %.12g"):format(sum, squares)
end

local function configuration(o, net)
  local config = {
    model = net.config or tostring(net), train = checkpoint.describe_data(o.train),
    test = checkpoint.describe_data(o.test), eps = o.eps, steps = o.steps, clip = o.clip,
    marks = o.marks, ra_share = o.ra_share, chunk = o.chunk, attack = o.attack, gan = o.gan,
    checks = o.checks, seed = o.seed, epochs = o.epochs, fit = o.fit,
  }
  if o.checks then config.check_samples = o.check_samples end
  if type(o.model) ~= "string" then config.weights = fingerprint(net) end
  return config
end

-- --- step 1: classifiers -------------------------------------------------------------------------

local function build(o)
  if type(o.model) ~= "string" then return o.model end
  local maker = cj.models[o.model]
  if not maker then
    check.fail("ifa.run", "there is no model %q%s", o.model, check.suggest(o.model, cj.models))
  end
  cj.seed(o.seed)
  return maker { data = o.train }
end

-- One entry per chosen epoch: { epochs =, place = folder, net = network in evaluation mode }.
local function classifiers(o, net)
  if not o.epochs then
    return { { epochs = o.trained or "given", place = o.out, net = net:eval() } }
  end
  local settings = { batch = 128, lr = 1e-3, test = o.test, quiet = o.quiet }
  for key, value in pairs(o.fit or {}) do settings[key] = value end
  settings.epochs, settings.keep = o.epochs[#o.epochs], o.epochs
  settings.out, settings.seed = o.out .. "/classifier", o.seed
  cj.fit(net, o.train, settings)
  local list = {}
  for i, epochs in ipairs(o.epochs) do
    local path = ("%s/epoch-%04d.safetensors"):format(settings.out, epochs)
    local kept, why = checkpoint.load(path)
    if not kept then error("ifa.run: " .. why, 0) end
    local place = #o.epochs == 1 and o.out or ("%s/epoch-%04d"):format(o.out, epochs)
    list[i] = { epochs = epochs, place = place, net = kept:eval() }
  end
  return list
end

-- --- stages --------------------------------------------------------------------------------------

-- Reads a stage's result, or makes and writes it. Each stage starts the generator anew, so that it
-- does not matter which stages were done before.
local function stage(o, place, name, make)
  local path = ("%s/%s.json"):format(place, name)
  if system.exists(path) then
    local held, why = files.read_json(path)
    if not held then error("ifa.run: " .. why, 0) end
    return held
  end
  cj.seed(o.seed)
  local result = make()
  local ok, why = files.write_json(path, result)
  if not ok then error("ifa.run: " .. why, 0) end
  return result
end

-- What of an evaluation goes into files: no times, so that equal runs give equal bytes.
local function kept_fields(e)
  return {
    ta = e.ta, ra_paper = e.ra_paper, ra_worst = e.ra_worst, ta_interval = e.ta_interval,
    ra_interval = e.ra_paper_interval, ra_worst_interval = e.ra_worst_interval, n = e.n,
    zero_gradients = e.attacks[1].zero_gradients,
  }
end

local function evaluate(o, net, set, attack, label)
  return cj.evaluate(net, set, { attack }, { quiet = o.quiet, label = label })
end

-- An ACL may be so sure of itself that every gradient underflows. That is a finding here and no
-- mistake of the caller: the percentage of zero gradients goes into the record.
local function evaluate_augmented(o, net, set, attack, label)
  return cj.evaluate(net, set, { attack }, { quiet = o.quiet, label = label, guards = false })
end

local function box_of(clip)
  return clip == "box"
end

-- PGD that may start outside [0, 1], as X_n does unless it is clamped.
local function free_attack(o)
  local settings = {}
  for key, value in pairs(o.attack) do settings[key] = value end
  settings.clip_box = box_of(o.clip)
  return cj.attacks.pgd(settings)
end

local function follow_stage(o, c)
  local dir = c.place .. "/delta"
  assert(system.mkdir(dir))
  return stage(o, c.place, "ifa", function()
    return follow.run {
      net = c.net, set = o.train, dir = dir, eps = o.eps, steps = o.steps, clip = o.clip,
      marks = o.marks, attack = free_attack(o), chunk = o.chunk, ra_share = o.ra_share,
      quiet = o.quiet,
    }
  end)
end

local function generator_stage(o, c)
  local dir = c.place .. "/pix2pix"
  assert(system.mkdir(dir))
  cj.seed(o.seed)
  return pix2pix.train {
    set = o.train, deltas = c.place .. "/delta", chunk = o.chunk, chunks = c.ifa.chunks, dir = dir,
    range = math.max(o.eps * o.steps, 1e-12), epochs = o.gan.epochs, batch = o.gan.batch,
    lr = o.gan.lr, beta1 = o.gan.beta1, l1 = o.gan.l1, width = o.gan.width, memory = o.gan.memory,
    quiet = o.quiet,
  }
end

-- Stronger attacks on the augmented classifier, and the plain classifier's attack carried over.
local function checks_stage(o, c)
  return stage(o, c.place, "checks", function()
    local some = o.test:take(math.min(o.check_samples, o.test:size()))
    local strong = cj.attacks.pgd {
      eps = o.attack.eps, alpha = o.attack.eps / 8, steps = 20, restarts = 2, random = true,
    }
    local harder = evaluate_augmented(o, c.augmented, some, strong, "ACL, PGD-20")
    local right, net, augmented = 0, nil, nil
    for x, y in cj.data.batches(some, { batch = 250 }) do
      net = net or plans.model(c.net, x)
      augmented = augmented or plans.model(c.augmented, x)
      local x_adv = cj.attacks.pgd(o.attack)(net, x, y, { quiet = true, paper = true }).x_adv
      right = right + cj.predict(augmented, x_adv):eq(y):to("float64"):sum():item()
    end
    return {
      n = some:size(), pgd20_ra_paper = harder.ra_paper, pgd20_ra_worst = harder.ra_worst,
      pgd20_restarts = 2, transfer_ra = 100 * right / some:size(),
    }
  end)
end

local function run_classifier(o, c)
  assert(system.mkdir(c.place))
  local attack = cj.attacks.pgd(o.attack)
  c.cl = stage(o, c.place, "cl", function()
    return kept_fields(evaluate(o, c.net, o.test, attack, "CL"))
  end)
  c.ifa = follow_stage(o, c)
  local generator, history = generator_stage(o, c)
  c.history = history
  c.augmented = require("conjugate.ifa.augment")(c.net, generator, o.clip):eval()
  c.acl = stage(o, c.place, "acl", function()
    return kept_fields(evaluate_augmented(o, c.augmented, o.test, attack, "ACL"))
  end)
  if o.checks then c.acl.checks = checks_stage(o, c) end
end

-- --- output --------------------------------------------------------------------------------------

local function model_name(o, net)
  if type(o.model) == "string" then return o.model end
  return net.config and net.config.model or net.class_name or "model"
end

local function draw(o, c, name)
  cj.seed(o.seed)
  local about = ("%s, %s"):format(name, o.train.name or "data")
  local made, message = {}, nil
  local function note(what, result, why)
    if not result then error(("ifa.run: %s: %s"):format(what, tostring(why)), 0) end
    made[#made + 1] = type(result) == "table" and (result.png or result.gp) or result
    if type(result) == "table" then message = message or result.message end
  end
  note("curve", figure.save(c.place .. "/ifa_curve", report.curve(c.ifa, about)))
  note("losses", figure.save(c.place .. "/pix2pix_losses", report.losses(c.history)))
  note("test images", report.test_grid(c.place .. "/test_images.png", {
    net = c.net, test = o.test, attack = cj.attacks.pgd(o.attack), eps = o.attack.eps,
    acl_attack = cj.attacks.pgd(o.attack), augmented = c.augmented, classes = o.test.classes,
  }))
  note("training images", report.train_grid(c.place .. "/training_images.png", {
    net = c.net, train = o.train, ifa = c.ifa, classes = o.train.classes,
  }))
  note("spectrum", report.spectrum(c.place .. "/delta1_spectrum.png", {
    net = c.net, train = o.train, ifa = c.ifa,
  }))
  return made, message
end

local ORDER = {
  "seed", "threads", "seconds", "data", "model", "epochs", "ta", "ra_paper", "ra_worst",
  "ta_interval", "ra_interval", "n", "ifa", "acl", "hfr",
}

local function summarise(o, c, name)
  return {
    seed = o.seed, data = o.train.name, model = name, epochs = c.epochs, ta = c.cl.ta,
    ra_paper = c.cl.ra_paper, ra_worst = c.cl.ra_worst, ta_interval = c.cl.ta_interval,
    ra_interval = c.cl.ra_interval, n = c.cl.n, hfr = c.ifa.hfr, ifa = c.ifa, acl = c.acl,
    gan = o.gan, attack = o.attack,
  }
end

-- All measurements, one record a line, without times.
local function metrics(list)
  local lines = {}
  local function add(kind, c, record)
    local line = { kind = kind, epochs = c.epochs }
    for key, value in pairs(record) do line[key] = value end
    lines[#lines + 1] = json.encode(line, { order = { "kind", "epochs", "n" } }) .. "\n"
  end
  for _, c in ipairs(list) do
    add("cl", c, c.cl)
    for i, n in ipairs(c.ifa.n) do
      add("ifa", c, { n = n, ta = c.ifa.ta[i], ra = c.ifa.ra[i], frozen = c.ifa.frozen[i] })
    end
    for _, record in ipairs(c.history) do add("pix2pix", c, record) end
    add("acl", c, c.acl)
  end
  return table.concat(lines)
end

-- Seconds of this and all earlier sittings. A killed one is not counted.
local function spent(o, started, write)
  local path = o.out .. "/times.json"
  local seconds = system.now() - started
  local held = system.exists(path) and files.read_json(path)
  if held then seconds = seconds + (tonumber(held.seconds) or 0) end
  if write then files.write_json(path, { seconds = seconds }) end
  return seconds
end

local function finish(o, list, name, started)
  local result = summarise(o, list[#list], name)
  result.threads, result.seconds = cj.threads(), spent(o, started)
  if #list > 1 then
    result.results = json.array()
    for i, c in ipairs(list) do result.results[i] = summarise(o, c, name) end
  end
  assert(files.write(o.out .. "/metrics.jsonl", metrics(list)))
  report.write_table(o.out .. "/table", list)
  assert(files.write_json(o.out .. "/summary.json", result, ORDER))
  if o.pictures then
    local page = require("conjugate.report.ifa").page(result, list)
    assert(files.write(o.out .. "/report.html", page))
  end
  result.out, result.table = o.out, report.table(list)
  result.sketch = report.sketch(list[#list].ifa)
  return result
end

local function work(o, net, started)
  local name = model_name(o, net)
  local list, made, message = classifiers(o, net), nil, nil
  for _, c in ipairs(list) do
    run_classifier(o, c)
    if o.pictures then made, message = draw(o, c, name) end
  end
  if o.pictures and #list > 1 then
    local chart = figure.save(o.out .. "/cl_acl", report.epochs(list))
    made[#made + 1] = chart.png or chart.gp
  end
  local result = finish(o, list, name, started)
  result.figures, result.message = made, message
  return result
end

--- Runs the four steps of IFA, or what is left of them.
-- @tparam table opts
--
-- - `model`: a network that gives logits, or the name of one of `cj.models`, which is then trained
-- - `train`, `test`: data sets, or `data`: the name of a set for both
-- - `out`: run directory
-- - `epochs`: a number or a list; the network is trained by `cj.fit` (settings in `fit`) and the
--   pipeline runs once for each of these epochs. Without it a given network is taken as it is
-- - `trained`: epochs that a given network has behind it, for the records
-- - `eps`: IFA step in pixel units (0.1 for grey images, 8/255 for coloured ones); `steps` N (200);
--   `clip`: "none" (as in the paper) or "box" (pixels stay in [0, 1])
-- - `marks`: the n at which X_n is measured; `ra_share`: part of every chunk that is attacked (1)
-- - `attack`: { eps, alpha, steps } of PGD (eps, eps/4, 4: the paper's)
-- - `gan`: { epochs (10), batch (16), lr (2e-4), beta1 (0.5), l1 (100), width (16), memory (bytes)
-- } - `checks` (false): PGD-20 with restarts and transfer against ACL, on `check_samples` (500)
-- images - `chunk` (500): images followed at a time; `seed`; `quiet`; `pictures` (true)
-- @treturn table what summary.json holds, and: table and sketch (texts), out (folder), figures
--   (paths)
-- @raise wrong options; a run directory of other work; "interrupted ..." on Ctrl-C, after which the
--   same call goes on
-- @usage cj.ifa.run { model = net, train = train, test = test, out = "runs/ifa" }
function M.run(opts)
  local started = system.now()
  local o = read_options(opts)
  local before = cj.random.state()
  local net = build(o)
  local run, why = runs.open { dir = o.out, config = configuration(o, net) }
  if not run then check.fail("ifa.run", "%s", why) end
  local was = net.training
  local result
  local ok, message = interrupt.guard(function() result = work(o, net, started) end)
  spent(o, started, true)
  run:close()
  net:train(was)
  cj.random.restore(before)
  if ok then return result end
  if not interrupt.is(message) then error(message, 0) end
  return error("interrupted: ifa.run stopped; the same call goes on from " .. o.out, 0)
end

return M
