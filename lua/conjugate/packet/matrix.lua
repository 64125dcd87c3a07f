--- What is measured along directions, each for itself and all together.
--
-- `p:measure { directions = d }` with d of `conjugate.packet.directions` adds to every result
--
-- - `directions`: `names`, `values[name]` and `errors[name]`, float64 [k], of the quantities of
--   pixels (`mu`, `sigma_x` = sqrt(u'Sigma u), `g`, `c`, `sigma_p` = sqrt(u'G u), `B`, `bound`,
--   `P`, `slack`, `tightness` ...) and `C` = u'C u = (B - 1) / 2. On a box whose faces were asked
--   for at all pixels, `directions.faces` holds the same from those samples, with `B_face` of the
--   surface integral over all faces, and `B_gap` and `c_gap`. `verdicts`, `counts`, `z_B_gap` and
--   `z_c_gap` as for pixels.
-- - `matrix` (unless `matrix = false`): the matrix form G >= C Sigma^-1 C' among the directions,
--   which should not depend on each other. `values[name]` and `errors[name]` of `Sigma`, `G`
--   (centred), `B` (B_ij: normal along direction i, position along j; C = (B - U U') / 2; of the
--   volume on a box, 0 on all of R^M), all [k, k]; `P`; `VIF` = Sigma_ii (Sigma^-1)_ii; `bound` =
--   sqrt(Sigma_ii (C Sigma^-1 C')_ii), at least the bound of the direction alone, and sqrt(VIF) / 2
--   where B = 0 and the directions are orthogonal; `slack` = P - bound; `eigenvalues` of
--   G - C Sigma^-1 C', rising. `verdicts` on `slack` where B is not of the volume, with which the
--   inequality could not fail. `faces` holds the same from the samples of the faces, B of the
--   surface.
--
-- Few samples make correlations out of nothing: the inverse of a covariance of k directions from N
-- independent samples is too large by N / (N - k), and so is VIF; the bound is too large by the
-- root of it, and G - C Sigma^-1 C' too small by its inverse. The jackknife over 32 batches takes
-- the first order k / N out of VIF, bound, slack and eigenvalues, and gives all errors (31 degrees
-- of freedom); what is left is of the order (k / N)^2. Eigenvalues nearer to each other than their
-- errors also repel each other, which it does not mend: the smallest is then too small, the largest
-- too large. With fewer than 10 effective samples a direction the matrix is refused:
-- `matrix.status` is "unreliable" and `matrix.reason` says why. In a window the forms are those of
-- Stein's identities, in which only what the loss adds to the window is noisy, or the direct ones
-- where these know slack better.
--
-- Memory: 16 k^2 bytes for each of 32 batches and each label, 1.5 times that for faces; more than
-- 500 MB is an error. Time grows with the cube of k: 64 directions of digits take half a second
-- more than none, all 784 about a minute. Chains do not look at directions for R-hat.
-- @module conjugate.packet.matrix
local check = require "conjugate.check"
local core = require "conjugate.core"
local directions = require "conjugate.packet.directions"
local gates = require "conjugate.packet.gates"
local verdict = require "conjugate.packet.verdict"

local M = {}

local EFFECTIVE = 10 -- samples a direction

--- Reads the options `directions` and `matrix`.
-- @tparam table packet the packet
-- @tparam table o options of a measurement
-- @raise wrong directions
function M.read(packet, o)
  if o.directions ~= nil then directions.read(o.directions, packet.pixels) end
  if o.matrix == nil then o.matrix = true end
  check.boolean("packet", "matrix", o.matrix)
end

--- Makes a measurement look along directions, too.
-- @param m a measurement of the core, before it is filled
-- @tparam table o options
-- @raise more memory than the matrix form may take
function M.open(m, o)
  if o.directions then core.packet_directions_new(m, o.directions.vectors, o.matrix) end
end

-- Quantities along directions, and C.
local function along(m, place, faces, columns)
  local values, errors, ess = core.packet_directions(m, place, faces)
  if not values then return nil end
  local part = columns(values, errors)
  part.values.C, part.errors.C = (part.values.B - 1) / 2, part.errors.B / 2
  part.values.beta, part.errors.beta = nil, nil -- that of the result
  return part, ess
end

local function joint(m, place, faces, ess, k, known)
  if ess < EFFECTIVE * k then
    return { status = "unreliable", reason = ("effective sample size %.0f for %d directions: "
      .. "below %d each, the inverse of Sigma means little"):format(ess, k, EFFECTIVE) }
  end
  local values, errors = core.packet_matrix(m, place, faces)
  if not values then return { status = "unreliable", reason = errors } end
  local part = { status = "ok", values = values, errors = errors }
  if known then verdict.judge(part) end
  return part
end

-- The parts with a boundary term of their own are judged.
local function judge(r, part)
  local judged = part.faces or part
  if not judged.values.B_face then return end
  judged.freedom = gates.freedom(r, part.faces ~= nil)
  verdict.judge(judged)
  part.verdicts, part.counts = judged.verdicts, judged.counts
  for _, reason in ipairs(gates.differences(judged, "directions: ")) do
    r.reasons[#r.reasons + 1] = reason
  end
  part.z_B_gap, part.z_c_gap = judged.z_B_gap, judged.z_c_gap
end

--- Adds `directions` and `matrix` to a result, and warnings to its reasons.
-- @tparam table r result with `ess` and `reasons`
-- @param m the measurement
-- @tparam integer place of the label, from 1
-- @tparam function columns from tensors [quantities, k] to `values` and `errors`
function M.fill(r, m, place, columns)
  local given = r.options.directions
  if not given then return end
  local k, whole = #given.names, r.reference ~= "box"
  local part = along(m, place, false, columns)
  local faces, faces_ess = along(m, place, true, columns)
  part.names, part.faces = given.names, faces
  judge(r, part)
  r.directions = part
  if not r.options.matrix then return end
  r.matrix = joint(m, place, false, r.ess, k, whole)
  if faces then r.matrix.faces = joint(m, place, true, faces_ess, k, true) end
end

local shown = { "sigma_x", "sigma_p", "P", "bound", "tightness" }

--- Directions and matrix as lines of text, for `print`.
-- @tparam table r result
-- @tparam {string,...} lines to add to
function M.text(r, lines)
  local d, x = r.directions, r.matrix
  if not d then return end
  lines[#lines + 1] = ("%-14s"):format("direction")
    .. ("%24s"):rep(#shown):format(unpack(shown))
  for k, name in ipairs(d.names) do
    local cells = { ("%-14s"):format(name) }
    for _, quantity in ipairs(shown) do
      cells[#cells + 1] = ("%13.6g +- %-7.1g"):format(d.values[quantity]:get(k),
        d.errors[quantity]:get(k))
    end
    lines[#lines + 1] = table.concat(cells)
  end
  if not x then return end
  if x.status ~= "ok" then
    lines[#lines + 1] = "matrix form: " .. x.reason
    return
  end
  local e = x.values.eigenvalues
  lines[#lines + 1] = ("matrix form: VIF up to %.4g, G - C Sigma^-1 C' from %.4g +- %.1g to %.4g")
    :format(x.values.VIF:max():item(), e:get(1), x.errors.eigenvalues:get(1), e:get(e:numel()))
end

return M
