--- Where data sets lie on disk.
-- @module conjugate.data.find
local M = {}

--- The user's cache folder.
-- @treturn string $XDG_CACHE_HOME/conjugate, or ~/.cache/conjugate
function M.cache()
  local base = os.getenv "XDG_CACHE_HOME"
  if not base or base == "" then base = (os.getenv "HOME" or ".") .. "/.cache" end
  return base .. "/conjugate"
end

--- Folders that may hold a data set, in the order of search.
-- @tparam string name of the set
-- @tparam[opt] {string,...} more further folders, searched last
-- @treturn {string,...} $CONJUGATE_DATA/NAME, the cache folder's NAME, then `more`
function M.folders(name, more)
  local list = {}
  local own = os.getenv "CONJUGATE_DATA"
  if own and own ~= "" then list[1] = own .. "/" .. name end
  list[#list + 1] = M.cache() .. "/" .. name
  for _, folder in ipairs(more or {}) do list[#list + 1] = folder end
  return list
end

local function exists(path)
  local f = io.open(path, "rb")
  if f then f:close() end
  return f ~= nil
end

-- The file, plain or compressed; nil when neither is there.
local function either(path)
  if exists(path) then return path end
  return exists(path .. ".gz") and path .. ".gz" or nil
end

-- All files of one folder; nil and the first that is missing.
local function all_in(folder, names)
  local paths = {}
  for i, name in ipairs(names) do
    paths[i] = either(folder .. "/" .. name)
    if not paths[i] then return nil, name end
  end
  return paths
end

--- How to get a set that is missing.
-- @tparam table source a data set's description
-- @treturn string one message with both ways
function M.advice(source)
  local where = table.concat(M.folders(source.name), " or ")
  if (os.getenv "CONJUGATE_DATA" or "") == "" then
    where = ("%s, or into FOLDER/%s with CONJUGATE_DATA=FOLDER"):format(where, source.name)
  end
  local hint = source.hint and "; " .. source.hint or ""
  return ("%s: the data set is not there. Run `conjugate data fetch %s`, or put the files %s "
    .. "(plain or with .gz) into %s%s"):format(source.name, source.name,
    table.concat(source.files, ", "), where, hint)
end

--- Finds the files of a set.
-- @tparam table source `name`, `files` (list of names without .gz), optional `folders` searched
--   last and `hint` for the message
-- @treturn {string,...} paths in the order of `files`; or nil and how to get them
function M.files(source)
  for _, folder in ipairs(M.folders(source.name, source.folders)) do
    local paths = all_in(folder, source.files)
    if paths then return paths end
  end
  return nil, M.advice(source)
end

return M
