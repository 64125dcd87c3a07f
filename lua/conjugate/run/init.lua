--- Run directories: work that can be killed at any moment and continued by the same command.
--
-- `runs/NAME/` holds
--
--   config.json          what was asked for; a run with another configuration is refused
--   metrics.jsonl        one record a line, without times
--   state.safetensors    the last checkpoint of unfinished work, with the length of metrics.jsonl
--   model.safetensors    the result; its presence says that the run is finished
--   .lock                held by the working process
--
-- Every file but the log is written to a temporary name, synced and renamed. The order of writing
-- at a checkpoint is: log synced, then state. Whatever is younger than the state is cut off on
-- continuing.
-- @module conjugate.run
local json = require "conjugate.run.json"
local log = require "conjugate.run.log"
local files = require "conjugate.run.files"
local system = require "conjugate.run.system"

local Run = {}
Run.__index = Run

local M = {}

local CONFIG, METRICS = "config.json", "metrics.jsonl"
local STATE, RESULT, LOCK = "state.safetensors", "model.safetensors", ".lock"

local function show(value)
  if value == nil or value == json.null then return "nothing" end
  return json.encode(value)
end

local function is_object(value)
  return type(value) == "table" and value ~= json.null and value[1] == nil and next(value) ~= nil
end

local function sorted_keys(a, b)
  local seen, keys = {}, {}
  for _, t in ipairs { a, b } do
    for key in pairs(t) do
      if not seen[key] then keys[#keys + 1] = key end
      seen[key] = true
    end
  end
  table.sort(keys, function(x, y) return tostring(x) < tostring(y) end)
  return keys
end

local function compare(old, new, prefix, found)
  for _, key in ipairs(sorted_keys(old, new)) do
    local a, b = old[key], new[key]
    if is_object(a) and is_object(b) then
      compare(a, b, prefix .. key .. ".", found)
    elseif show(a) ~= show(b) then
      found[#found + 1] = ("%s%s is %s, asked for %s"):format(prefix, key, show(a), show(b))
    end
  end
  return found
end

--- Where two configurations differ.
-- @tparam table old decoded JSON
-- @tparam table new decoded JSON
-- @treturn {string,...} lines such as "batch is 128, asked for 64", sorted by key
function M.differences(old, new)
  return compare(old, new, "", {})
end

-- Writes config.json, or compares it with the one that is there.
local function settle_config(self, config)
  local path = self:path(CONFIG)
  local text = json.encode(config, { indent = true }) .. "\n"
  if not system.exists(path) then
    if system.exists(self:path(STATE)) or system.exists(self:path(RESULT)) then
      return nil, ("%s holds a checkpoint but no %s: give another folder")
        :format(self.dir, CONFIG)
    end
    return files.write(path, text)
  end
  local held, message = files.read_json(path)
  if not held then return nil, message end
  if type(held) ~= "table" then
    return nil, ("%s: expected an object, got %s"):format(path, json.encode(held))
  end
  local lines = M.differences(held, assert(json.decode(text)))
  if #lines > 0 then
    return nil, ("%s holds a run with another configuration (%s): give another folder, or "
      .. "delete this one to start over"):format(self.dir, table.concat(lines, "; "))
  end
  return true
end

--- Opens a run directory: makes it, or checks that it belongs to the same work.
-- @tparam table opts `dir` (folder name), `config` (table for config.json: everything that changes
-- the result, and nothing else: no thread count, no times, no names of files)
-- @treturn Run with `dir`, `config`, `finished` (boolean: the result is there) and `resumed`
-- (boolean: a state is there to go on from); or nil and a message that says how to mend
-- @raise "run.open: expected a folder name for dir, got nil"
function M.open(opts)
  if type(opts) ~= "table" or type(opts.dir) ~= "string" or opts.dir == "" then
    error(("run.open: expected a folder name for dir, got %s")
      :format(type(opts) == "table" and tostring(opts.dir) or type(opts)), 2)
  end
  local self = setmetatable({ dir = (opts.dir:gsub("(.)/+$", "%1")) }, Run)
  self.config = opts.config or {}
  local ok, message = system.mkdir(self.dir)
  if not ok then return nil, message end
  self.unlock, message = system.lock(self:path(LOCK))
  if not self.unlock then return nil, self.dir .. ": " .. message end
  files.sweep(self.dir)
  ok, message = settle_config(self, self.config)
  if not ok then
    self:close()
    return nil, message
  end
  self.finished = system.exists(self:path(RESULT))
  self.resumed = not self.finished and system.exists(self:path(STATE))
  if self.finished then os.remove(self:path(STATE)) end -- killed between the two last steps
  return self
end

--- Name of a file inside the run directory.
-- @tparam string name relative name
-- @treturn string
function Run:path(name)
  return self.dir .. "/" .. name
end

--- Names of the two checkpoints.
-- @treturn string state of unfinished work
-- @treturn string the result
function Run:checkpoints()
  return self:path(STATE), self:path(RESULT)
end

--- Opens metrics.jsonl for writing; call once, before the first record.
-- @tparam[opt=0] integer bytes length that belongs to the state one goes on from
-- @treturn boolean true, or nil and a message
function Run:open_log(bytes)
  local message
  self.records, message = log.open(self:path(METRICS), bytes)
  if not self.records then return nil, message end
  return true
end

--- Adds one record to metrics.jsonl.
-- @tparam table record plain values; no times, so that equal runs give equal bytes
-- @tparam[opt] {string,...} order keys that come first
-- @treturn boolean true, or nil and a message
function Run:log(record, order)
  return self.records:append(record, order)
end

--- Writes the state of unfinished work.
-- @tparam {table,...} entries list of { name, tensor }
-- @tparam table metadata texts by name; `metrics_bytes` is added
-- @treturn boolean true, or nil and a message
function Run:save_state(entries, metadata)
  local bytes, message = self.records:sync()
  if not bytes then return nil, message end
  metadata.metrics_bytes = ("%d"):format(bytes)
  return files.write_tensors(self:path(STATE), entries, metadata)
end

--- Reads the state of unfinished work.
-- @treturn table tensors by name, and the metadata; or nil and a message
function Run:load_state()
  return files.read_tensors(self:path(STATE))
end

--- Writes the result, which ends the run, and drops the state.
-- @tparam {table,...} entries list of { name, tensor }
-- @tparam table metadata texts by name
-- @treturn boolean true, or nil and a message
function Run:finish(entries, metadata)
  local ok, message = self.records:sync()
  if ok then ok, message = files.write_tensors(self:path(RESULT), entries, metadata) end
  if not ok then return nil, message end
  os.remove(self:path(STATE))
  system.sync_directory(self.dir)
  self.finished = true
  return true
end

--- Closes the log and gives the folder free. Safe to call twice.
function Run:close()
  if self.records then self.records:close() end
  if self.unlock then self.unlock() end
  self.records, self.unlock = nil, nil
end

return M
