--- A process that measures cells: ours, PyTorch's in one environment, or the multiply-add loop.
-- Requests go to it through a pipe, replies come back through a named one.
local json = require "conjugate.run.json"

local Side = {}
Side.__index = Side

--- Starts a process.
-- @string command for the shell
-- @string log file that takes its standard error
-- @treturn Side with `greeting`, its first reply; or nil when it ends without one
function Side.start(command, log)
  local fifo = os.tmpname()
  os.remove(fifo)
  assert(os.execute(("mkfifo -m 600 %s"):format(fifo)) == 0, "bench: mkfifo does not work")
  local pipe = assert(io.popen(("exec %s > %s 2>> %s"):format(command, fifo, log), "w"))
  local self = setmetatable({ pipe = pipe, replies = assert(io.open(fifo)) }, Side)
  os.remove(fifo) -- both ends are open
  self.greeting = self:read()
  if self.greeting then return self end
  self:stop()
  return nil
end

function Side:read()
  local line = self.replies:read "*l"
  return line and assert(json.decode(line))
end

--- Sends a request and waits for the reply.
-- @treturn table the reply; it has `error` when the request failed
function Side:ask(...)
  if self.dead then return { error = "the process ended" } end
  self.pipe:write(table.concat({ ... }, " "), "\n")
  self.pipe:flush()
  local reply = self:read()
  self.dead = reply == nil
  return reply or { error = "the process ended" }
end

--- Ends the process.
function Side:stop()
  self.pipe:close()
  self.replies:close()
end

return Side
