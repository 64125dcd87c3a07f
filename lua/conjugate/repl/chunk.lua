--- Turns what was typed into something to run: an expression or a statement; or asks for more.
-- @module conjugate.repl.chunk
local M = {}

-- A leading `local` would end with the line; dropping it lets the name live on, so that examples
-- can be pasted line by line. `local x` alone becomes `x = nil`.
local function keep_names(source)
  local rest = source:match "^%s*local%s+(.*)$"
  if not rest then return source end
  if rest:match "^function%s" then return rest end
  if rest:match "^[%a_][%w_%s,]*=[^=]" or rest:match "^[%a_][%w_%s,]*=$" then return rest end
  local names = rest:match "^([%a_][%w_%s,]*)$"
  return names and names .. " = nil" or source
end

--- Compiles source.
-- @tparam string source one or more lines
-- @tparam table env its global names
-- @treturn ?function the compiled chunk, or nil
-- @treturn ?string "more" when the text ends too early, else the syntax error
function M.compile(source, env)
  local expression = load("return " .. source, "=prompt", "t", env)
  if expression then return expression end
  local f, message = load(keep_names(source), "=prompt", "t", env)
  if f then return f end
  -- keep_names may hide what is wrong: the message is about what was typed
  local _, plain = load(source, "=prompt", "t", env)
  message = plain or message
  if message:find "'<eof>'$" or message:find "near '<eof>'" or message:find "unfinished long" then
    return nil, "more"
  end
  return nil, message
end

return M
