--- The tables of the page of packets.
-- @module conjugate.report.packet_tables
local markup = require "conjugate.report.markup"
local page = require "conjugate.report.page"

local M = {}

local element = markup.element
local NONE = markup.raw "&ndash;"

--- A number as a cell, or a dash.
-- @tparam ?number value any
-- @tparam[opt] string format of string.format
-- @treturn string|table
function M.figure(value, format)
  return value and value == value and (format or "%.4g"):format(value) or NONE
end

--- A number with its standard error, to two digits of the error.
-- @tparam ?number value any; nil is shown as a dash
-- @tparam ?number err standard error
-- @treturn string|table
function M.with_error(value, err)
  if not value or value ~= value then return NONE end
  if not err or err ~= err or err == 0 then return ("%.4g"):format(value) end
  local places = 1 - math.floor(math.log10(err))
  if places > 12 or places < 0 or math.abs(value) >= 1e6 then
    return ("%.4g ± %.1e"):format(value, err)
  end
  local form = ("%%.%df"):format(places)
  if places > 6 then return (form .. " ± %.1e"):format(value, err) end
  return (form .. " ± " .. form):format(value, err)
end

local looks = { ok = "pass", warn = "skipped", unreliable = "fail" }
local words = { ok = "ok", warn = "with care", unreliable = "refused" }

--- A status in plain words and in its colour.
-- @tparam string status "ok", "warn" or "unreliable"
-- @treturn table an element
function M.status(status)
  return element("span", { class = looks[status] }, words[status])
end

