--- Packets over the training of networks: what moves with accuracy, and what with robustness?
--
-- Works on the records that `scripts/experiments/packets_over_training.lua` keeps, one for each
-- model, seed and epoch: `model`, `seed`, `epoch`, `ta`, `ra` (percent) and `packets`: key -> list
-- of the records of all classes (`status`, `beta`, `totals`). Classes that were refused are left
-- out of every mean.
-- @module conjugate.packet.trend
-- @source Kendall's tau and Student's t: `conjugate.metrics.kendall`, `conjugate.metrics.student`
local check = require "conjugate.check"
local kendall = require "conjugate.metrics.kendall"
local student = require "conjugate.metrics.student"

local M = {}

-- A total, or nil where it was refused: the parts of g^2 are, where few samples carry |grad l|^2.
local function total(name)
  return function(record)
    local t = record.totals and record.totals[name]
    return t and t[1]
  end
end

local function root_of(name)
  local value = total(name)
  return function(record)
    local v = value(record)
    return v and math.sqrt(v)
  end
end

--- What is followed: name -> function of the record of a class, a number or nil.
M.quantities = {
  sigma_x = total "sigma_x",
  sigma_p = total "sigma_p",
  P = total "P",
  bound = total "bound",
  slack = function(r)
    local P, bound = total "P"(r), total "bound"(r)
    return P and bound and P - bound
  end,
  sqrt_loss_part = root_of "loss_part",
  sqrt_beta = function(r) return r.beta and math.sqrt(r.beta) end,
  rms_gradient = total "rms_gradient",
}

--- Their names, in the order of tables.
M.names = {
  "sigma_x", "sigma_p", "P", "bound", "slack", "sqrt_loss_part", "sqrt_beta", "rms_gradient",
}

-- Mean over the classes where it was not refused, and in how many it was.
local function over_classes(classes, name)
  local sum, count = 0, 0
  for _, record in ipairs(classes) do
    local v = record.status ~= "unreliable" and M.quantities[name](record)
    if v then sum, count = sum + v, count + 1 end
  end
  return count > 0 and sum / count or nil, #classes - count
end

