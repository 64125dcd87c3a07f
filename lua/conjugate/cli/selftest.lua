--- `conjugate selftest`: closed-form checks of this installation.
-- @module conjugate.cli.selftest
local M = {}

M.summary = "check this installation against closed forms"
M.description = "Attacks on an affine model with known distances, gradients against central "
  .. "differences, the data set that comes with the package, equal bytes for any number of "
  .. "threads, files. Prints what was measured against what was expected."
M.examples = {
  { "selftest", "one line for each check; exits non-zero when one fails" },
  { "selftest --packets", "the laboratory of packets: every known number against quadrature" },
  { "selftest --packets --sampled", "the same cases by 200,000 random points each: some minutes" },
  { "selftest --json", "the same for programs" },
}
M.order = {
  "failed", "passed", "checks", "group", "name", "ok", "measured", "expected", "tolerance", "error",
}

function M.define(parser)
  parser:flag("--packets", "Check the laboratory of packets instead.")
  parser:flag("--sampled", "With --packets: by sampling, too.")
end

local function show(value)
  if type(value) == "number" then return ("%.6g"):format(value) end
  return tostring(value)
end

local function line_of(row)
  if row.error then
    return ("%-4s %-58s %20.13g, expected %20.13g +- %.1e, error %.1e"):format(
      row.ok and "ok" or "FAIL", row.name, row.measured, row.expected, row.tolerance, row.error)
  end
  local expected = show(row.expected)
  if row.tolerance then expected = ("%s +- %.2g"):format(expected, row.tolerance) end
  return ("%-4s %-12s %-46s %s, expected %s"):format(row.ok and "ok" or "FAIL", row.group, row.name,
    show(row.measured), expected)
end

local function groups(options)
  if not options.packets then return nil end
  return { "packets", options.sampled and "packets_sampled" or nil }
end

function M.run(options)
  if options.sampled and not options.packets then
    return nil, "--sampled goes with --packets"
  end
  local rows = require("conjugate.selftest").run(groups(options))
  local lines, failures = {}, 0
  for i, row in ipairs(rows) do
    lines[i] = line_of(row)
    failures = failures + (row.ok and 0 or 1)
  end
  lines[#lines + 1] = ("%d checks, %d failed"):format(#rows, failures)
  return { failed = failures > 0, passed = #rows - failures, checks = rows },
    table.concat(lines, "\n")
end

return M