-- One line a label, each with its status and these totals.
local function total_rows(results, names)
  local rows = {}
  for i, r in ipairs(results) do
    local row = { tostring(r.label), M.status(r.status) }
    for _, name in ipairs(names) do
      local t = r.totals and r.totals[name]
      row[#row + 1] = t and M.with_error(t[1], t[2]) or NONE
    end
    rows[i] = row
  end
  return rows
end

--- What all pixels together say, one line a label.
-- @tparam {table,...} results
-- @treturn table an element
function M.totals(results)
  return page.table({
    { "label", number = true }, { "status" }, { "σ_x", number = true }, { "σ_p", number = true },
    { "P = σ_x σ_p", number = true }, { "bound", number = true }, { "bound / P", number = true },
  }, total_rows(results, { "sigma_x", "sigma_p", "P", "bound", "tightness" }),
    "All pixels together, ± one standard error. σ_x and σ_p are roots of sums of squares, the "
    .. "bound is Σ |1 − B| / 2.")
end

--- Where sigma_p comes from, one line a label.
-- @tparam {table,...} results
-- @treturn table an element
function M.parts(results)
  return page.table({
    { "label", number = true }, { "status" }, { "loss part", number = true },
    { "cross part", number = true }, { "window part", number = true },
    { "RMS gradient", number = true },
  }, total_rows(results, { "loss_part", "cross_part", "window_part", "rms_gradient" }),
    "The three parts of Σ g², g the norm of ∂ψ: that of the slope of the loss, which is what "
    .. "training changes, that of the reference's density, and what they have in common. RMS "
    .. "gradient: root mean square of |∇ℓ|, the loss part without the division by β.")
end

-- Least, median and greatest of a list without NaN.
local function spread(list)
  local known = {}
  for _, v in pairs(list) do
    if v == v then known[#known + 1] = v end
  end
  table.sort(known)
  return known[1], known[math.ceil(#known / 2)], known[#known]
end

local function verdict_cells(r)
  local c = r.counts
  if not c then return { NONE, NONE, NONE } end
  local violated = tostring(c.violated)
  return { tostring(c.holds),
    c.violated > 0 and element("span", { class = "fail" }, violated) or violated,
    tostring(c.undecided) }
end

local function naive_cells(r)
  if not r.values then return { NONE, NONE } end
  local below, above = 0, 0
  for _, side in ipairs(r:map("naive"):reshape({ -1 }):table()) do
    below, above = below + (side < 0 and 1 or 0), above + (side > 0 and 1 or 0)
  end
  return { tostring(below), tostring(above) }
end

--- What single pixels say, one line a label.
-- @tparam {table,...} results
-- @treturn table an element
function M.pixels(results)
  local rows = {}
  for i, r in ipairs(results) do
    local least, middle, most
    if r.values then least, middle, most = spread(r.values.P:table()) end
    local v, n = verdict_cells(r), naive_cells(r)
    rows[i] = { tostring(r.label), M.figure(least, "%.6g"), M.figure(middle, "%.6g"),
      M.figure(most, "%.6g"), v[1], v[2], v[3], n[1], n[2] }
  end
  return page.table({
    { "label", number = true }, { "P, least", number = true }, { "median", number = true },
    { "most", number = true }, { "bound holds", number = true }, { "violated", number = true },
    { "undecided", number = true }, { "below ½", number = true }, { "above ½", number = true },
  }, rows, "Counts of pixels. The bound |1 − B| / 2 is judged with the boundary term of the faces "
    .. "where there are some, by the normal quantile for all pixels together (Bonferroni, 5 %); "
    .. "so are the sides of the naive ½. A violation would mean a bug or too few samples.")
end

--- How points were drawn, and how good they are, one line a label.
-- @tparam {table,...} results
-- @treturn table an element
function M.sampling(results)
  local rows = {}
  for i, r in ipairs(results) do
    rows[i] = { tostring(r.label), r.sampler, tostring(r.samples), ("%.0f"):format(r.ess),
      M.figure(100 * r.ess / r.samples, "%.1f"), M.figure(r.largest and 100 * r.largest, "%.2g"),
      M.figure(r.k, "%.2f"), M.figure(r.chains and r.chains.rhat, "%.3f"),
      M.with_error(r.beta, r.beta_error), M.figure(r.z_B_gap, "%.1f"), M.figure(r.z_c_gap, "%.1f") }
  end
  return page.table({
    { "label", number = true }, { "sampler" }, { "N", number = true }, { "ESS", number = true },
    { "of N", number = true, unit = "%" }, { "largest share", number = true, unit = "%" },
    { "Pareto k", number = true }, { "R-hat", number = true }, { "β", number = true },
    { "z of B", number = true }, { "z of c", number = true },
  }, rows, "β is the mean square loss. z: the largest distance, in standard errors, between what "
    .. "the boundary and what the gradients say of B and of c; a wrong gradient would show here.")
end

--- Why results are refused, or want care.
-- @tparam {table,...} results
-- @treturn table|boolean an element, or false where there is nothing to say
function M.reasons(results)
  local items = {}
  for _, r in ipairs(results) do
    if #r.reasons > 0 then
      items[#items + 1] = element("li", nil, ("label %s, "):format(tostring(r.label)),
        M.status(r.status), ": ", table.concat(r.reasons, "; "), ".")
    end
  end
  return #items > 0 and element("ul", nil, items)
end

local QUANTITIES = { "mu", "sigma_x", "g", "c", "sigma_p", "B", "B_face", "bound", "P", "U",
  "slack", "tightness", "loss_part", "cross_part", "window_part", "field_sd", "field_cov",
  "field_corr", "field_bound", "field_P" }

--- Every quantity over the pixels of one result.
-- @tparam table r a result that was not refused
-- @treturn table an element
function M.quantities(r)
  local pixels, rows = require "conjugate.packet.pixels", {}
  for _, name in ipairs(QUANTITIES) do
    local values, errors = pixels.of(r, name)
    if values then
      local least, middle, most = spread(values)
      local _, err = spread(errors)
      rows[#rows + 1] = { name, M.figure(least), M.figure(middle), M.figure(most),
        M.figure(err, "%.2g") }
    end
  end
  return page.table({ { "quantity" }, { "least", number = true }, { "median", number = true },
    { "most", number = true }, { "median error", number = true } }, rows)
end

--- The numbers of packets on lines and planes.
-- @tparam {table,...} results of quadrature
-- @treturn table an element
function M.axes(results)
  local rows = {}
  for _, r in ipairs(results) do
    for i, axis in ipairs(r.axes) do
      local refused, row = r.status == "unreliable", { tostring(r.label), tostring(i) }
      for _, name in ipairs { "mu", "sigma_x", "sigma_p", "P", "bound", "slack", "loss_part" } do
        row[#row + 1] = refused and NONE or M.with_error(axis[name], r.errors.axes[i][name])
      end
      row[#row + 1], row[#row + 2] = M.status(r.status), r.verdicts[i]
      rows[#rows + 1] = row
    end
  end
  return page.table({ { "label", number = true }, { "axis", number = true },
    { "μ", number = true }, { "σ_x", number = true }, { "σ_p", number = true },
    { "P", number = true }, { "bound", number = true }, { "slack", number = true },
    { "loss part", number = true }, { "status" }, { "verdict" } }, rows,
    "Lengths are Euclidean lengths in pixel units; ± how far two rules of quadrature differ.")
end

return M
