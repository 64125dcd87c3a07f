--- The laboratory of packets: every number a result reports against quadrature, 200,000 samples a
-- case.
-- @module conjugate.selftest.packets_sampled
local lab = require "conjugate.packet.lab"
local sampled = require "conjugate.packet.lab.sampled"

-- A window has forms of its own; a field is measured with the plain ones.
local function measurements(case)
  if case.domain.reference == "window" then
    return { [""] = {}, ["plain forms, "] = { field = true } }
  end
  return { [""] = { field = true } }
end

return function(report)
  for _, case in ipairs(lab.cases) do
    for form, opts in pairs(case.domain and measurements(case) or {}) do
      for _, row in ipairs(sampled.compare(case, sampled.measure(case, opts))) do
        local truth = row.truth
        if type(truth) == "string" then truth = row.ok and row.measured or truth end
        report(("%s: %s%s"):format(case.name, form, row.quantity), row.measured, truth,
          row.tolerance)
      end
    end
  end
end
