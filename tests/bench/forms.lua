--- In which forms PyTorch is measured: an environment of the process, and what torch_peer.py does.
-- A form is written ENVIRONMENT/DOING, each of them parts joined by "+": "tcmalloc+bind/nhwc".
local M = {}

--- As most people run it.
M.DEFAULT = "plain/default"

local TUNED = {
  MALLOC_TRIM_THRESHOLD_ = "4294967296", MALLOC_MMAP_THRESHOLD_ = "4294967296",
  MALLOC_TOP_PAD_ = "268435456",
}

local function library(name)
  local pipe = io.popen(("ldconfig -p | sed -n 's/.*%s.* => //p' | head -n 1"):format(name))
  local path = pipe:read "*l"
  pipe:close()
  return path
end

--- Environment variables of each part of an environment; nil for what is not installed.
M.environments = { plain = {}, trim = TUNED, bind = { OMP_PROC_BIND = "close" } }
for name, file in pairs { tcmalloc = "libtcmalloc_minimal.so", jemalloc = "libjemalloc.so" } do
  local path = library(file)
  if path then M.environments[name] = { LD_PRELOAD = path } end
end
if M.environments.jemalloc then -- as PyTorch's tuning guide has it
  M.environments.jemalloc.MALLOC_CONF = "oversize_threshold:1,background_thread:true,"
    .. "metadata_thp:auto,dirty_decay_ms:9000000000,muzzy_decay_ms:9000000000"
end

--- The two parts of a form.
-- @string form
-- @treturn string environment
-- @treturn string what is done
function M.split(form)
  return form:match "^(.-)/(.*)$"
end

--- Is everything that an environment needs installed?
-- @string environment
-- @treturn boolean
function M.known(environment)
  for part in environment:gmatch "[^+]+" do
    if not M.environments[part] then return false end
  end
  return true
end

--- A form with its threads bound to processors.
-- @string form
-- @treturn string
function M.bound(form)
  local environment, doing = M.split(form)
  if environment:find("bind", 1, true) then return form end
  return ("%s+bind/%s"):format(environment, doing)
end

--- The beginning of a command that sets an environment.
-- @string environment
-- @treturn string "env NAME=VALUE ..."
function M.prefix(environment)
  local words = { "env" }
  for part in environment:gmatch "[^+]+" do
    for name, value in pairs(M.environments[part]) do
      words[#words + 1] = ("%s=%s"):format(name, value)
    end
  end
  return table.concat(words, " ")
end

local DOINGS = {
  inference = {
    "default", "nhwc", "script", "script+nhwc", "compile", "compile+nhwc", "compile+freeze",
    "compile+freeze+nhwc",
  },
  pgd = { "default", "nhwc", "compile", "compile+nhwc", "whole", "whole+nhwc" },
  train = { "default", "nhwc", "compile", "compile+nhwc" },
}
DOINGS.ifa = DOINGS.pgd

-- The allocator in which the doings are compared with one another.
local function usual_environment()
  return M.environments.tcmalloc and "tcmalloc" or "trim"
end

--- Forms whose doings are to be compared first.
-- @string mode
-- @tparam ?function skip whether a doing need not be tried
-- @treturn {string,...}
function M.doings(mode, skip)
  local list = {}
  for _, doing in ipairs(DOINGS[mode]) do
    if not (skip and skip(doing)) then list[#list + 1] = usual_environment() .. "/" .. doing end
  end
  return list
end

--- The other environments in which the best doing is to be tried.
-- @string form the best so far
-- @number threads binding them is tried when there are several
-- @treturn {string,...}
function M.variants(form, threads)
  local environment, doing = M.split(form)
  local list = {}
  for _, name in ipairs { "plain", "trim", "tcmalloc", "jemalloc" } do
    if M.environments[name] then
      for _, bind in ipairs { "", threads > 1 and "+bind" or nil } do
        if name .. bind ~= environment then list[#list + 1] = name .. bind .. "/" .. doing end
      end
    end
  end
  return list
end

return M
