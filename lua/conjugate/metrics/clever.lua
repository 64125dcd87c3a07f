--- CLEVER: an estimate of the distance to the nearest misclassified input.
--
-- For an image x0 predicted as its label c, and a class j, `g = z_c - z_j`. Batches of points are
-- drawn uniformly in the l_p ball of radius R about x0 and clamped to the box; the maxima of
-- `||grad g||_q` (1/p + 1/q = 1) over each batch are fitted with a reverse Weibull distribution,
-- whose end is taken for the local Lipschitz constant L. The score of class j is
-- `min(g(x0) / L, R)`, the untargeted score of the image the least of its classes. Images that are
-- not classified correctly have no score.
--
-- Where the maxima do not tell an end (flags of `conjugate.metrics.weibull`), L is the largest of
-- them. CLEVER is an estimate, not a bound: a model that masks its gradients gets a high score.
-- @module conjugate.metrics.clever
-- @source Weng et al., ICLR 2018, sections 3 and 4, algorithm 1
local cj = require "conjugate"
local check = require "conjugate.check"
local core = require "conjugate.core"
local guards = require "conjugate.metrics.guards"
local interrupt = require "conjugate.run.interrupt"
local mode = require "conjugate.nn.mode"
local norms = require "conjugate.attacks.kinds.options"
local plans = require "conjugate.plan"
local progress = require "conjugate.run.progress"
local summary = require "conjugate.metrics.clever.summary"
local system = require "conjugate.run.system"
local weibull = require "conjugate.metrics.weibull"

local M = {}

local ROWS = 2048      -- batches of images that are sampled side by side
local SPACING = 2 ^ 20 -- sample number of a batch: image * SPACING + batch, both from 0

local OPTIONS = {
  norm = { "string|number", "l2" }, radius = { "number" }, batches = { "integer", 500 },
  samples = { "integer", 1024 }, target = { "integer|string|tensor|table" },
  labels = { "tensor|table" }, bounds = { "table", { 0, 1 } }, index = { "integer", 0 },
  seed = { "integer" }, maxima = false, unbounded = { "string", "max" }, guards = true,
  quiet = { "boolean" },
}

local function read_options(opts)
  local o = check.options("clever", opts, OPTIONS)
  o.norm = norms.norm("clever", o.norm)
  if not o.radius and o.norm ~= "l2" then
    check.fail("clever", "expected a radius with norm %s: the usual 5 is meant for l2", o.norm)
  end
  o.radius = o.radius or 5
  if not (o.radius > 0 and o.radius < math.huge) then
    check.fail("clever", "expected a finite number above 0 for radius, got %.6g", o.radius)
  end
  check.integer("clever", "batches", o.batches, 1, SPACING)
  check.integer("clever", "samples", o.samples, 1, 1000000)
  check.integer("clever", "index", o.index, 0, 2 ^ 32)
  check.one_of("clever", "unbounded", o.unbounded, { "max", "location" })
  o.seed = check.integer("clever", "seed", o.seed or core.random_state(), 0)
  o.low, o.high = check.number("clever", "bounds[1]", o.bounds[1]),
    check.number("clever", "bounds[2]", o.bounds[2], o.bounds[1])
  if o.target == "all" then o.target = nil end
  o.goal, o.targets = norms.goal("clever", o.target)
  if check.is_tensor(o.targets) then o.targets = o.targets:table() end
  if check.is_tensor(o.labels) then o.labels = o.labels:table() end
  return o
end

-- --- classes ------------------------------------------------------------------------------------

