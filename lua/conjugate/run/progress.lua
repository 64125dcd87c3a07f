--- Progress of long work on standard error: a bar with rate and ETA on a terminal, a plain line at
-- most every ten seconds elsewhere, nothing when asked.
-- @module conjugate.run.progress
-- @usage
-- local p = progress.new { label = "epoch 1/3", total = 469, unit = "batches" }
-- for i = 1, 469 do p:update(i, "loss 0.1234") end
-- p:finish("loss 0.1034")
local system = require "conjugate.run.system"

local Progress = {}
Progress.__index = Progress

local M = {}

local shown_bar -- the one that is on the terminal now
local REDRAW, PLAIN = 0.1, 10 -- seconds between two showings
local BAR = 24
local EIGHTHS = { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }

local function utf8_terminal()
  local lang = os.getenv "LC_ALL" or os.getenv "LC_CTYPE" or os.getenv "LANG" or ""
  return lang:upper():find "UTF%-?8" ~= nil
end

--- A time span as text.
-- @tparam number seconds any number >= 0
-- @treturn string "4.2 s", "1:23" or "2:03:04"
function M.duration(seconds)
  if seconds ~= seconds or seconds == math.huge then return "?" end
  if seconds < 60 then return ("%.1f s"):format(seconds) end
  local s = math.floor(seconds + 0.5)
  if s < 3600 then return ("%d:%02d"):format(math.floor(s / 60), s % 60) end
  return ("%d:%02d:%02d"):format(math.floor(s / 3600), math.floor(s / 60) % 60, s % 60)
end

--- Begins to show a piece of work.
-- @tparam table opts `label` (text), `total` (number of units; nil when unknown), `unit` (plural
-- name), `quiet` (boolean; the environment variable CONJUGATE_QUIET=1 does the same), `done` (units
-- done before, for work that is continued). For tests: `write`, `now`, `terminal`, `columns`,
-- `utf8`.
-- @treturn Progress
function M.new(opts)
  local self = setmetatable({}, Progress)
  self.label, self.total, self.unit = opts.label or "", opts.total, opts.unit or "steps"
  local hushed = not opts.write and os.getenv "CONJUGATE_QUIET" == "1"
  self.quiet = opts.quiet or hushed
  self.write = opts.write or function(text)
    io.stderr:write(text)
    io.stderr:flush()
  end
  self.now = opts.now or system.now
  self.terminal = opts.terminal
  if self.terminal == nil then self.terminal = system.is_terminal(2) end
  self.utf8 = opts.utf8
  if self.utf8 == nil then self.utf8 = utf8_terminal() end
  self.columns = opts.columns
  self.first = opts.done or 0
  self.done = self.first
  self.started = self.now()
  self.shown = self.terminal and -math.huge or self.started
  return self
end

local function bar(share, utf8)
  local cells = share * BAR
  local full = math.floor(cells)
  if not utf8 then return ("#"):rep(full) .. ("."):rep(BAR - full) end
  local part = EIGHTHS[math.floor((cells - full) * 8)] or ""
  return ("█"):rep(full) .. part .. (" "):rep(BAR - full - (part == "" and 0 or 1))
end

local function rate_text(rate, unit)
  if rate <= 0 then return nil end
  if rate < 1 then return ("%.2f s each"):format(1 / rate) end
  return (rate < 100 and "%.1f %s/s" or "%.0f %s/s"):format(rate, unit)
end

-- The line that describes the state, without the bar.
local function facts_of(self, text, elapsed)
  local parts = {}
  local rate = elapsed > 0 and (self.done - self.first) / elapsed or 0
  if self.total then
    parts[1] = ("%d/%d %s"):format(self.done, self.total, self.unit)
  else
    parts[1] = ("%d %s"):format(self.done, self.unit)
  end
  parts[#parts + 1] = rate_text(rate, self.unit)
  if self.total and rate > 0 and self.done < self.total then
    parts[#parts + 1] = "ETA " .. M.duration((self.total - self.done) / rate)
  end
  if text and text ~= "" then parts[#parts + 1] = text end
  return table.concat(parts, ", ")
end

-- Cuts a line to the terminal's width, counting UTF-8 characters and not bytes.
local function fit(line, columns)
  local seen = 0
  for position in line:gmatch "()[%z\1-\127\194-\244][\128-\191]*" do
    seen = seen + 1
    if seen > columns then return line:sub(1, position - 1) end
  end
  return line
end

local function show(self, text)
  local elapsed = self.now() - self.started
  local facts = facts_of(self, text, elapsed)
  local prefix = self.label ~= "" and self.label .. "  " or ""
  if not self.terminal then
    self.write(prefix .. facts .. "\n")
    return
  end
  if self.total and self.total > 0 then
    local share = math.min(1, math.max(0, self.done / self.total))
    prefix = ("%s%3d %% |%s| "):format(prefix, math.floor(share * 100), bar(share, self.utf8))
  end
  local columns = self.columns or system.columns(2)
  self.write("\r" .. fit(prefix .. facts, columns - 1) .. "\27[K")
  self.open, shown_bar = true, self
end

--- Says how far the work is; cheap enough to call at every step.
-- @tparam number done units done so far
-- @tparam[opt] string text shown behind the rate, such as the loss
function Progress:update(done, text)
  self.done = done
  if self.quiet then return end
  local now = self.now()
  if now - self.shown < (self.terminal and REDRAW or PLAIN) then return end
  self.shown = now
  show(self, text)
end

--- Takes the bar away from the terminal without a last line.
function Progress:clear()
  if shown_bar == self then shown_bar = nil end
  if self.open then self.write("\r\27[K") end
  self.open = false
end

--- Takes away whatever bar is on the terminal, before something else is written there.
function M.clear()
  if shown_bar then shown_bar:clear() end
end

--- Ends the showing with one last line; on a terminal it replaces the bar.
-- @tparam[opt] string text shown behind the count
function Progress:finish(text)
  if self.quiet or self.finished then return end
  self.finished = true
  local elapsed = self.now() - self.started
  local line = ("%s%s%d %s in %s%s\n"):format(self.label, self.label ~= "" and "  " or "",
    self.done, self.unit, M.duration(elapsed), text and ", " .. text or "")
  self:clear()
  self.write(line)
end

return M
