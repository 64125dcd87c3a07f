--- What a run of the IFA pipeline leaves behind for people: table, curves and pictures.
-- @module conjugate.ifa.report
local cj = require "conjugate"
local files = require "conjugate.run.files"
local json = require "conjugate.run.json"
local plot = require "conjugate.plot"

local M = {}

-- --- the table -----------------------------------------------------------------------------------

local function percent(value)
  return type(value) == "number" and ("%6.2f"):format(value) or "     -"
end

local function with_interval(value, interval)
  if type(interval) ~= "table" then return percent(value) end
  return ("%s [%6.2f, %6.2f]"):format(percent(value), interval[1], interval[2])
end

local columns = { "classifier", "epochs", "TA %", "RA % (paper)", "RA % (worst case)" }

local function table_rows(results)
  local rows = { columns }
  for _, r in ipairs(results) do
    for _, kind in ipairs { "cl", "acl" } do
      local e = r[kind]
      if e then
        rows[#rows + 1] = {
          kind:upper(), tostring(r.epochs), with_interval(e.ta, e.ta_interval),
          with_interval(e.ra_paper, e.ra_interval), with_interval(e.ra_worst, e.ra_worst_interval),
        }
      end
    end
  end
  return rows
end

--- The table CL against ACL as text.
-- @tparam {table,...} results one per classifier: epochs (number or text), cl and acl (evaluations:
--   ta, ra_paper, ra_worst and their intervals, in percent)
-- @treturn string aligned columns under a header
function M.table(results)
  local rows, widths = table_rows(results), {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, #cell) end
  end
  local lines = {}
  for i, row in ipairs(rows) do
    local cells = {}
    for j, cell in ipairs(row) do cells[j] = cell .. (" "):rep(widths[j] - #cell) end
    lines[#lines + 1] = (table.concat(cells, "  "):gsub(" +$", ""))
    if i == 1 then
      local rule = {}
      for j = 1, #row do rule[j] = ("-"):rep(widths[j]) end
      lines[#lines + 1] = table.concat(rule, "  ")
    end
  end
  return table.concat(lines, "\n")
end

local csv_fields = {
  { "ta", "ta_interval" }, { "ra_paper", "ra_interval" }, { "ra_worst", "ra_worst_interval" },
}

local function csv_line(kind, epochs, e)
  local cells = { kind:upper(), tostring(epochs) }
  for _, names in ipairs(csv_fields) do
    local value, interval = e[names[1]], e[names[2]] or {}
    for _, number in ipairs { value or 0 / 0, interval[1] or 0 / 0, interval[2] or 0 / 0 } do
      cells[#cells + 1] = number == number and json.number(number) or ""
    end
  end
  return table.concat(cells, ",")
end

--- The same table as CSV, in percent.
-- @tparam {table,...} results as for @{table}
-- @treturn string with a header line
function M.csv(results)
  local header = { "classifier", "epochs" }
  for _, names in ipairs(csv_fields) do
    for _, ending in ipairs { "", "_low", "_high" } do
      header[#header + 1] = names[1] .. ending
    end
  end
  local lines = { table.concat(header, ",") }
  for _, r in ipairs(results) do
    for _, kind in ipairs { "cl", "acl" } do
      if r[kind] then lines[#lines + 1] = csv_line(kind, r.epochs, r[kind]) end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

-- --- curves --------------------------------------------------------------------------------------

local function series_of(ifa)
  local series = { { name = "TA(X_n)", x = ifa.n, y = ifa.ta } }
  if type(ifa.ra[1]) == "number" then
    series[2] = { name = "RA(X_n)", x = ifa.n, y = ifa.ra }
  end
  return series
end

--- TA and RA of X_n against n, drawn with characters.
-- @tparam table ifa n, ta, ra (lists; percent)
-- @tparam[opt] table opts as for `plot.sketch.curve`
-- @treturn string several lines
function M.sketch(ifa, opts)
  local all = {
    title = "IFA: accuracy of X_n on the training set", y_label = "%",
    x_label = "steps n, square-root scale", x_scale = "sqrt", y_range = { 0, 100 },
  }
  for key, value in pairs(opts or {}) do all[key] = value end
  return plot.sketch.curve(series_of(ifa), all)
end

local function ticks_up_to(steps)
  local ticks = {}
  for _, n in ipairs { 0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000 } do
    if n <= steps then ticks[#ticks + 1] = n end
  end
  if ticks[#ticks] ~= steps then ticks[#ticks + 1] = steps end
  return ticks
end

--- The chart of the IFA curve.
-- @tparam table ifa as for @{sketch}, with eps and steps
-- @tparam string about what was followed, for the title
-- @treturn table a figure for `plot.figure.save` and pages
function M.curve(ifa, about)
  return {
    title = ("IFA on %s: X_n after n steps of ε = %.4g"):format(about, ifa.eps),
    x = { label = "steps n", scale = "sqrt", ticks = ticks_up_to(ifa.steps) },
    y = { label = "accuracy on the training set", unit = "%", range = { 0, 101 } },
    series = series_of(ifa),
  }
end

--- The chart of the generator's training.
-- @tparam {table,...} history epoch, d_loss, adversarial, l1
-- @treturn table a figure
function M.losses(history)
  local x, l1, adversarial, d = {}, {}, {}, {}
  for i, record in ipairs(history) do
    x[i], l1[i], adversarial[i], d[i] = record.epoch, record.l1, record.adversarial, record.d_loss
  end
  return {
    title = "Pix2Pix: losses of the generator and the discriminator",
    x = { label = "epochs done", range = { 0 } },
    y = { label = "mean loss, logarithmic scale", scale = "log" },
    key = "outside right top",
    series = {
      { name = "L1, in N ε", x = x, y = l1 },
      { name = "G, adversarial", x = x, y = adversarial },
      { name = "D", x = x, y = d },
    },
  }
end

--- The chart of TA and RA of CL and ACL against the epochs of training.
-- @tparam {table,...} results as for @{table}
-- @treturn table a figure
function M.epochs(results)
  local series = {}
  for _, kind in ipairs { "cl", "acl" } do
    for _, measure in ipairs { { "ta", "TA" }, { "ra_paper", "RA" } } do
      local s = { name = ("%s of %s"):format(measure[2], kind:upper()), x = {}, y = {} }
      for i, r in ipairs(results) do s.x[i], s.y[i] = r.epochs, r[kind][measure[1]] end
      series[#series + 1] = s
    end
  end
  return {
    title = "Accuracy with (ACL) and without (CL) augmentation, test set", series = series,
    x = { label = "epochs of training" },
    y = { label = "accuracy", unit = "%", range = { 0, 101 } },
    key = "outside right top",
  }
end

-- --- pictures ------------------------------------------------------------------------------------

local function labels_of(y)
  local texts = {}
  for i = 1, y:size(1) do texts[i] = ("%d"):format(y:get(i)) end
  return texts
end

local function predictions(net, x)
  return labels_of(cj.predict(net, x))
end

-- The first sample of each class, up to `count` classes.
local function one_of_each(set, count)
  local found, rows = {}, {}
  local _, y = set:batch(1, math.min(set:size(), 500))
  for i = 1, y:size(1) do
    local label = y:get(i)
    if not found[label] and label < count then found[label] = i end
  end
  for label = 0, count - 1 do
    if found[label] then rows[#rows + 1] = found[label] end
  end
  return set:pick(cj.tensor(rows, "int64"))
end

-- Images that were kept in [0, 1] are shown as images, others as signed numbers.
local function kind_for(clip)
  return clip == "box" and "image" or "signed"
end

--- Writes the grid of test images: clean, perturbation, attacked, and what the generator makes of
-- them.
-- @tparam string path where to
-- @tparam table run net, test, attack, acl_attack, augmented (may be nil), eps, classes
-- @treturn string path, or nil and why
function M.test_grid(path, run)
  local x, y = one_of_each(run.test, math.min(run.classes, 10))
  local x_adv = run.attack(run.net, x, y, { quiet = true, paper = true }).x_adv
  local rows = {
    { title = "clean\nlabel", images = x, captions = labels_of(y) },
    { title = "PGD\nperturbation", images = x_adv - x, kind = "signed", high = run.eps,
      low = -run.eps },
    { title = "attacked\nCL says", images = x_adv, captions = predictions(run.net, x_adv) },
  }
  if run.augmented then
    local change, seen = cj.no_grad(function()
      return run.augmented.generator(x), run.augmented:augment(x)
    end)
    local adv = run.acl_attack(run.augmented, x, y, { quiet = true, paper = true }).x_adv
    rows[#rows + 1] = { title = "G(x)", images = change, kind = "signed" }
    rows[#rows + 1] = {
      title = "augmented\nACL says", images = seen, kind = kind_for(run.augmented.clip),
      captions = predictions(run.augmented, x),
    }
    rows[#rows + 1] = { title = "PGD\nthrough both", images = adv - x, kind = "signed",
      high = run.eps, low = -run.eps }
    rows[#rows + 1] = { title = "attacked\nACL says", images = adv,
      captions = predictions(run.augmented, adv) }
  end
  return plot.grid.save(path, rows, { title = ("Test images, PGD ε = %.4g"):format(run.eps) })
end

--- Writes the grid of training images along IFA: X_0, Delta_1, Delta_N and X_N.
-- @tparam string path where to
-- @tparam table run net, train, ifa (eps, steps, clip), classes
-- @treturn string path, or nil and why
function M.train_grid(path, run)
  local x, y = one_of_each(run.train, math.min(run.classes, 10))
  local ifa = run.ifa
  local function follow(steps)
    local attack = cj.attacks.ifa { eps = ifa.eps, steps = steps, clip = ifa.clip }
    return attack(run.net, x, y, { quiet = true }).x_adv
  end
  local first, last = follow(1), follow(ifa.steps)
  return plot.grid.save(path, {
    { title = "clean X_0\nlabel", images = x, captions = labels_of(y) },
    { title = "Δ_1", images = first - x, kind = "signed" },
    { title = ("Δ_%d"):format(ifa.steps), images = last - x, kind = "signed" },
    { title = ("X_%d\nCL says"):format(ifa.steps), images = last, kind = kind_for(ifa.clip),
      captions = predictions(run.net, last) },
  }, { title = ("Training images, IFA with ε = %.4g, clip %s"):format(ifa.eps, ifa.clip) })
end

--- Writes the mean spectrum of Delta_1 as a heat map; frequency 0 is in the middle.
-- @tparam string path where to
-- @tparam table run net, train, ifa (eps, clip)
-- @treturn string path, or nil and why
function M.spectrum(path, run)
  local x, y = run.train:batch(1, math.min(run.train:size(), 500))
  local step = cj.attacks.ifa { eps = run.ifa.eps, steps = 1, clip = run.ifa.clip }
  local delta = step(run.net, x, y, { quiet = true }).x_adv - x
  local grey = cj.metrics.frequency.grey(delta, x:size(2) == 3 and "bt601" or "mean")
  local mean = cj.spectrum(grey:contiguous()):mean(1)
  return plot.heatmap.save(path, mean, { title = "mean |FFT(Δ_1)|, 0 in the middle" })
end

--- Writes text and CSV of the table.
-- @tparam string stem path without extension
-- @tparam {table,...} results as for @{table}
function M.write_table(stem, results)
  assert(files.write(stem .. ".txt", M.table(results) .. "\n"))
  assert(files.write(stem .. ".csv", M.csv(results)))
end

return M