-- The class of a kind for one image: "random" (any but c), "least" likely, "second" likeliest.
local function class_of(kind, z, c, number, seed)
  if kind == "random" then
    local k = math.floor(cj.random.uniform(seed, number + 1) * (#z - 1))
    return k < c and k or k + 1
  end
  local sign, best = kind == "second" and 1 or -1, nil
  for k = 0, #z - 1 do
    if k ~= c and (not best or sign * z[k + 1] > sign * z[best + 1]) then best = k end
  end
  return best
end

local function target_of(o, image, place)
  if not o.goal then return nil end
  if o.goal ~= "given" then return image.kinds[o.goal] end
  local t = type(o.targets) == "table" and o.targets[place] or o.targets
  check.integer("clever", "targets", t, 0, #image.logits - 1)
  if t == image.label then
    check.fail("clever", "expected targets other than the labels, got %d for image %d", t, place)
  end
  return t
end

-- --- sampling -----------------------------------------------------------------------------------

local function settings(o, classes)
  return {
    name = "clever", method = "clever", norm = o.norm, eps = o.radius, low = o.low, high = o.high,
    alpha = 0, steps = o.samples, restarts = 1, batch = 256, extras = classes, seed = o.seed,
    goal = o.goal and "given" or "away",
  }
end

-- Samples all batches of the images; gives the maxima as rows of K, batch after batch.
local function sample(work, x, images)
  local o, places, index, y = work.o, {}, {}, {}
  local targets = o.goal and {}
  for _, image in ipairs(images) do
    for b = 0, o.batches - 1 do
      local row = #places + 1
      places[row], y[row] = image.place, image.label
      index[row] = image.index * SPACING + b
      if o.goal then targets[row] = image.target end
    end
  end
  local function list(t)
    return core.tensor(t, "int64")
  end
  local model, rows = work.model, core.attack_rows(x, list(places))
  local _, columns, _, report, extra = core.attack_run(model, rows, list(y),
    targets and list(targets), list(index), settings(o, work.classes), nil, nil,
    plans.is_plan(model) and model:checked() or nil)
  work.forwards = work.forwards + report.forwards
  work.backwards = work.backwards + report.backwards
  return extra:table(), columns.status
end

-- --- scores -------------------------------------------------------------------------------------

local function score_of(margin, lipschitz, radius)
  if margin <= 0 then return 0 end
  return math.min(margin / lipschitz, radius) -- a constant model: infinity, so the radius
end

local function class_result(o, image, k, rows, from)
  local maxima = {}
  for b = 1, o.batches do maxima[b] = rows[from + b][k + 1] end
  local fit = weibull.fit(maxima, o.unbounded)
  local margin = image.logits[image.label + 1] - image.logits[k + 1]
  return {
    class = k, margin = margin, lipschitz = fit.end_point, fit = fit, flag = fit.flag,
    score = score_of(margin, fit.end_point, o.radius), maxima = o.maxima and maxima or nil,
  }
end

-- Fills in classes and score of an image from its rows of maxima.
local function score(o, image, rows, statuses, from)
  for b = 1, o.batches do
    if statuses[from + b] == "NAN" then
      image.flag = "NAN"
      return
    end
  end
  image.classes = {}
  for k = 0, #image.logits - 1 do
    if k ~= image.label and (not o.goal or k == image.target) then
      local entry = class_result(o, image, k, rows, from)
      image.classes[#image.classes + 1] = entry
      if not image.score or entry.score < image.score then
        image.score, image.nearest = entry.score, k
      end
    end
  end
end

-- --- images -------------------------------------------------------------------------------------

-- Batches of images: x, labels or nil.
local function parts(source, o, count)
  if not check.is_tensor(source) then return cj.data.batches(source, { batch = count }) end
  local from, n = 1, source:size(1)
  return function()
    if from > n then return nil end
    local rows = math.min(count, n - from + 1)
    local x, y = source:narrow(1, from, rows):detach(), nil
    if o.labels then
      y = core.tensor({ unpack(o.labels, from, from + rows - 1) }, "int64")
    end
    from = from + rows
    return x, y
  end
end

-- The images of a part: logits, prediction, label, and whether it is classified correctly.
local function look(work, x, y)
  local o = work.o
  if o.guards then guards.pixels("clever", x) end
  local z = cj.no_grad(function()
    return work.model(x)
  end)
  if o.guards then guards.logits("clever", z, x:size(1)) end
  work.classes = z:size(2)
  local rows, predicted, labels = z:table(), z:predict():table(), y and y:table()
  local images, used = {}, {}
  for i, logits in ipairs(rows) do
    local place = #work.images + i
    local label = labels and labels[i] or predicted[i]
    check.integer("clever", "labels", label, 0, #logits - 1)
    local image = {
      place = i, index = o.index + place - 1, logits = logits, label = label,
      predicted = predicted[i], correct = label == predicted[i],
    }
    images[i] = image
    if image.correct then
      image.kinds = {}
      for _, kind in ipairs(summary.kinds) do
        image.kinds[kind] = class_of(kind, logits, label, image.index, o.seed)
      end
      image.target = target_of(o, image, place)
      used[#used + 1] = image
    end
  end
  return images, used
end

local function take_part(work, x, y)
  local images, used = look(work, x, y)
  if #used > 0 then
    local rows, statuses = sample(work, x, used)
    for i, image in ipairs(used) do
      score(work.o, image, rows, statuses, (i - 1) * work.o.batches)
    end
  end
  for _, image in ipairs(images) do
    image.place = nil
    work.images[#work.images + 1] = image
  end
end

-- --- the call ------------------------------------------------------------------------------------

local function check_source(model, source, o)
  check.callable("clever", "model", model)
  if not check.is_tensor(source) then
    if type(source) ~= "table" or type(source.size) ~= "function" then
      check.fail("clever", "expected a tensor [N, ...] or a data set, got %s",
        check.describe(source))
    end
    if o.labels then
      check.fail("clever", "expected no labels with a data set: it has its own")
    end
    return source:size()
  end
  check.tensor("clever", "x", source, "float")
  if source:dim() < 2 then
    check.fail("clever", "expected x of sizes [N, ...], got %s", check.describe(source))
  end
  local n = source:size(1)
  for _, name in ipairs { "labels", "targets" } do
    if type(o[name]) == "table" and #o[name] ~= n then
      check.fail("clever", "expected %d %s, one an image, got %d", n, name, #o[name])
    end
  end
  return n
end

local function gather(work, source, n)
  local count = math.max(1, math.floor(ROWS / work.o.batches))
  local bar = progress.new { label = "clever", total = n, unit = "images", quiet = work.o.quiet }
  for x, y in parts(source, work.o, count) do
    if not work.model then
      work.model, work.elements = plans.model(work.net, x), x:numel() / x:size(1)
    end
    take_part(work, x, y)
    bar:update(#work.images)
    interrupt.poll()
  end
  bar:clear()
end

--- CLEVER scores of images, in evaluation mode; the mode is set back afterwards.
--
-- With all classes as targets (the default) each point costs a forward pass and K - 1 backward
-- passes, and the classes share the points; with one target, one of each.
--
-- The points of batch b of image number i (both from 0; the number within the set, plus `index`)
-- are what `cj.metrics.clever_points(x0, opts, i, b)` gives: they depend on (seed, i, b, number of
-- the point) alone. l2: a Gaussian direction, at distance R U^(1/D); linf: uniform in the cube; l1:
-- exponentials over their sum and one more, random signs; then every element is clamped to the box.
-- @function clever
-- @param model a network, or a function of images [N, ...] that gives logits [N, K]
-- @tparam Tensor|DataSet source images: float [N, ...] in [0, 1], or a set
-- @tparam[opt] table opts `norm` ("l2", "linf", "l1"), `radius` (5 for l2; the others need one),
--   `batches` (500), `samples` (1024, points of a batch), `target` ("all"; or one of a kind:
--   "random", "least", "second", a label, labels of the images), `labels` (of a tensor's images;
--   without them the predictions count as right), `bounds` ({ 0, 1 }), `seed` (that of cj.seed),
--   `index` (number of the first image, 0), `maxima` (false: keep the maxima), `unbounded` ("max";
--   see `conjugate.metrics.weibull`), `guards` (true), `quiet`
-- @treturn table `mean`, `standard_error`, `interval` (95 %) of the scores, all nil when no image
--   has one; `per_pixel` (mean / `elements` of an image); `kinds`: means of the targets "random",
--   "least", "second", when all classes were sampled; `n`, `used`, `skipped` (not classified
--   correctly), `nan` (gradients were); `fits`, and how many were `degenerate` or `unbounded`;
--   `forwards`, `backwards`, `seconds`; and `images`, a list of { index, label, predicted, correct,
--   logits, score, nearest (class), target, kinds, flag, classes = list of { class, margin,
--   lipschitz, score, flag, fit (see `conjugate.metrics.weibull`), maxima } }. print shows a
--   summary
-- @raise wrong arguments; pixels outside [0, 1]; probabilities in place of logits
-- @usage print(cj.clever(net, test:take(100), { batches = 10, samples = 256 }))
function M.clever(model, source, opts)
  local o = read_options(opts)
  local n = check_source(model, source, o)
  local work = { net = model, o = o, images = {}, forwards = 0, backwards = 0, elements = 0 }
  local started = system.now()
  mode.in_eval(model, function()
    gather(work, source, n)
  end)
  local result = summary.new(work)
  result.seconds = system.now() - started
  return result
end

--- The points that CLEVER samples, for a look at them and for other implementations.
-- @function clever_points
-- @tparam Tensor x0 one image, float [...]
-- @tparam table opts as for `clever`, with `seed`
-- @tparam integer image number of the image, from 0
-- @tparam integer batch number of the batch, from 0
-- @treturn Tensor [samples, ...], of x0's type
-- @raise wrong arguments
function M.clever_points(x0, opts, image, batch)
  local o = read_options(opts)
  check.tensor("clever_points", "x0", x0, "float")
  check.integer("clever_points", "image", image, 0, 2 ^ 32)
  check.integer("clever_points", "batch", batch, 0, SPACING - 1)
  return core.attack_starts(o.norm, x0:detach(), o.radius, o.low, o.high, o.seed,
    image * SPACING + batch, 0, o.samples)
end

return M
