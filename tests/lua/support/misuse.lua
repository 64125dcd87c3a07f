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

--- One value of every kind, without those named in `but`: name -> value.
function M.kinds(cj, but)
  local released = cj.zeros { 1 }
  released:release()
  local all = {
    none = nil,
    boolean = true,
    number = 1.5,
    string = "three",
    table = { "x" },
    func = function() end,
    thread = coroutine.create(function() end),
    userdata = io.stdout,
    released = released,
    tensor = cj.zeros { 2 },
  }
  for _, name in ipairs(but or {}) do all[name] = nil end
  return all
end

return M
