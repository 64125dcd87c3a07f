--- Temporary folders for tests.
local M = {}

--- Makes an empty folder and gives its name.
-- @treturn string
function M.make()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute(("mkdir -p '%s'"):format(path)) == 0)
  return path
end

--- Removes a folder made by `make` with all that is in it.
-- @tparam string path its name
function M.remove(path)
  assert(path:find "^/tmp/" or path:find(os.getenv "TMPDIR" or "/tmp/", 1, true))
  os.execute(("rm -r '%s'"):format(path))
end

--- Writes a file.
-- @tparam string path its name
-- @tparam string bytes its content
function M.write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

--- Reads a file; nil when there is none.
-- @tparam string path its name
-- @treturn ?string
function M.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local bytes = file:read "*a"
  file:close()
  return bytes
end

return M
