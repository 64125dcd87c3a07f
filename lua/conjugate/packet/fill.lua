--- Fills a measurement of the core to its end, with a progress bar.
-- @module conjugate.packet.fill
local progress = require "conjugate.run.progress"

local SLICES = 40 -- how often the bar moves

--- Calls a step until `total` samples, steps of chains or rounds of pencils are there.
-- @tparam table bar `label`, `total`, `unit`, `quiet`, and `least`: the fewest asked for at once
-- @tparam function step how many more -> how many there are; samples that went forward and backward
-- @treturn integer samples that went forward
-- @treturn integer and backward
return function(bar, step)
  local shown = progress.new {
    label = bar.label, total = bar.total, unit = bar.unit, quiet = bar.quiet,
  }
  local done, forwards, backwards = 0, 0, 0
  local slice = math.max(math.ceil(bar.total / SLICES), bar.least or 1)
  while done < bar.total do
    done, forwards, backwards = step(slice)
    shown:update(done)
  end
  shown:finish()
  return forwards, backwards
end
