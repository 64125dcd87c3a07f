--- The printed form of a plan: one line a step, what it costs, and where the time went.
-- @module conjugate.show_plan
local M = {}

local function bytes_text(n)
  local units, i = { "B", "KiB", "MiB", "GiB" }, 1
  while n >= 1024 and i < #units do n, i = n / 1024, i + 1 end
  return ("%.4g %s"):format(n, units[i])
end

local function heading(p)
  return ("plan of %s: %d steps; pieces of %d images in %s a thread; weights %s"):format(p.name,
    #p.steps, p.rows, bytes_text(p.bytes), bytes_text(p.weight_bytes))
end

local function total(p)
  local sums = { flops = 0, bytes = 0, forward = 0, backward = 0 }
  for _, step in ipairs(p.steps) do
    for key, sum in pairs(sums) do sums[key] = sum + step[key] end
  end
  return sums
end

local function time_text(step, sums)
  local all = sums.forward + sums.backward
  local here = step.forward + step.backward
  return ("  %9.3f %9.3f  %5.1f %%"):format(1e3 * step.forward, 1e3 * step.backward,
    all > 0 and 100 * here / all or 0)
end

local function row(p, what, step, sums)
  local text = ("  %-44s %-16s %10.3f %10.1f"):format(what, step.how or "", step.flops / 1e6,
    step.bytes / 1024)
  return p.profiled and text .. time_text(step, sums) or text
end

--- A plan's description as lines of text.
-- @tparam table p what `plan:describe()` or `plan:profile()` gives
-- @treturn string
function M.text(p)
  local sums = total(p)
  local head = ("  %-44s %-16s %10s %10s"):format("step", "algorithm", "MFLOP", "KiB")
  if p.profiled then head = head .. ("  %9s %9s  %7s"):format("ms", "ms back", "share") end
  local lines = { heading(p), head }
  for _, step in ipairs(p.steps) do lines[#lines + 1] = row(p, step.what, step, sums) end
  lines[#lines + 1] = row(p, "all", sums, sums)
  return table.concat(lines, "\n")
end

local printable = { __tostring = M.text }

--- Makes print show a description as a table.
-- @tparam table p the description
-- @treturn table the same
function M.printable(p)
  return setmetatable(p, printable)
end

return M
