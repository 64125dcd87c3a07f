--- The laboratory of packets: every known number against quadrature.
-- @module conjugate.selftest.packets
local lab = require "conjugate.packet.lab"

return function(report)
  for _, case in ipairs(lab.cases) do
    for _, row in ipairs(lab.compare(case)) do
      report(("%s: %s"):format(case.name, row.quantity), row.measured, row.truth, row.tolerance,
        row.error)
    end
  end
end
