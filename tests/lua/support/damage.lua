--- Damaged files: what every reader must survive.
local core = require "conjugate.core"
local ffi = require "ffi"
local folder = require "support.folder"

ffi.cdef "int dup(int fd); int close(int fd);"

local M = {}

--- A file descriptor that is free: the same number before and after when none is left open.
function M.free_descriptor()
  local fd = ffi.C.dup(0)
  ffi.C.close(fd)
  return fd
end

--- read(path) of a file with these bytes.
function M.read_bytes(read, path, bytes)
  folder.write(path, bytes)
  return read(path)
end

--- bytes with those from place `at` (from 1) on replaced by `new`.
function M.patch(bytes, at, new)
  return bytes:sub(1, at - 1) .. new .. bytes:sub(at + #new)
end

--- read must refuse these bytes with nil and a message that holds the file's name and `text`.
function M.refuses(read, path, bytes, text)
  local value, message = M.read_bytes(read, path, bytes)
  if value ~= nil then error("the file was accepted; expected: " .. text, 2) end
  local name = path:match "[^/]*$"
  if not message:find(name, 1, true) or not message:find(text, 1, true) then
    error(("expected a message with %s and: %s\ngot: %s"):format(name, text, message), 2)
  end
end

--- read must refuse every beginning of these bytes (every step-th, and the last one).
function M.refuses_prefixes(read, path, bytes, step)
  for n = 0, #bytes - 1, step or 1 do
    local value = M.read_bytes(read, path, bytes:sub(1, n))
    if value ~= nil then error(("the first %d of %d bytes were accepted"):format(n, #bytes), 2) end
  end
  if M.read_bytes(read, path, bytes:sub(1, -2)) ~= nil then
    error("all but the last byte was accepted", 2)
  end
end

--- read must not crash, raise or leave bytes behind for `times` files with one to three changed
-- bytes.
function M.survives_changes(read, path, bytes, times)
  local n = 0
  local function random(bound)
    n = n + 1
    return math.floor(core.random_uniform(1, n) * bound)
  end
  for _ = 1, times do
    local changed = bytes
    for _ = 1, 1 + random(3) do
      changed = M.patch(changed, 1 + random(#bytes), string.char(random(256)))
    end
    local value, message = M.read_bytes(read, path, changed)
    if value == nil and type(message) ~= "string" then error("no message", 2) end
  end
end

return M
