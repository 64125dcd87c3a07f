--- What quadrature says of a packet on a line or plane.
--
-- A result has `beta` (mean square loss), `ess` (effective share of samples of the density),
-- for a line the numbers of its axis, and always
--
-- - `axes`: for each axis `mu`, `sigma_x`, `g`, `c`, `c_face`, `sigma_p`, `B`, `B_face`, `bound`,
--   `P`, `U`, `slack`, `tightness`, `B_gap`, `c_gap`, and the parts of g^2: `loss_part`,
--   `cross_part`, `window_part`
-- - `Sigma`, `G` (centred), `C`, `B_faces`: matrices; `eigenvalues` of G - C Sigma^-1 C', in rising
--   order, which are never negative
-- - `errors`: the same, errors
-- - `beta_error`, and `totals[name] = { value, error }` of all axes, as sampled results have them:
--   `sigma_x`, `sigma_p`, `P`, `bound`, `loss_part`, `cross_part`, `window_part`, `rms_gradient`
-- - `points` looked at, `panels`, `converged` (the tolerance was reached), `tolerance`, `roundoff`
--   (of losses and slopes, relative; 0 where it was not asked for)
-- - `status`: "ok", "warn" (the tolerance was not reached, or, where that was only an aim, a number
--   is not known to 1 %) or "unreliable" (edge and volume differ by more than the errors allow),
--   with `reasons`
-- - `verdicts`: for each axis whether `sigma_x sigma_p >= |1 - B| / 2`, B of the faces: "holds",
--   "violated" or, where the status is "unreliable" or too much is unknown, "undecided"; `counts`
--   of them
--
-- - of a packet on a slice also what results of sampled packets have: `name`, `epoch`, `loss`,
--   `label`, `reference` ("line" or "plane"), `origin`
--
-- print shows it; `write(path)` stores it, as JSON or, where the name ends in .csv, as one line an
-- axis.
-- @module conjugate.packet.slice_result
-- @source the chapter @{uncertainty.md}
local cj = require "conjugate"
local check = require "conjugate.check"
local files = require "conjugate.run.files"
local json = require "conjugate.run.json"
local record = require "conjugate.packet.record"

local M = {}

local Result = {}
Result.__index = Result

local order = {
  "mu", "sigma_x", "g", "c", "c_face", "sigma_p", "B", "B_face", "bound", "P", "U", "slack",
  "tightness", "B_gap", "c_gap", "loss_part", "cross_part", "window_part",
}

