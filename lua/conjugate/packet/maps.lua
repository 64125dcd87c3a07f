--- The numbers of a packet's pixels as pictures.
-- @module conjugate.packet.maps
local check = require "conjugate.check"
local core = require "conjugate.core"
local grid = require "conjugate.plot.grid"
local pixels = require "conjugate.packet.pixels"
local values = require "conjugate.plot.values"
local verdict = require "conjugate.packet.verdict"

local M = {}

-- slack / SE of the judged part.
local function slack_z(r)
  local slack, errors = pixels.judged(r, "slack")
  local z = {}
  for i, value in pairs(slack) do z[i] = pixels.z(value, errors[i]) end
  return z
end

-- On which side of the naive bound 1/2 a product is: 1 above, -1 below, 0 within q errors.
local function naive(r)
  local products, errors = pixels.of(r, "P")
  local q, side = verdict.quantile(#products), {}
  for i, p in ipairs(products) do
    local away = (p - 0.5) / q
    side[i] = away > errors[i] and 1 or away < -errors[i] and -1 or 0
  end
  return side
end

local derived = { slack_z = slack_z, naive = naive }

-- Pixel -> number, or nil where there is no such thing.
local function list_of(r, name)
  if derived[name] then return derived[name](r) end
  local found = pixels.of(r, name)
  if found then return found end
  local _, errors = pixels.of(r, name:gsub("_error$", ""))
  return name:find "_error$" and errors
end

--- One number of every pixel, laid out as the inputs are. Numbers that all samples tell are of all
-- samples; `B_face`, `c_face` and the gaps are of those that asked for faces, NaN where none did.
-- @function Result:map
-- @tparam table r a result that was not refused
-- @tparam string name a quantity of `conjugate.packet.quantities()`; `loss_part`, `cross_part`,
--   `window_part`; any of these with `_error` behind it: its standard error; `slack_z`: slack in
--   standard errors, by which pixels are judged; `naive`: 1 where sigma_x sigma_p is above 1/2, -1
--   where it is below, 0 where the error does not tell
-- @treturn Tensor float64, of the sizes of one input, such as [C, H, W]
-- @raise a refused result; a name that was not measured
function M.map(r, name)
  check.string("map", "name", name)
  if not r.values then
    check.fail("map", "expected numbers, got a refused result: %s", table.concat(r.reasons, "; "))
  end
  local list = list_of(r, name)
  if not list then check.fail("map", 'expected a quantity that was measured, got "%s"', name) end
  local all = {}
  for i = 1, r.values.mu:numel() do all[i] = list[i] or 0 / 0 end
  return core.tensor(all, "float64"):reshape(r.shape)
end

-- --- pictures -----------------------------------------------------------------------------------

--- What is drawn: name of the map, its title, and what it means.
M.drawn = {
  { "sigma_x", "sigma_x", "width of the pixel" },
  { "sigma_p", "sigma_p", "width of the momentum" },
  { "P", "product\nP", "sigma_x sigma_p" },
  { "bound", "bound", "|1 - B| / 2" },
  { "tightness", "bound\n/ P", "tightness: bound / product" },
  { "slack_z", "slack\n/ SE", "product minus bound, in standard errors" },
  { "naive", "against\n1/2", "red: the product is above 1/2, blue: below, white: undecided" },
}

local function is_picture(shape)
  return #shape == 3 and (shape[1] == 1 or shape[1] == 3) and shape[2] <= 128 and shape[3] <= 128
end

-- The maps of one name and channel, false where a result was refused or does not have it.
local function images_of(results, name, channel)
  local images, any = {}, false
  for i, r in ipairs(results) do
    local known = r.values and (name ~= "slack_z" or pixels.verdicts(r))
    images[i] = known and M.map(r, name):select(1, channel):table() or false
    any = any or images[i]
  end
  return any and images
end

local function captions_of(results)
  local captions = {}
  for i, r in ipairs(results) do captions[i] = tostring(r.label) end
  return captions
end

local colours = { "red", "green", "blue" }

-- Ends of the colours that do not depend on what was measured.
local scales = { naive = { -1, 1 }, tightness = { 0, 1 } }

-- Colours begin at zero unless that would hide most of what differs.
local function ends_of(name, images)
  local scale = scales[name]
  if scale then return scale[1], scale[2] end
  local low, high = values.range(images)
  if low > 0 and low < 0.2 * high then low = 0 end
  return low, high
end

--- One row of maps a name and channel, for `plot.grid`: one map a result, in one scale.
-- @tparam {table,...} results of inputs of one size, refused ones among them
-- @tparam table entry of `drawn`
-- @treturn {table,...} rows; none where inputs are no pictures or nothing was measured
function M.rows(results, entry)
  local rows, name, shape = {}, entry[1], results[1].shape
  for channel = 1, is_picture(shape) and shape[1] or 0 do
    local images = images_of(results, name, channel)
    local title = entry[2]
    if shape[1] == 3 then title = title:gsub("\n", " ") .. "\n" .. colours[channel] end
    if images then
      local low, high = ends_of(name, images)
      rows[#rows + 1] = {
        title = title, images = images, missing = "refused", captions = captions_of(results),
        kind = name == "naive" and "signed" or "sequential", low = low, high = high,
      }
    end
  end
  return rows
end

--- Writes the maps of results as PNG: FOLDER/map-NAME.png, one map a result in one scale.
-- @tparam {table,...} results of inputs of one size
-- @tparam string folder that is there
-- @treturn {string,...} the paths, or nil and a message
function M.save(results, folder)
  check.table("save", "results", results)
  check.string("save", "folder", folder)
  local paths = {}
  for _, entry in ipairs(M.drawn) do
    local rows = M.rows(results, entry)
    if #rows > 0 then
      local path = ("%s/map-%s.png"):format(folder, entry[1])
      local ok, message = grid.save(path, rows, { zoom = 4, title = entry[3] })
      if not ok then return nil, message end
      paths[#paths + 1] = path
    end
  end
  return paths
end

return M
