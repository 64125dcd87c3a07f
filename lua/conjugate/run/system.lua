--- What the run directories need from the operating system: clock, terminal, folders, locks.
-- Failures of the outside world come back as `nil, message`.
-- @module conjugate.run.system
local ffi = require "ffi"
local bit = require "bit"

local C = ffi.C
local M = {}

if not pcall(ffi.typeof, "cj_timespec") then
  ffi.cdef [[
  typedef struct cj_timespec { long sec; long nsec; } cj_timespec;
  typedef struct cj_winsize { unsigned short rows, columns, x, y; } cj_winsize;
  int clock_gettime(int clock, cj_timespec *t);
  int isatty(int fd);
  int ioctl(int fd, unsigned long request, ...);
  int mkdir(const char *path, unsigned int mode);
  int access(const char *path, int mode);
  int truncate(const char *path, long length);
  int open(const char *path, int flags, ...);
  int close(int fd);
  int flock(int fd, int operation);
  int fsync(int fd);
  int fileno(void *file);
  int getpid(void);
  char *strerror(int code);
  typedef struct cj_dirent {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[256];
  } cj_dirent;
  void *opendir(const char *path);
  cj_dirent *readdir(void *folder);
  int closedir(void *folder);
  ]]
end

local CLOCK_MONOTONIC, TIOCGWINSZ = 1, 0x5413
local O_RDONLY, O_RDWR_CREATE_CLOEXEC = 0, 0x80042
local LOCK_EX_NB = 6
local EEXIST, EWOULDBLOCK = 17, 11

-- Only called right after a failed call: errno does not live long.
local function failure(what, path)
  return nil, ("%s %s: %s"):format(what, path, ffi.string(C.strerror(ffi.errno())))
end

--- Seconds on a clock that never goes back; only differences mean anything.
-- @treturn number seconds, with a resolution below a microsecond
function M.now()
  local t = ffi.new "cj_timespec"
  C.clock_gettime(CLOCK_MONOTONIC, t)
  return tonumber(t.sec) + tonumber(t.nsec) * 1e-9
end

--- Is a file descriptor a terminal?
-- @tparam integer fd 1 for standard output, 2 for standard error
-- @treturn boolean
function M.is_terminal(fd)
  return C.isatty(fd) == 1
end

--- Width of the terminal behind a file descriptor.
-- @tparam integer fd file descriptor
-- @treturn integer columns; 80 when there is no terminal
function M.columns(fd)
  local size = ffi.new "cj_winsize"
  if C.ioctl(fd, TIOCGWINSZ, size) == 0 and size.columns > 0 then return size.columns end
  return 80
end

--- Does a file or folder of that name exist?
-- @tparam string path file name
-- @treturn boolean
function M.exists(path)
  return C.access(path, 0) == 0
end

--- Is it a folder?
-- @tparam string path file name
-- @treturn boolean
function M.is_directory(path)
  return C.access(path .. "/.", 0) == 0
end

--- Makes a folder and those above it; one that exists is fine.
-- @tparam string path folder name
-- @treturn boolean true, or nil and a message
function M.mkdir(path)
  local prefix = path:sub(1, 1) == "/" and "/" or ""
  for part in path:gmatch "[^/]+" do
    prefix = prefix .. part
    if C.mkdir(prefix, 0x1ff) ~= 0 and ffi.errno() ~= EEXIST then
      return failure("cannot make the folder", prefix)
    end
    prefix = prefix .. "/"
  end
  if not M.is_directory(path) then return nil, path .. " exists and is not a folder" end
  return true
end

--- Names in a folder, sorted, without "." and "..".
-- @tparam string path folder name
-- @treturn {string,...} names, or nil and a message
function M.list(path)
  local folder = C.opendir(path)
  if folder == nil then return failure("cannot read the folder", path) end
  local names = {}
  while true do
    local entry = C.readdir(folder)
    if entry == nil then break end
    local name = ffi.string(entry.name)
    if name ~= "." and name ~= ".." then names[#names + 1] = name end
  end
  C.closedir(folder)
  table.sort(names)
  return names
end

--- Size of a file.
-- @tparam string path file name
-- @treturn integer bytes, or nil and a message
function M.size(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local bytes, why = file:seek "end"
  file:close()
  return bytes, why
end

--- The whole content of a file.
-- @tparam string path file name
-- @treturn string bytes, or nil and a message
function M.read(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local bytes, why = file:read "*a"
  file:close()
  if not bytes then return nil, path .. ": " .. (why or "cannot be read") end
  return bytes
end

--- Cuts a file down to its first bytes.
-- @tparam string path file name
-- @tparam integer bytes what is kept
-- @treturn boolean true, or nil and a message
function M.truncate(path, bytes)
  if C.truncate(path, bytes) ~= 0 then return failure("cannot shorten", path) end
  return true
end

--- Waits until everything written to an open file is on the disk.
-- @tparam file file an open file of Lua's io library
-- @treturn boolean true, or nil and a message
function M.sync(file)
  local ok, message = file:flush()
  if not ok then return nil, message end
  if C.fsync(C.fileno(file)) ~= 0 then return failure("cannot sync", tostring(file)) end
  return true
end

--- Waits until the names in a folder are on the disk.
-- @tparam string path folder name
function M.sync_directory(path)
  local fd = C.open(path, O_RDONLY)
  if fd >= 0 then
    C.fsync(fd)
    C.close(fd)
  end
end

--- Takes a lock that ends with the process, however it ends.
-- @tparam string path the file that carries the lock; made when missing
-- @treturn function gives the lock back; or nil and a message when another process holds it
function M.lock(path)
  local fd = C.open(path, O_RDWR_CREATE_CLOEXEC, ffi.cast("int", 0x1b6))
  if fd < 0 then return failure("cannot open", path) end
  if C.flock(fd, LOCK_EX_NB) ~= 0 then
    local busy = ffi.errno() == EWOULDBLOCK
    local _, message = failure("cannot lock", path)
    C.close(fd)
    return nil, busy and "another process is working there" or message
  end
  return function()
    if fd >= 0 then C.close(fd) end
    fd = -1
  end
end

--- Number of this process.
-- @treturn integer
function M.pid()
  return C.getpid()
end

--- Exit code of a command, from what os.execute gave (a wait status under LuaJIT and Lua 5.1).
-- @tparam number|boolean status first result of os.execute
-- @treturn integer 0..255; 128 + n when signal n ended it
function M.exit_code(status)
  if type(status) ~= "number" then return status and 0 or 1 end
  local signal = bit.band(status, 0x7f)
  if signal ~= 0 then return 128 + signal end
  return bit.rshift(status, 8)
end

return M