-- Sorted values of a field.
local function values_of(records, field)
  local seen, list = {}, {}
  for _, r in ipairs(records) do
    if not seen[r[field]] then list[#list + 1], seen[r[field]] = r[field], true end
  end
  table.sort(list)
  return list
end

local function where(records, field, value)
  local list = {}
  for _, r in ipairs(records) do
    if r[field] == value then list[#list + 1] = r end
  end
  return list
end

local function set_mean(row, name, list)
  row[name], row[name .. "_half"] = student.mean(list)
end

local function epoch_row(records, key, epoch)
  local row, lists = { epoch = epoch, packet = key, refused = 0 }, { ta = {}, ra = {} }
  for _, name in ipairs(M.names) do lists[name] = {} end
  for _, r in ipairs(where(records, "epoch", epoch)) do
    table.insert(lists.ta, r.ta)
    table.insert(lists.ra, r.ra)
    for _, name in ipairs(M.names) do
      table.insert(lists[name], (over_classes(r.packets[key], name)))
    end
    row.refused = row.refused + select(2, over_classes(r.packets[key], M.names[1]))
  end
  for name, list in pairs(lists) do set_mean(row, name, list) end
  return row
end

--- Means over the seeds, epoch by epoch.
-- @tparam {table,...} records of one model
-- @tparam string key of a packet
-- @treturn {table,...} a row an epoch, in rising order: `epoch`, `packet`, `ta`, `ra` (percent) and
--   every quantity of `names` with half of its 95 % interval over the seeds as `NAME_half`, and
--   `refused`: classes that were, over all seeds
function M.epochs(records, key)
  check.table("trend", "records", records)
  check.string("trend", "key", key)
  local rows = {}
  for i, epoch in ipairs(values_of(records, "epoch")) do
    rows[i] = epoch_row(records, key, epoch)
  end
  return rows
end

-- Tau over the epochs of one seed.
local function tau_of_seed(records, key, name, against)
  local a, b = {}, {}
  for i, r in ipairs(records) do
    a[i], b[i] = over_classes(r.packets[key], name), r[against]
  end
  return kendall.tau(a, b, #records)
end

--- Kendall's tau of every quantity with TA and with RA over the epochs of a training.
-- @tparam {table,...} records of one model
-- @tparam string key of a packet
-- @treturn {table,...} a row a quantity: `quantity`, `packet`, `ta`, `ra`: mean tau over the seeds,
--   `ta_half`, `ra_half`: half of their 95 % intervals, `ta_seeds`, `ra_seeds`: lists
function M.taus(records, key)
  check.table("trend", "records", records)
  check.string("trend", "key", key)
  local rows = {}
  for i, name in ipairs(M.names) do
    local row = { quantity = name, packet = key }
    for _, against in ipairs { "ta", "ra" } do
      local list = {}
      for _, seed in ipairs(values_of(records, "seed")) do
        table.insert(list, (tau_of_seed(where(records, "seed", seed), key, name, against)))
      end
      set_mean(row, against, list)
      row[against .. "_seeds"] = list
    end
    rows[i] = row
  end
  return rows
end

--- Slack of each class, epoch by epoch: means over the seeds.
-- @tparam {table,...} records of one model
-- @tparam string key of a packet
-- @treturn {table,...} a row a class: `class`, and a list `slack` of { `mean`, `half`, `n` }, one
--   an epoch; n: seeds in which it was not refused
function M.classes(records, key)
  check.table("trend", "records", records)
  check.string("trend", "key", key)
  local rows, epochs = {}, values_of(records, "epoch")
  for class = 1, #records[1].packets[key] do
    rows[class] = { class = class - 1, slack = {} }
    for e, epoch in ipairs(epochs) do
      local list = {}
      for _, r in ipairs(where(records, "epoch", epoch)) do
        table.insert(list, (over_classes({ r.packets[key][class] }, "slack")))
      end
      local mean, half = student.mean(list)
      rows[class].slack[e] = { mean = mean, half = half, n = #list }
    end
  end
  return rows
end

-- --- as text ------------------------------------------------------------------------------------

local function pm(mean, half, format)
  if not mean then return "-" end
  if not half then return format:format(mean) end
  return (format .. " ± " .. format):format(mean, half)
end

local function head(lines, cells)
  lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  lines[#lines + 1] = "| --- |" .. (" ---: |"):rep(#cells - 1)
end

local function add(lines, cells)
  lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
end

local shown = { "sigma_x", "sigma_p", "P", "bound", "slack", "sqrt_loss_part", "sqrt_beta" }

local function epoch_table(lines, rows)
  head(lines, { "epoch", "TA", "RA", "sigma_x", "sigma_p", "P", "bound", "slack",
    "sqrt loss part", "sqrt beta", "refused" })
  for _, row in ipairs(rows) do
    local cells = { tostring(row.epoch), pm(row.ta, row.ta_half, "%.2f"),
      pm(row.ra, row.ra_half, "%.2f") }
    for _, name in ipairs(shown) do
      cells[#cells + 1] = pm(row[name], row[name .. "_half"], "%.4g")
    end
    cells[#cells + 1] = tostring(row.refused)
    add(lines, cells)
  end
end

local function each(list)
  local texts = {}
  for i, v in ipairs(list) do texts[i] = ("%.2f"):format(v) end
  return table.concat(texts, ", ")
end

local function tau_table(lines, rows)
  head(lines, { "quantity", "tau with TA", "tau with RA", "with RA, each seed" })
  for _, row in ipairs(rows) do
    add(lines, { row.quantity, pm(row.ta, row.ta_half, "%.2f"), pm(row.ra, row.ra_half, "%.2f"),
      each(row.ra_seeds) })
  end
end

local function class_table(lines, rows, epochs, seeds)
  local cells = { "slack of class" }
  for _, row in ipairs(epochs) do cells[#cells + 1] = "epoch " .. row.epoch end
  head(lines, cells)
  for _, row in ipairs(rows) do
    cells = { tostring(row.class) }
    for e, s in ipairs(row.slack) do
      local fewer = s.n > 0 and s.n < seeds and (" (%d of %d seeds)"):format(s.n, seeds) or ""
      cells[e + 1] = pm(s.mean, s.half, "%.3g") .. fewer
    end
    add(lines, cells)
  end
end

--- The three tables of one model and packet, in Markdown.
-- @tparam {table,...} records of one model
-- @tparam string key of a packet
-- @treturn string
function M.markdown(records, key)
  local lines, epochs = {}, M.epochs(records, key)
  epoch_table(lines, epochs)
  lines[#lines + 1] = ""
  tau_table(lines, M.taus(records, key))
  lines[#lines + 1] = ""
  class_table(lines, M.classes(records, key), epochs, #values_of(records, "seed"))
  return table.concat(lines, "\n") .. "\n"
end

local totals = { "sigma_x", "sigma_p", "P", "bound", "loss_part", "cross_part", "window_part",
  "rms_gradient" }

local function csv_cell(value)
  return type(value) == "number" and ("%.8g"):format(value) or value or ""
end

local function csv_line(r, key, class)
  local cells = { r.model, key }
  local function put(value) cells[#cells + 1] = csv_cell(value) end
  for _, name in ipairs { "seed", "epoch" } do put(r[name]) end
  put(class.label)
  for _, name in ipairs { "ta", "ra" } do put(r[name]) end
  put(class.status)
  put(class.samples or class.points)
  for _, name in ipairs { "ess", "beta", "beta_error" } do put(class[name]) end
  for _, name in ipairs(totals) do
    for i = 1, 2 do put(class.totals and class.totals[name] and class.totals[name][i]) end
  end
  return table.concat(cells, ",")
end

--- Everything that was measured, a line for each record, packet and class. Numbers of what was
-- refused are empty.
-- @tparam {table,...} records of any models
-- @tparam {string,...} keys of the packets
-- @treturn string CSV
function M.csv(records, keys)
  check.table("trend", "records", records)
  check.table("trend", "keys", keys)
  local names = {}
  for _, name in ipairs(totals) do
    names[#names + 1], names[#names + 2] = name, name .. "_error"
  end
  local lines = { "model,packet,seed,epoch,class,ta,ra,status,samples,ess,beta,beta_error,"
    .. table.concat(names, ",") }
  for _, r in ipairs(records) do
    for _, key in ipairs(keys) do
      for _, class in ipairs(r.packets[key]) do lines[#lines + 1] = csv_line(r, key, class) end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

return M
