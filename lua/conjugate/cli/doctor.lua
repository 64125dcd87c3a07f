--- `conjugate doctor`: looks at the machine and at what the workbench needs.
-- @module conjugate.cli.doctor
local ffi = require "ffi"
local system = require "conjugate.run.system"

local M = {}

M.summary = "check the machine and the libraries"
M.description = "Reports the machine, the instruction set, threads, the BLAS library, optional "
  .. "programs and the data sets found. Exits non-zero when something needed is missing or wrong."
M.examples = {
  { "doctor", "one line for each check" },
  { "doctor --json", "the same for programs" },
}
M.order = { "failed", "checks", "name", "status", "value", "hint" }

local function first_line(path, pattern)
  local text = system.read(path) or ""
  return text:match(pattern)
end

local function machine()
  local cpu = first_line("/proc/cpuinfo", "model name%s*:%s*([^\n]+)") or "unknown processor"
  local _, cores = (system.read "/proc/cpuinfo" or ""):gsub("processor%s*:", "")
  local kilobytes = tonumber(first_line("/proc/meminfo", "MemTotal:%s*(%d+)")) or 0
  return "ok", ("%s, %d cores, %.1f GiB, %s %s"):format(cpu, cores, kilobytes / 2 ^ 20, ffi.os,
    ffi.arch)
end

local function luajit()
  if jit.version_num < 20100 then return "fail", jit.version, "LuaJIT 2.1 is needed" end
  return "ok", jit.version .. (jit.status() and "" or ", compiler off")
end

local function instruction_set()
  local core = require "conjugate.core"
  local name = core.isa and core.isa()
  return "ok", name or "unknown"
end

local function threads()
  return "ok", tostring(require("conjugate").threads())
end

--- Judges a build of OpenBLAS by its own answer to openblas_get_parallel.
-- @tparam integer parallel 0 serial, 1 pthreads, 2 OpenMP
-- @treturn string "ok" or "fail"
-- @treturn string name of the build
-- @treturn ?string how to mend
function M.judge_blas(parallel)
  if parallel == 1 then return "ok", "pthreads" end
  if parallel == 2 then return "ok", "OpenMP" end
  return "fail", "serial", "called from several threads this build gives wrong products: install "
    .. "libopenblas0-pthread (Debian) and remove libopenblas0-serial"
end

local function blas()
  pcall(ffi.cdef, "int openblas_get_parallel(void); char *openblas_get_config(void);")
  require "conjugate.core" -- loads the library that is really used; the name below finds that one
  local found, library = pcall(ffi.load, "libopenblas.so.0")
  if not found then return "warn", "not found by the name libopenblas.so.0" end
  local status, build, hint = M.judge_blas(library.openblas_get_parallel())
  local config = ffi.string(library.openblas_get_config()):gsub("%s+$", "")
  return status, ("%s, %s"):format(build, config), hint
end

local function gnuplot()
  local pipe = io.popen "command -v gnuplot 2>/dev/null && gnuplot --version 2>/dev/null"
  local text = pipe:read "*a"
  pipe:close()
  local version = text:match "(gnuplot [%d%.]+[^\n]*)"
  if version then return "ok", version end
  return "warn", "not found", "charts are written as data and script only; apt-get install "
    .. "gnuplot-nox"
end

local function libedit()
  if pcall(ffi.load, "libedit.so.2") then return "ok", "libedit.so.2" end
  return "warn", "not found", "the prompt has no line editing; apt-get install libedit2"
end

local function module_of(name)
  return function()
    local ok, found = pcall(require, name)
    if not ok then return "fail", "not found", "apt-get install lua-" .. name end
    return "ok", type(found) == "table" and found.version or "found"
  end
end

local function data_check(name)
  return function()
    local train, test = require("conjugate").data.load(name)
    if train then
      return "ok", ("%d training and %d test images"):format(train:size(), test:size())
    end
    if name == "mini" then return "fail", "not found", test end
    return "warn", "not found", test
  end
end

local function checks()
  local list = {
    { "machine", machine }, { "luajit", luajit }, { "instruction set", instruction_set },
    { "threads", threads }, { "openblas", blas }, { "argparse", module_of "argparse" },
    { "dkjson", module_of "dkjson" }, { "gnuplot", gnuplot }, { "libedit", libedit },
  }
  for _, name in ipairs(require("conjugate.cli.list").data_names()) do
    list[#list + 1] = { "data " .. name, data_check(name) }
  end
  return list
end

function M.run()
  local result, lines = { checks = {}, failed = false }, {}
  for _, check in ipairs(checks()) do
    local ok, status, value, hint = pcall(check[2])
    if not ok then status, value, hint = "fail", tostring(status), nil end
    result.checks[#result.checks + 1] = {
      name = check[1], status = status, value = value, hint = hint,
    }
    result.failed = result.failed or status == "fail"
    lines[#lines + 1] = ("%-5s %-22s %s"):format(status, check[1], value)
    if hint then lines[#lines + 1] = ("      %-22s %s"):format("", hint) end
  end
  lines[#lines + 1] = result.failed and "something needed is wrong: see the lines that begin "
    .. "with fail"
    or "all that is needed is here"
  return result, table.concat(lines, "\n")
end

return M
