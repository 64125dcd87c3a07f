--- What a result was measured on.
local M = {}

--- First line that a command prints, or nil.
-- @string command for the shell
-- @treturn ?string
function M.first_line(command)
  local pipe = io.popen(command .. " 2>/dev/null")
  local line = pipe:read "*l"
  pipe:close()
  return line
end

--- Processor, cores and commit.
-- @treturn table
function M.about()
  return {
    processor = M.first_line "sed -n 's/^model name.*: //p' /proc/cpuinfo" or "unknown",
    cores = tonumber(M.first_line "nproc"),
    commit = M.first_line "git rev-parse --short=12 HEAD" or "unknown",
    changed = M.first_line "git status --porcelain --untracked-files=no" ~= nil,
  }
end

return M
