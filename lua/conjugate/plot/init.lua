--- Pictures: charts, image grids, heat maps and terminal sketches.
--
-- `plot.figure.save` writes a chart as .csv and .gp and draws it with gnuplot; `plot.grid.save` and
-- `plot.heatmap.save` write PNG files without it; `plot.sketch.curve` and `plot.sketch.images`
-- return text for the terminal. Parts load on first use.
-- @module conjugate.plot

local parts = {
  figure = true, grid = true, heatmap = true, sketch = true, canvas = true, colour = true,
  font = true, values = true,
}

return setmetatable({}, {
  __index = function(self, name)
    if not parts[name] then return nil end
    local part = require("conjugate.plot." .. name)
    rawset(self, name, part)
    return part
  end,
})
