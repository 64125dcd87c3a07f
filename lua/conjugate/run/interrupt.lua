--- Ctrl-C in work that must only stop at certain places.
--
-- Inside `guard`, the first Ctrl-C waits and becomes an error at the next `poll`; a second one
-- raises at once. So work that is saved at its polls is always saved whole.
-- @module conjugate.run.interrupt
local core = require "conjugate.core"

local M = {}

--- Is an error an interruption by the user?
-- @param message an error value
-- @treturn boolean
function M.is(message)
  return type(message) == "string" and message:find("interrupted", 1, true) ~= nil
end

--- Is a Ctrl-C waiting for a poll?
-- @treturn boolean
function M.pending()
  return core.interrupt_pending()
end

--- Raises "interrupted" here if a Ctrl-C is waiting.
-- @raise "interrupted"
function M.poll()
  if core.interrupt_pending(true) then error("interrupted", 0) end
end

--- Calls a function in which the first Ctrl-C waits for a poll.
-- @tparam function f called without arguments; it cannot yield
-- @return true and what f gives, or false and the error, as pcall
function M.guard(f)
  return core.interrupt_call(true, nil, f)
end

return M
