--- A result of a packet as plain tables, and as files.
-- @module conjugate.packet.record
local core = require "conjugate.core"
local files = require "conjugate.run.files"

local M = {}

local function plain(part)
  local out = {}
  for name, v in pairs(part.values) do
    out[name], out[name .. "_error"] = v:table(), part.errors[name]:table()
  end
  return out
end

-- Settings and diagnostics of a sampler, or nil.
local function sampler_record(s)
  if not s then return nil end
  local out = {}
  for key, value in pairs(s) do out[key] = core.is_tensor(value) and value:table() or value end
  return out
end

local function pencil_record(p)
  if not p then return nil end
  local out = plain(p)
  for name, v in pairs(p.quadrature) do out[name .. "_quadrature"] = v:table() end
  for _, key in ipairs { "pixels", "samples", "nodes", "ess", "unresolved", "verdicts", "z_B_gap",
    "z_c_gap" } do
    out[key] = p[key]
  end
  return out
end

--- The result as a table of numbers, strings and lists, for JSON.
-- @treturn table
function M.make(self)
  local out = {}
  for _, key in ipairs { "label", "loss", "reference", "shape", "tau", "clip", "sampler", "samples",
    "ess", "largest", "k", "totals", "seed", "beta", "beta_error", "status", "reasons", "counts",
    "z_B_gap", "z_c_gap", "forwards", "backwards" } do
    out[key] = self[key]
  end
  out.chains, out.defence = sampler_record(self.chains), sampler_record(self.defence)
  if out.defence then out.defence.seconds = nil end
  if self.values then out.pixels = plain(self) end
  if self.faces then
    out.faces = plain(self.faces)
    out.faces.pixels, out.faces.samples = self.faces.pixels, self.faces.samples
    out.faces.verdicts = self.faces.verdicts
  end
  out.pencils = pencil_record(self.pencils)
  return out
end

--- Writes the result; the end of the file name chooses the form: .json (everything) or .csv (one
-- line a pixel).
-- @tparam string path
-- @treturn boolean true, or nil and a message
function M.write(self, path)
  if path:find "%.json$" then return files.write_json(path, M.make(self)) end
  local names, lines = {}, {}
  for _, name in ipairs(core.packet_quantities()) do
    if self.values and self.values[name] then names[#names + 1] = name end
  end
  local header = { "pixel" }
  for _, name in ipairs(names) do
    header[#header + 1], header[#header + 2] = name, name .. "_error"
  end
  lines[1] = table.concat(header, ",")
  local count = #names > 0 and self.values[names[1]]:numel() or 0
  for i = 1, count do
    local row = { tostring(i) }
    for _, name in ipairs(names) do
      row[#row + 1] = ("%.17g"):format(self.values[name]:get(i))
      row[#row + 1] = ("%.17g"):format(self.errors[name]:get(i))
    end
    lines[#lines + 1] = table.concat(row, ",")
  end
  return files.write(path, table.concat(lines, "\n") .. "\n")
end

return M
