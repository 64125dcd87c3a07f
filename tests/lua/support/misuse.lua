--- Wrong calls and what they must say.
local assert = require "luassert"

local M = {}

--- f(...) must raise an error that holds `text` literally and names this spec's line.
function M.raises(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "no error; expected: " .. text)
  assert.is_string(message)
  if not message:find(text, 1, true) then
    error(("expected an error with: %s\ngot: %s"):format(text, message), 2)
  end
  return message
end

--- One value of every kind: a list of n, nil among them.
function M.kinds(cj)
  local released = cj.zeros { 1 }
  released:release()
  return {
    true, 1.5, 2, "three", { "x" }, function() end, coroutine.create(function() end), io.stdout,
    released, cj.zeros { 2 }, nil, cj.zeros({ 2, 3 }, "int64"),
    n = 12,
  }
end

return M
