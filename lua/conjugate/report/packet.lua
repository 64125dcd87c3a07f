--- The page of packets, of what `packet:measure` gives: one result, or a list of them.
-- @module conjugate.report.packet
local files = require "conjugate.run.files"
local grid = require "conjugate.plot.grid"
local maps = require "conjugate.packet.maps"
local markup = require "conjugate.report.markup"
local page = require "conjugate.report.page"
local parts = require "conjugate.report.parts"
local pixels = require "conjugate.packet.pixels"
local record = require "conjugate.packet.record"
local system = require "conjugate.run.system"
local tables = require "conjugate.report.packet_tables"

local M = {}

local element = markup.element
local POINTS = 60 -- of a curve over the pixels
local ROW, MAP = 900, 140 -- most pixels of the screen for the maps of a row, and for one of them
local PLAIN = 1.959964 -- standard errors of a 95 % interval

-- --- words --------------------------------------------------------------------------------------

local losses = {
  ce = "cross entropy, −log p_Y", ce_clip = "cross entropy, clipped", err = "1 − p_Y",
  tanh_ce = "tanh of cross entropy", brier = "Brier score", mse = "squared error",
  amp = "likelihood amplitude, √p_Y", value = "a function's own value",
}

local function reference_of(r)
  local o, count = r.origin or {}, #(r.axes or {})
  if count > 0 then return count == 1 and "a line of images" or "a plane of images" end
  if r.reference == "box" then return ("the box [%g, %g]"):format(o.low, o.high) end
  local where = r.reference == "window" and "one image" or ("%d images"):format(o.centres.count)
  return ("normal around %s, τ = %.4g"):format(where, o.tau)
end

local function net_of(r)
  return (r.name or "a function") .. (r.epoch and (", epoch %d"):format(r.epoch) or "")
end

local function heading_of(r)
  return ("%s, %s, %s"):format(net_of(r), r.loss or "a loss", reference_of(r))
end