function Result:__tostring()
  local of = self.loss and (" of %s, label %d,"):format(self.loss, self.label or 0) or ""
  local lines = {
    ("packet%s on %s, %d points: %s"):format(of, #self.axes == 1 and "a line" or "a plane",
      self.points, self.status),
    ("%-10s %20.13g +- %.1e"):format("beta", self.beta, self.errors.beta),
    ("%-10s %20.13g +- %.1e"):format("ess", self.ess, self.errors.ess),
  }
  for _, name in ipairs(order) do
    local line = ("%-10s"):format(name)
    for i, axis in ipairs(self.axes) do
      line = line .. (" %20.13g +- %.1e"):format(axis[name], self.errors.axes[i][name])
    end
    lines[#lines + 1] = line
  end
  for _, reason in ipairs(self.reasons) do lines[#lines + 1] = self.status .. ": " .. reason end
  lines[#lines + 1] = "sigma_x sigma_p >= |1 - B| / 2: " .. table.concat(self.verdicts, ", ")
  return table.concat(lines, "\n")
end

--- The result as a table of numbers, strings and lists, for JSON: everything that is needed to
-- make it again, and all that was found.
-- @treturn table
function Result:record()
  local out = { version = cj._VERSION, errors = {} }
  for key, value in pairs(self.origin or {}) do out[key] = value end
  for _, name in ipairs {
    "beta", "ess", "axes", "Sigma", "G", "C", "B_faces", "eigenvalues",
  } do
    out[name], out.errors[name] = self[name], self.errors[name]
  end
  for _, name in ipairs {
    "label", "loss", "clip", "reference", "shape", "options", "beta_error", "totals", "points",
    "panels", "converged", "tolerance", "roundoff", "status", "verdicts", "counts",
  } do
    out[name] = self[name]
  end
  out.reasons = json.array(self.reasons)
  return out
end

--- One line an axis.
-- @treturn string CSV: label, status, axis (from 1), quantities with their errors, verdict
function Result:csv()
  local header, lines = { "label", "status", "axis" }, {}
  for _, name in ipairs(order) do
    header[#header + 1], header[#header + 2] = name, name .. "_error"
  end
  lines[1] = table.concat(header, ",") .. ",verdict"
  for i, axis in ipairs(self.axes) do
    local row = { tostring(self.label or ""), self.status, tostring(i) }
    for _, name in ipairs(order) do
      row[#row + 1] = ("%.17g"):format(axis[name])
      row[#row + 1] = ("%.17g"):format(self.errors.axes[i][name])
    end
    row[#row + 1] = self.verdicts[i]
    lines[#lines + 1] = table.concat(row, ",")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Writes the result; the end of the file name chooses the form: .json (everything) or .csv (one
-- line an axis).
-- @tparam string path
-- @treturn boolean true, or nil and a message
function Result:write(path)
  check.string("write", "path", path)
  if path:find "%.csv$" then return files.write(path, self:csv()) end
  return files.write_json(path, self:record(), record.order)
end

-- --- judging ------------------------------------------------------------------------------------

-- Errors are differences between two rules, not standard deviations: three of them are far.
local FAR, ROUNDING = 3, 1e-12
local ROUGH = 0.01 -- relative error from which a number is of little use

-- Differences of the edge and the volume beyond errors, where integrals are only as good as the
-- tolerance says.
local function check_edges(r)
  for i, axis in ipairs(r.axes) do
    local e = r.errors.axes[i]
    for name, scale in pairs { B_gap = 1, c_gap = axis.g } do
      local limit = FAR * e[name] + (r.tolerance + r.roundoff + ROUNDING) * scale
      if math.abs(axis[name]) > limit then
        r.status = "unreliable"
        r.reasons[#r.reasons + 1] = ("%s of axis %d is %.1e, limit %.1e: a wrong gradient, %s")
          :format(name, i, axis[name], limit, r.converged and "or a loss that jumps"
            or "a loss that jumps, or too few panels or points")
      end
    end
  end
  table.sort(r.reasons)
end

-- The number of an axis that is known worst, the slack as a share of the product.
local function worst_of(r)
  local worst, name, at = r.errors.beta / r.beta, "beta", 0
  for i, axis in ipairs(r.axes) do
    for key, scale in pairs { sigma_x = "sigma_x", sigma_p = "sigma_p", P = "P", slack = "P" } do
      local share = r.errors.axes[i][key] / axis[scale]
      if share > worst or share == worst and key < name then worst, name, at = share, key, i end
    end
  end
  return worst, at == 0 and name or ("%s of axis %d"):format(name, at)
end

-- What is unknown because points ran out.
local function check_errors(r, strict)
  if r.converged then return end
  local worst, name = worst_of(r)
  if not strict and worst <= ROUGH then return end
  r.status, r.reasons[#r.reasons + 1] = "warn", ("tolerance %.1e not reached with %d points: %s is "
    .. "known to %.2g %%; allow more points"):format(r.tolerance, r.points, name, 100 * worst)
end

local function judge(r, strict)
  r.status, r.reasons, r.verdicts = "ok", {}, {}
  r.counts = { holds = 0, violated = 0, undecided = 0 }
  check_edges(r)
  if r.status == "ok" then check_errors(r, strict) end
  for i, axis in ipairs(r.axes) do
    local e = r.errors.axes[i].slack
    local holds = axis.slack > -(FAR * e + ROUNDING * (1 + axis.P))
    local known = r.status == "ok" or e <= ROUGH * axis.P
    r.verdicts[i] = r.status ~= "unreliable" and (holds and "holds" or known and "violated")
      or "undecided"
    r.counts[r.verdicts[i]] = r.counts[r.verdicts[i]] + 1
  end
end

-- --- all axes together --------------------------------------------------------------------------

-- Errors are added without signs: those of the axes come from the same points.
local function sum_of(r, name)
  local sum, error_ = 0, 0
  for i, axis in ipairs(r.axes) do
    sum, error_ = sum + axis[name], error_ + r.errors.axes[i][name]
  end
  return { sum, error_ }
end

local function root_of_squares(r, name)
  local sum, error_ = 0, 0
  for i, axis in ipairs(r.axes) do
    sum, error_ = sum + axis[name] ^ 2, error_ + axis[name] * r.errors.axes[i][name]
  end
  local root = math.sqrt(sum)
  return { root, root > 0 and error_ / root or 0 }
end

-- (a b)^power with its error.
local function product(a, b, power)
  local value = (a[1] * b[1]) ^ power
  if value == 0 then return { 0, 0 } end
  return { value, power * value * (a[2] / a[1] + b[2] / b[1]) }
end

local function totals_of(r)
  local t = { sigma_x = root_of_squares(r, "sigma_x"), sigma_p = root_of_squares(r, "sigma_p") }
  for _, name in ipairs { "bound", "loss_part", "cross_part", "window_part" } do
    t[name] = sum_of(r, name)
  end
  t.P = product(t.sigma_x, t.sigma_p, 1)
  t.rms_gradient = product({ r.beta, r.errors.beta }, t.loss_part, 0.5)
  return t
end

-- --- making -------------------------------------------------------------------------------------

-- Moves B, the matrix, out of the way of B, the number of an axis; gives a line its numbers.
local function flatten(numbers)
  numbers.B_faces, numbers.B = numbers.B, nil
  if #numbers.axes == 1 then
    for name, value in pairs(numbers.axes[1]) do numbers[name] = value end
  end
  return numbers
end

--- Makes a result of what the core measured.
-- @tparam table values of `core.packet_quadrature`
-- @tparam table errors the same
-- @tparam table about `points`, `panels`, `converged`, `tolerance`, `roundoff`
-- @tparam boolean strict whether to warn where the tolerance was not reached
-- @treturn table see above
function M.new(values, errors, about, strict)
  local r = flatten(values)
  r.errors = flatten(errors)
  for name, value in pairs(about) do r[name] = value end
  r.beta_error, r.totals = r.errors.beta, totals_of(r)
  judge(r, strict)
  return setmetatable(r, Result)
end

return M
