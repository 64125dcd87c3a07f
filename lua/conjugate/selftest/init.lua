--- Closed-form checks of an installation: `conjugate selftest`.
--
-- A group of checks is a file of this folder that returns a function of `report`; it calls
-- report(name, measured, expected, tolerance, error) for each check. Numbers pass within the
-- tolerance, all other values when they are equal; a relative error, where there is one, is shown.
-- @module conjugate.selftest
local M = {}

--- The groups in the order they run.
M.groups = { "affine", "attacks", "metrics", "gradients", "plans", "data", "determinism", "files" }

local function passes(measured, expected, tolerance)
  if type(measured) == "number" and type(expected) == "number" then
    return math.abs(measured - expected) <= (tolerance or 0)
  end
  return measured == expected
end

local function run_group(name, rows)
  local function report(what, measured, expected, tolerance, relative)
    rows[#rows + 1] = {
      group = name, name = what, measured = measured, expected = expected, tolerance = tolerance,
      error = relative, ok = passes(measured, expected, tolerance),
    }
  end
  local ok, message = pcall(function() require("conjugate.selftest." .. name)(report) end)
  if ok then return end
  if tostring(message):find("interrupted", 1, true) then error(message, 0) end
  rows[#rows + 1] = {
    group = name, name = "runs without an error", measured = tostring(message),
    expected = "no error", ok = false,
  }
end

--- Runs checks.
-- @tparam[opt] {string,...} groups names; `groups` when left out. Two more are the laboratory of
--   packets: "packets" by quadrature, "packets_sampled" by sampling.
-- @treturn {table,...} rows: group, name, measured, expected, tolerance, error, ok
function M.run(groups)
  local rows = {}
  for _, name in ipairs(groups or M.groups) do run_group(name, rows) end
  return rows
end

return M