-- Results of one network, loss and reference stand together.
local function groups_of(results)
  local groups, at = {}, {}
  for _, r in ipairs(results) do
    local key = heading_of(r)
    if not at[key] then
      at[key] = { heading = key }
      groups[#groups + 1] = at[key]
    end
    table.insert(at[key], r)
  end
  return groups
end

-- --- sections -----------------------------------------------------------------------------------

-- Enlargement with which the maps of all labels stand beside each other.
local function zoom_of(group)
  return math.max(1, math.floor(math.min(MAP, ROW / #group) / group[1].shape[3]))
end

local function map_section(group)
  local rows = {}
  for _, entry in ipairs(maps.drawn) do
    for _, row in ipairs(maps.rows(group, entry)) do
      row.captions = #rows == 0 and row.captions or nil
      rows[#rows + 1] = row
    end
  end
  if #rows == 0 then return nil end
  local picture = grid.draw(rows, { zoom = zoom_of(group) }):png()
  return { "Maps", parts.picture(picture, "One map a label, one row a quantity, all labels of a "
    .. "row in one scale; with three channels a row for each. Tightness is bound / product. Slack "
    .. "is the product minus the bound in standard errors, by which pixels are judged. Against ½: "
    .. "blue where the product is below the naive bound, red above, white undecided.") }
end

-- Pixels by rising product, thinned out: their places.
local function places(values)
  local order, chosen = {}, {}
  for i, v in ipairs(values) do
    if v == v then order[#order + 1] = i end
  end
  table.sort(order, function(a, b) return values[a] < values[b] end)
  local steps = math.min(POINTS, #order - 1)
  for k = 0, steps do
    local at = steps > 0 and math.floor(k * (#order - 1) / steps) + 1 or 1
    chosen[#chosen + 1] = { order[at], steps > 0 and 100 * (at - 1) / (#order - 1) or 0 }
  end
  return chosen
end

-- Products of the pixels in rising order, their bounds, and the naive one.
local function product_chart(r)
  local products, errors = pixels.of(r, "P")
  local bounds = pixels.of(r, "bound")
  local p, b = parts.series("P", "lines"), { name = "bound", style = "points", x = {}, y = {} }
  for k, place in ipairs(places(products)) do
    local i, x = place[1], place[2]
    local half = PLAIN * errors[i]
    p.x[k], p.y[k] = x, products[i]
    p.low[k], p.high[k] = products[i] - half, products[i] + half
    b.x[k], b.y[k] = x, bounds[i]
  end
  local least, most = p.y[1] or 1, p.y[#p.y] or 1
  local log = least > 0 and most < 0.5 and least < 0.1
  return {
    title = "Products of the pixels", series = { p, b,
      { name = "naive 1/2", style = "lines", x = { 0, 100 }, y = { 0.5, 0.5 } } },
    x = { label = "pixels, by rising product", unit = "%" },
    y = { label = "P = σ_x σ_p", scale = log and "log" or nil,
      range = log and { 10 ^ math.floor(math.log10(least) - 1), 1 } or nil },
    caption = "Products of the pixels in rising order, shaded: 95 % interval; below each its bound."
      .. (log and " Bounds below the axis stand on it." or ""),
  }
end

local function detail(r, open)
  local c = r.counts
  local head = ("label %d"):format(r.label)
  if c then
    head = ("%s: the bound holds at %d of %d pixels"):format(head, c.holds,
      c.holds + c.violated + c.undecided)
  end
  return element("details", { open = open or nil }, element("summary", nil, head),
    parts.charts { product_chart(r) }, tables.quantities(r))
end

local function details(group)
  local section = { "Label by label" }
  for _, r in ipairs(group) do
    if r.values then section[#section + 1] = detail(r, #section == 1) end
  end
  return #section > 1 and section or nil
end

local function sampled_sections(group)
  return {
    { "Uncertainty", tables.totals(group), tables.reasons(group) },
    { "Pixels", tables.pixels(group) }, map_section(group) or false, details(group) or false,
    { "Parts of the momentum", tables.parts(group) },
    { "Sampling", tables.sampling(group) },
  }
end

local function sections_of(group)
  if group[1].axes then
    return { { "Uncertainty", tables.axes(group), tables.reasons(group) } }
  end
  return sampled_sections(group)
end

-- --- settings -----------------------------------------------------------------------------------

local function index_text(index)
  return type(index) == "table" and table.concat(index, ", ") or tostring(index)
end

local function centre_text(o)
  local c = o.centres or o.slice
  if not c then return nil end
  return ("%sfingerprint %s"):format(c.index and "number " .. index_text(c.index) .. ", " or "",
    c.fingerprint or c.from)
end

local function settings(group)
  local r = group[1]
  local o = r.origin or {}
  local facts = { { "network", net_of(r) }, { "loss", losses[r.loss] or "not named" },
    { "reference", reference_of(r) } }
  local centre = centre_text(o)
  if centre then facts[#facts + 1] = { "centre", centre } end
  if o.clip then facts[#facts + 1] = { "clip", ("%g"):format(o.clip) } end
  if o.shape then facts[#facts + 1] = { "input", table.concat(o.shape, " × ") } end
  if o.field then facts[#facts + 1] = { "field", o.field } end
  facts[#facts + 1] = { "options", page.options(r:record().options) }
  if r.forwards then
    facts[#facts + 1] = { "passes", ("%.0f forward, %.0f backward"):format(r.forwards,
      r.backwards) }
    facts[#facts + 1] = { "seconds", markup.vary(("%.1f"):format(r.seconds)) }
  end
  return { "Settings", page.facts(page.origin { seed = r.seed, facts = facts }) }
end

-- --- the page -----------------------------------------------------------------------------------

local function count(results)
  local refused, violated, undecided = 0, 0, 0
  for _, r in ipairs(results) do
    refused = refused + (r.status == "unreliable" and 1 or 0)
    local c = r.counts or { violated = 0, undecided = 0 }
    violated, undecided = violated + c.violated, undecided + c.undecided
  end
  return refused, violated, undecided
end

-- How often the naive bound fails.
local function naive_sentence(results)
  local below, all = 0, 0
  for _, r in ipairs(results) do
    if r.values then
      local sides = r:map("naive")
      all, below = all + sides:numel(), below + sides:lt(0):to("int64"):sum():item()
    end
  end
  if all == 0 then return "" end
  return (" The naive ½ fails at %d of %d pixels."):format(below, all)
end

--- What results say in a sentence or two.
-- @tparam {table,...} results
-- @treturn string
function M.sentence(results)
  local refused, violated, undecided = count(results)
  local text = ("%d packet%s"):format(#results, #results == 1 and "" or "s")
  if refused == #results then return text .. ": all refused, so there are no numbers." end
  text = text .. (refused > 0 and (", %d refused"):format(refused) or "")
  if violated > 0 then
    return ("%s. σ_x σ_p ≥ |1 − B| / 2 is violated at %d places: a bug, or too few samples.")
      :format(text, violated)
  end
  return ("%s. σ_x σ_p ≥ |1 − B| / 2 holds wherever it can be decided%s.%s"):format(text,
    undecided > 0 and (" (undecided at %d)"):format(undecided) or "", naive_sentence(results))
end

local READING = "A packet is ψ = ℓ √ν / √β: the loss ℓ of claiming a label, over inputs drawn from "
  .. "the reference ν, with β the mean square loss. Under ρ = ψ² pixel i has the width σ_x and its "
  .. "momentum, the slope of ψ, the width σ_p. What holds is σ_x σ_p ≥ |1 − B| / 2, with the "
  .. "boundary term B of what ψ leaves at the edge. On all of space B = 0 and the bound is ½; on a "
  .. "box the naive ½ fails."

--- The page.
-- @tparam table results one result of `packet:measure`, or a list of them, of any packets
-- @treturn string HTML
function M.page(results)
  if not results[1] then results = { results } end
  local groups, sections = groups_of(results), {}
  for _, group in ipairs(groups) do
    local list = sections_of(group)
    list[#list + 1] = settings(group)
    for _, section in ipairs(list) do
      if section and #groups > 1 then section[1] = group.heading .. ": " .. section[1] end
      sections[#sections + 1] = section or nil
    end
  end
  sections[1][2] = markup.list(element("p", nil, READING), sections[1][2])
  return page.render {
    title = #groups == 1 and "Packets of " .. groups[1].heading or "Packets",
    lead = M.sentence(results), sections = sections,
  }
end

-- --- files --------------------------------------------------------------------------------------

--- Results without what single pixels say, for people who read JSON.
-- @tparam {table,...} results of packets
-- @treturn table `packets`: a list of records
function M.summary(results)
  local packets = {}
  for i, r in ipairs(results) do
    local one = r:record()
    for _, key in ipairs { "pixels", "faces", "pencils" } do one[key] = nil end
    if one.chains then one.chains.pixel_rhat, one.chains.pixel_ess = nil, nil end
    packets[i] = one
  end
  return { packets = packets }
end

-- Files of each result: what to write, and what to call it.
local function write_each(results, out)
  for _, r in ipairs(results) do
    for _, ending in ipairs { "json", "csv" } do
      local ok, message = r:write(("%s/label-%d.%s"):format(out, r.label, ending))
      if not ok then return nil, message end
    end
  end
  return true
end

--- Writes all there is of the packets of one network: report.html, summary.json, label-N.json and
-- label-N.csv with every pixel, map-NAME.png.
-- @tparam {table,...} results of one packet, one a label
-- @tparam string out folder; it is made
-- @treturn boolean true, or nil and a message
function M.write(results, out)
  local ok, message = system.mkdir(out)
  if ok then ok, message = write_each(results, out) end
  if ok and not results[1].axes then ok, message = maps.save(results, out) end
  if ok then
    ok, message = files.write_json(out .. "/summary.json", M.summary(results), record.order)
  end
  if ok then ok, message = files.write(out .. "/report.html", M.page(results)) end
  return ok and true or nil, message
end

return M
