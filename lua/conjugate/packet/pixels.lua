--- The numbers of a result pixel by pixel, wherever they come from: all samples, or those that
-- asked for the faces, or pencils.
-- @module conjugate.packet.pixels
local core = require "conjugate.core"

local M = {}

local ROUNDING = 1e-12 -- of identities that hold in every sample

--- Names of what is known of each pixel, in the order of files: quantities of
-- `conjugate.packet.quantities()`, and the parts of g^2.
-- @treturn {string,...}
function M.names()
  local names = core.packet_quantities()
  for _, name in ipairs { "loss_part", "cross_part", "window_part" } do names[#names + 1] = name end
  return names
end

-- The part whose pixels were judged: those of the faces or the pencils, or all.
local function judged_part(r)
  return r.faces or r.pencils or r
end

-- A list over all pixels, with nil where a pixel is not in the part.
local function spread(part, list)
  if not part.pixels then return list end
  local all = {}
  for k, pixel in ipairs(part.pixels) do all[pixel] = list[k] end
  return all
end

--- Values of one quantity and their standard errors: of all samples where these tell it, else of
-- the judged part.
-- @tparam table r a result that was not refused
-- @tparam string name of a quantity
-- @treturn table pixel -> number; or nil where it was not measured
-- @treturn table pixel -> standard error
function M.of(r, name)
  if r.values[name] then return r.values[name]:table(), r.errors[name]:table() end
  return M.judged(r, name)
end

--- The same from the part whose pixels were judged: the faces where they were asked for, else the
-- pencils, else all samples.
-- @tparam table r a result that was not refused
-- @tparam string name of a quantity
-- @treturn table pixel -> number; or nil where it was not measured
-- @treturn table pixel -> standard error
function M.judged(r, name)
  local part = judged_part(r)
  if not part.values[name] then return nil end
  return spread(part, part.values[name]:table()), spread(part, part.errors[name]:table())
end

--- Verdicts, or nil where there is none.
-- @tparam table r a result that was not refused
-- @treturn table pixel -> "holds", "violated" or "undecided"
function M.verdicts(r)
  return r.verdicts and spread(judged_part(r), r.verdicts)
end

--- How many standard errors a number is away from zero.
-- @tparam number value any
-- @tparam number error_ its standard error
-- @treturn number
function M.z(value, error_)
  return value / math.max(error_, ROUNDING)
end

return M
