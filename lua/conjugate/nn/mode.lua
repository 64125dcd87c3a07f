--- The mode of networks: training or evaluation, and setting it for a while.
-- @module conjugate.nn.mode
local core = require "conjugate.core"

local M = {}

--- Remembers the mode of a network and of every module in it.
-- @param net a network, or any callable
-- @treturn function sets every module back to the mode it had
function M.modes(net)
  local had = {}
  if type(net) == "table" and net.named_modules then
    for _, entry in ipairs(net:named_modules()) do
      had[#had + 1] = { entry[2], entry[2].training }
    end
  end
  return function()
    for _, pair in ipairs(had) do rawset(pair[1], "training", pair[2]) end
  end
end

--- Calls a function with the network in evaluation mode and sets every module's mode back, also
-- after an error.
-- @param net a network, or any callable
-- @tparam function f called without arguments
-- @return what f gives
function M.in_eval(net, f)
  return core.finally(function()
    if type(net) == "table" and net.eval and net.training ~= nil then net:eval() end
    return f()
  end, M.modes(net))
end

return M
