--- A result of a packet as plain tables, and as files.
-- @module conjugate.packet.record
local check = require "conjugate.check"
local core = require "conjugate.core"
local files = require "conjugate.run.files"
local json = require "conjugate.run.json"
local pixels = require "conjugate.packet.pixels"

local M = {}

--- Order of the keys in JSON: who and what first.
M.order = {
  "version", "name", "epoch", "label", "status", "reasons", "loss", "clip", "reference", "low",
  "high", "tau", "centres", "slice", "shape", "dtype", "field", "sampler", "seed", "options",
  "samples", "ess", "k", "largest", "beta", "beta_error", "z_B_gap", "z_c_gap", "counts", "totals",
  "chains", "defence", "plain", "forwards", "backwards",
}

local function plain(part)
  local out = {}
  for name, v in pairs(part.values) do
    out[name], out[name .. "_error"] = v:table(), part.errors[name]:table()
  end
  return out
end

-- Settings and diagnostics of a sampler.
local function sampler_record(s)
  local out = {}
  for key, value in pairs(s) do out[key] = core.is_tensor(value) and value:table() or value end
  return out
end

local function pencil_record(p)
  local out = plain(p)
  for name, v in pairs(p.quadrature) do out[name .. "_quadrature"] = v:table() end
  for _, key in ipairs { "pixels", "samples", "nodes", "ess", "unresolved", "verdicts", "z_B_gap",
    "z_c_gap" } do
    out[key] = p[key]
  end
  return out
end

-- Directions or matrices, with those of their faces.
local function joint_record(part)
  if not part then return nil end
  local out = part.values and plain(part) or {}
  for _, key in ipairs { "names", "verdicts", "counts", "z_B_gap", "z_c_gap", "status",
    "reason" } do
    out[key] = part[key]
  end
  out.faces = joint_record(part.faces)
  return out
end

-- The pixels whose faces were asked for, "all" where it is all of them.
local function faces_asked(r)
  if r.reference ~= "box" or r.options.faces == 0 then return nil end
  local all = 1
  for _, size in ipairs(r.shape) do all = all * size end
  return #r.options.face_pixels == all and "all" or r.options.face_pixels
end

-- What the measurement was asked to do.
local function options_of(r)
  local o, pixels_asked = r.options, faces_asked(r)
  local out = { samples = o.samples, sampler = o.sampler, seed = o.seed, face_pixels = pixels_asked,
    faces = pixels_asked and o.faces or 0, pencils = o.pencils }
  if o.pencils then out.pencil_nodes = o.pencil_nodes end
  if o.sampler ~= "plain" then out.defence, out.mcmc = o.defence, o.mcmc end
  return out
end

-- What stands under a key of its own: key -> function(result) -> table, or nil.
local parts = {
  options = options_of,
  chains = function(r) return r.chains and sampler_record(r.chains) end,
  defence = function(r)
    local out = r.defence and sampler_record(r.defence)
    if out then out.seconds = nil end
    return out
  end,
  pencils = function(r) return r.pencils and pencil_record(r.pencils) end,
  plain = function(r) -- of points of the reference, beside chains
    local p = r.plain
    return p and { status = p.status, reasons = p.reasons, samples = p.samples, ess = p.ess,
      largest = p.largest, k = p.k }
  end,
  pixels = function(r)
    if not r.values then return nil end
    local out = plain(r)
    if not r.faces then out.verdicts = r.verdicts end
    return out
  end,
  directions = function(r)
    local out = joint_record(r.directions)
    if out then out.vectors = r.options.directions.vectors:table() end
    return out
  end,
  matrix = function(r) return joint_record(r.matrix) end,
  faces = function(r)
    if not r.faces then return nil end
    local out = plain(r.faces)
    out.pixels, out.samples = r.faces.pixels, r.faces.samples
    out.verdicts = r.faces.verdicts
    return out
  end,
}

--- The result as a table of numbers, strings and lists, for JSON: everything that is needed to
-- make it again, and all that was found.
-- @tparam table r a result
-- @treturn table the fields of the result and of its origin, `options`, `totals`, `pixels` and
--   `faces` (each quantity a list over the pixels, and NAME_error their standard errors)
function M.make(r)
  local out = { version = require("conjugate")._VERSION }
  for key, value in pairs(r.origin) do out[key] = value end
  for _, key in ipairs { "label", "sampler", "samples", "ess", "largest", "k", "totals", "seed",
    "beta", "beta_error", "status", "counts", "z_B_gap", "z_c_gap", "forwards", "backwards" } do
    out[key] = r[key]
  end
  out.reasons = json.array(r.reasons)
  for key, make in pairs(parts) do out[key] = make(r) end
  return out
end

-- --- one line a pixel ---------------------------------------------------------------------------

local function add(columns, name, values, errors)
  if not values then return end
  columns[#columns + 1] = { name, values }
  columns[#columns + 1] = { name .. "_error", errors }
end

-- Gaps of boundary and volume in standard errors.
local function add_z(columns, r)
  for _, name in ipairs { "B_gap", "c_gap" } do
    local values, errors = pixels.judged(r, name)
    local z = {}
    for i, value in pairs(values or {}) do z[i] = pixels.z(value, errors[i]) end
    if values then columns[#columns + 1] = { "z_" .. name, z } end
  end
end

-- Columns { name, values } of a result; first the numbers of all samples, then those of the faces
-- or pencils, by which pixels are judged.
local function columns_of(r)
  local columns = {}
  for _, name in ipairs(pixels.names()) do add(columns, name, pixels.of(r, name)) end
  local prefix = r.faces and "faces_" or r.pencils and "pencils_"
  for _, name in ipairs(prefix and { "P", "bound", "slack", "tightness" } or {}) do
    add(columns, prefix .. name, pixels.judged(r, name))
  end
  add_z(columns, r)
  local verdicts = pixels.verdicts(r)
  if verdicts then columns[#columns + 1] = { "verdict", verdicts } end
  return columns
end

-- A number that reads back the same; nothing where there is none.
local function cell(value)
  if type(value) == "string" then return value end
  return value and value == value and ("%.17g"):format(value) or ""
end

--- One line a pixel; of a refused result the head alone.
-- @tparam table r a result
-- @treturn string CSV: label, status, pixel (from 1), quantities with their standard errors; cells
--   are empty where a pixel's faces were not asked for
function M.csv(r)
  local header, lines = { "label", "status", "pixel" }, {}
  local columns = r.values and columns_of(r) or {}
  for _, column in ipairs(columns) do header[#header + 1] = column[1] end
  lines[1] = table.concat(header, ",")
  for i = 1, r.values and r.values.mu:numel() or 0 do
    local row = { tostring(r.label), r.status, tostring(i) }
    for _, column in ipairs(columns) do row[#row + 1] = cell(column[2][i]) end
    lines[#lines + 1] = table.concat(row, ",")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Writes the result; the end of the file name chooses the form: .json (everything) or .csv (one
-- line a pixel).
-- @tparam table r a result
-- @tparam string path file name
-- @treturn boolean true, or nil and a message
function M.write(r, path)
  check.string("write", "path", path)
  if path:find "%.json$" then return files.write_json(path, M.make(r), M.order) end
  return files.write(path, M.csv(r))
end

return M
