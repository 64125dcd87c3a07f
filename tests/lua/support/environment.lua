--- Changing environment variables for a while, as this process and its children see them.
local ffi = require "ffi"

ffi.cdef "int setenv(const char *name, const char *value, int replace); int unsetenv(const char *);"

local M = {}

local function set(name, value)
  if value then ffi.C.setenv(name, value, 1) else ffi.C.unsetenv(name) end
end

--- Runs f with these variables; false unsets one.
function M.with(values, f)
  local old = {}
  for name, value in pairs(values) do
    old[name] = os.getenv(name) or false
    set(name, value)
  end
  local ok, err = pcall(f)
  for name, value in pairs(old) do set(name, value) end
  if not ok then error(err, 0) end
end

return M
