--- Packets of one or two dimensions by quadrature: twelve digits where losses are smooth.
--
--     local r = cj.packet.quadrature.line { f = function(t) return t * t end, low = 0, high = 1 }
--     print(r.sigma_x, r.sigma_p, r.B, r.bound)
--     print(r)                        -- everything, with errors
--
-- Panels of 8 Gauss-Legendre nodes an axis are bisected until sums over panels and over their
-- halves agree. `errors` say by how much the last bisections changed each number, added up without
-- signs over sixteen groups of panels; where l is smooth the number is far better than that, and
-- where it has many kinks, some three times. `B_gap = B_face - B` and
-- `c_gap` compare what the edges of the box say with what gradients say, so a wrong gradient shows
-- there.
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
-- - `points` looked at, `panels`, `converged` (the tolerance was reached), `tolerance`, `roundoff`
--   (of losses and slopes, relative; 0 where it was not asked for)
-- - `status`: "ok", "warn" (the tolerance was not reached, or, where that was only an aim, a number
--   is not known to 1 %) or "unreliable" (edge and volume differ by more than the errors allow),
--   with `reasons`
-- - `verdicts`: for each axis whether `sigma_x sigma_p >= |1 - B| / 2`, B of the faces: "holds",
--   "violated" or, where the status is "unreliable" or too much is unknown, "undecided"
--
-- - of a packet on a slice also what results of sampled packets have: `name`, `epoch`, `loss`,
--   `label`, `reference` ("line" or "plane"), `origin`
--
-- print shows it; `write(path)` stores it, as JSON or, where the name ends in .csv, as one line an
-- axis.
-- @module conjugate.packet.quadrature
-- @source the documentation's chapter on packets
local cj = require "conjugate"
local check = require "conjugate.check"
local core = require "conjugate.core"
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
  local lines = {
    ("packet on %s, %d points: %s"):format(#self.axes == 1 and "a line" or "a plane", self.points,
      self.status),
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
    "label", "loss", "clip", "reference", "shape", "options", "points", "panels", "converged",
    "tolerance", "roundoff", "status", "verdicts",
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
        r.reasons[#r.reasons + 1] = ("%s of axis %d is %.1e, limit %.1e: a wrong gradient, or a "
          .. "loss that jumps"):format(name, i, axis[name], limit)
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
  check_edges(r)
  if r.status == "ok" then check_errors(r, strict) end
  for i, axis in ipairs(r.axes) do
    local e = r.errors.axes[i].slack
    local holds = axis.slack > -(FAR * e + ROUNDING * (1 + axis.P))
    local known = r.status == "ok" or e <= ROUGH * axis.P
    r.verdicts[i] = r.status ~= "unreliable" and (holds and "holds" or known and "violated")
      or "undecided"
  end
end

-- Moves B, the matrix, out of the way of B, the number of an axis; gives a line its numbers.
local function flatten(numbers)
  numbers.B_faces, numbers.B = numbers.B, nil
  if #numbers.axes == 1 then
    for name, value in pairs(numbers.axes[1]) do numbers[name] = value end
  end
  return numbers
end

local settings = {
  tolerance = 1e-12, panels = 4, points = 400000, batch = 4096,
}

-- Rules of the options that all functions of this file take, and `more`.
function M._rules(more)
  local rules = {}
  for name, value in pairs(settings) do rules[name] = value end
  for name, value in pairs(more) do rules[name] = value end
  return rules
end

--- Measures a slice that is given by a function of points.
-- @tparam function look points float64 [B, axes] -> losses float64 [B], their slopes [B, axes],
--   and, unless the density is constant, density [B] and slopes of its logarithm [B, axes]; the
--   density need not be normalised
-- @tparam {number,...} low one or two numbers
-- @tparam {number,...} high the same
-- @tparam table o `tolerance`, `panels`, `points`, `batch`, see `line`; `roundoff` (0): relative,
--   of losses and slopes; `strict` (true): whether to warn where the tolerance was not reached
-- @treturn table a result
-- @raise "quadrature: the loss is zero everywhere"; a loss, gradient or density that is not finite
function M.measure(look, low, high, o)
  check.func("quadrature", "look", look)
  for name, value in pairs { low = low or 0, high = high or 0, options = o or 0 } do
    check.table("quadrature", name, value)
  end
  check.number("quadrature", "tolerance", o.tolerance, 0)
  check.integer("quadrature", "panels", o.panels, 1, 1024)
  check.integer("quadrature", "points", o.points, 1, 2 ^ 26)
  check.integer("quadrature", "batch", o.batch, 1, 2 ^ 26)
  local values, errors, points, panels, converged = core.packet_quadrature(look, low, high,
    o.tolerance, o.panels, o.points, o.batch, o.roundoff or 0)
  local result = flatten(values)
  result.errors = flatten(errors)
  result.points, result.panels, result.converged = points, panels, converged
  result.tolerance, result.roundoff = o.tolerance, o.roundoff or 0
  result.options = { tolerance = o.tolerance, panels = o.panels, points = o.points,
    batch = o.batch }
  judge(result, o.strict ~= false)
  return setmetatable(result, Result)
end

--- The value of a function of points, and its slopes by autograd.
-- @tparam string name of the function, for messages
-- @tparam function f points [B, ...] -> [B]
-- @tparam Tensor x points
-- @treturn Tensor [B], cut from the tape
-- @treturn Tensor like x
function M.slopes(name, f, x)
  check.string("slopes", "name", name)
  check.callable("slopes", name, f)
  check.tensor("slopes", "x", x, "float")
  return cj.enable_grad(function()
    local leaf = x:detach()
    leaf.requires_grad = true
    local y = f(leaf)
    check.tensor("quadrature", name, y, "float")
    if y:numel() ~= x:size(1) then
      check.fail("quadrature", "expected one number a point, [%d], from %s, got %s", x:size(1),
        name, check.describe(y))
    end
    y = y:reshape { x:size(1) }
    local g = y.requires_grad and cj.grad(y:sum(), leaf) or cj.zeros_like(x)
    return y:detach(), g
  end)
end

-- l, slope, nu, score of functions of the points that `shape` makes of [B, axes].
local function looker(f, log_density, shape)
  return function(points)
    local x = shape(points)
    local l, slope = M.slopes("f", f, x)
    if not log_density then return l, slope end
    local log_nu, score = M.slopes("log_density", log_density, x)
    return l, slope, log_nu:exp(), score
  end
end

local function as_column(points)
  return points:reshape { points:size(1) }
end

local function same(points)
  return points
end

--- Measures a loss on an interval.
-- @tparam table opts
--
-- - `f`: a function t -> l, both float64 [B], made of operators that have gradients
-- - `low`, `high`: ends of the interval
-- - `log_density`: a function t -> log nu, [B]; not normalised; constant when left out
-- - `tolerance` (1e-12): of the integrals, relative; `panels` (4) to begin with; `points`
--   (400000): no more panels are bisected then; `batch` (4096) points at a time
--
-- @treturn table a result
-- @raise as for `measure`; wrong arguments
-- @usage cj.packet.quadrature.line { f = function(t) return (t * math.pi):sin() end, low = 0,
--   high = 1 }
function M.line(opts)
  local o = check.options("quadrature", opts, M._rules {
    f = { type = "callable", required = true }, log_density = { "callable" },
    low = { type = "number", required = true }, high = { type = "number", required = true },
  })
  return M.measure(looker(o.f, o.log_density, as_column), { o.low }, { o.high }, o)
end

--- Measures a loss on a rectangle.
-- @tparam table opts as for `line`; `f` and `log_density` are functions of points [B, 2], `low`
--   ({ 0, 0 }) and `high` ({ 1, 1 }) lists of two numbers
-- @treturn table a result
-- @raise as for `line`
function M.square(opts)
  local o = check.options("quadrature", opts, M._rules {
    f = { type = "callable", required = true }, log_density = { "callable" },
    low = { "table", { 0, 0 } }, high = { "table", { 1, 1 } },
  })
  if #o.low ~= 2 or #o.high ~= 2 then
    check.fail("quadrature", "expected two numbers for low and for high")
  end
  return M.measure(looker(o.f, o.log_density, same), o.low, o.high, o)
end

return M
