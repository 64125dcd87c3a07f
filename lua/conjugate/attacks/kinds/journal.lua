--- What long attacks have found so far, in a folder: sample by sample, safe from kill -9.
--
--   config.json    what was asked for; a folder of another attack is refused
--   journal.jsonl  one line an entry, in the order in which they were found
--   rows.bin       rows of tensors that entries refer to, one after the other
--
-- Rows are on the disk before the lines that refer to them. On opening, a torn last line and rows
-- that no line refers to are cut off. No file holds a time, so work that was killed and went on
-- ends with the same bytes as work that was not.
-- @module conjugate.attacks.kinds.journal
local core = require "conjugate.core"
local json = require "conjugate.run.json"
local log = require "conjugate.run.log"
local runs = require "conjugate.run"
local system = require "conjugate.run.system"

local Journal = {}
Journal.__index = Journal

local M = {}

local LINES, ROWS = "journal.jsonl", "rows.bin"

local function assert_ok(ok, message)
  if not ok then error(message, 0) end
  return ok
end

-- Length of the whole lines of a text.
local function whole_lines(text)
  local reversed = text:reverse():find("\n", 1, true)
  return reversed and #text - reversed + 1 or 0
end

local function read_entries(self)
  local path = self.run:path(LINES)
  local text = system.exists(path) and assert_ok(system.read(path)) or ""
  local bytes, rows = whole_lines(text), 0
  for line in text:sub(1, bytes):gmatch "([^\n]*)\n" do
    local entry, message = json.decode(line)
    if type(entry) ~= "table" then error(("%s: %s"):format(path, message or line), 0) end
    self.entries[#self.entries + 1] = entry
    rows = entry.row_end or rows
  end
  return bytes, rows
end

local function open_rows(self, bytes)
  local path = self.run:path(ROWS)
  local held = system.size(path) or 0
  if held < bytes then
    error(("%s has %d bytes where the journal counts %d: it was changed from outside"):format(path,
      held, bytes), 0)
  end
  if held > bytes then assert_ok(system.truncate(path, bytes)) end
  self.rows, self.row_bytes = assert_ok(io.open(path, "a+b")), bytes
end

--- Opens a journal: makes the folder, or reads what is there.
-- @string dir folder
-- @tparam table config all that changes the results
-- @treturn Journal with `entries`, those written before
-- @raise another process works there, or another attack did; files that were changed
function M.open(dir, config)
  if dir == "" then error('expected the name of a folder, got ""', 0) end
  local run, message = runs.open { dir = dir, config = config }
  if not run then error(message, 0) end
  local self = setmetatable({ run = run, entries = {} }, Journal)
  local ok, why = pcall(function()
    local bytes, rows = read_entries(self)
    self.lines = assert_ok(log.open(run:path(LINES), bytes))
    open_rows(self, rows)
  end)
  if not ok then
    self:close()
    error(why, 0)
  end
  return self
end

--- Adds entries and waits until they are on the disk.
-- @tparam {table,...} entries plain values; `row`, a tensor [1, ...], goes to the rows, and the
--   line has `row_end`, where it ends there
-- @tparam {string,...} order keys that come first
function Journal:add(entries, order)
  local lines = {}
  for i, entry in ipairs(entries) do
    lines[i] = {}
    for key, value in pairs(entry) do
      if key ~= "row" then lines[i][key] = value end
    end
    if entry.row then
      local bytes = entry.row:contiguous():bytes()
      assert_ok(self.rows:write(bytes))
      self.row_bytes = self.row_bytes + #bytes
      lines[i].row_end = self.row_bytes
    end
  end
  assert_ok(system.sync(self.rows))
  for _, line in ipairs(lines) do assert_ok(self.lines:append(line, order)) end
  assert_ok(self.lines:sync())
end

--- The row that an entry of a former process refers to.
-- @tparam table entry with `row_end`
-- @string dtype type of the elements
-- @tparam {integer,...} sizes of the row, [1, ...]
-- @treturn Tensor
function Journal:row(entry, dtype, sizes)
  local bytes = dtype == "float64" and 8 or 4
  for _, size in ipairs(sizes) do bytes = bytes * size end
  self.rows:seek("set", entry.row_end - bytes)
  local text = self.rows:read(bytes)
  if not text or #text < bytes then error(self.run:path(ROWS) .. " cannot be read", 0) end
  return core.from_bytes(text, dtype, sizes)
end

--- Closes the files and gives the folder free.
function Journal:close()
  if self.lines then self.lines:close() end
  if self.rows then self.rows:close() end
  self.run:close()
end

return M
