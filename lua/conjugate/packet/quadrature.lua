--- Packets of one or two dimensions by quadrature: twelve digits where losses are smooth.
--
--     local r = cj.packet.quadrature.line { f = function(t) return t * t end, low = 0, high = 1 }
--     print(r.sigma_x, r.sigma_p, r.B, r.bound)
--     print(r)                        -- everything, with errors
--
-- Panels of 8 Gauss-Legendre nodes an axis are bisected until sums over panels and over their
-- halves agree. `errors` say by how much the last bisections changed each number, added up without
-- signs over sixteen groups of panels; where l is smooth the number is far better than that, and
-- where it has many kinks, some three times. `B_gap = B_face - B` and `c_gap` compare what the
-- edges of the box say with what gradients say, so a wrong gradient shows there.
--
-- What a measurement gives is in `conjugate.packet.slice_result`.
-- @module conjugate.packet.quadrature
-- @source the chapter @{uncertainty.md}
local cj = require "conjugate"
local check = require "conjugate.check"
local core = require "conjugate.core"
local slice_result = require "conjugate.packet.slice_result"

local M = {}

local settings = {
  tolerance = 1e-12, panels = 4, points = 400000, batch = 4096,
}

-- Rules of the options that all functions of this file take, and `more`.
function M._rules(more)
  local rules = {}
  for name, value in pairs(settings) do rules[name] = value end
  for name, value in pairs(more) do rules[name] = value end
  return rules
end

--- Measures a slice that is given by a function of points.
-- @tparam function look points float64 [B, axes] -> losses float64 [B], their slopes [B, axes],
--   and, unless the density is constant, density [B] and slopes of its logarithm [B, axes]; the
--   density need not be normalised
-- @tparam {number,...} low one or two numbers
-- @tparam {number,...} high the same
-- @tparam table o `tolerance`, `panels`, `points`, `batch`, see `line`; `roundoff` (0): relative,
--   of losses and slopes; `strict` (true): whether to warn where the tolerance was not reached
-- @treturn table a result
-- @raise "quadrature: the loss is zero everywhere"; a loss, gradient or density that is not finite
function M.measure(look, low, high, o)
  check.func("quadrature", "look", look)
  for name, value in pairs { low = low or 0, high = high or 0, options = o or 0 } do
    check.table("quadrature", name, value)
  end
  check.number("quadrature", "tolerance", o.tolerance, 0)
  check.integer("quadrature", "panels", o.panels, 1, 1024)
  check.integer("quadrature", "points", o.points, 1, 2 ^ 26)
  check.integer("quadrature", "batch", o.batch, 1, 2 ^ 26)
  local values, errors, points, panels, converged = core.packet_quadrature(look, low, high,
    o.tolerance, o.panels, o.points, o.batch, o.roundoff or 0)
  return slice_result.new(values, errors, {
    points = points, panels = panels, converged = converged, tolerance = o.tolerance,
    roundoff = o.roundoff or 0,
    options = { tolerance = o.tolerance, panels = o.panels, points = o.points, batch = o.batch },
  }, o.strict ~= false)
end

--- The value of a function of points, and its slopes by autograd.
-- @tparam string name of the function, for messages
-- @tparam function f points [B, ...] -> [B]
-- @tparam Tensor x points
-- @treturn Tensor [B], cut from the tape
-- @treturn Tensor like x
function M.slopes(name, f, x)
  check.string("slopes", "name", name)
  check.callable("slopes", name, f)
  check.tensor("slopes", "x", x, "float")
  return cj.enable_grad(function()
    local leaf = x:detach()
    leaf.requires_grad = true
    local y = f(leaf)
    check.tensor("quadrature", name, y, "float")
    if y:numel() ~= x:size(1) then
      check.fail("quadrature", "expected one number a point, [%d], from %s, got %s", x:size(1),
        name, check.describe(y))
    end
    y = y:reshape { x:size(1) }
    local g = y.requires_grad and cj.grad(y:sum(), leaf) or cj.zeros_like(x)
    return y:detach(), g
  end)
end

-- l, slope, nu, score of functions of the points that `shape` makes of [B, axes].
local function looker(f, log_density, shape)
  return function(points)
    local x = shape(points)
    local l, slope = M.slopes("f", f, x)
    if not log_density then return l, slope end
    local log_nu, score = M.slopes("log_density", log_density, x)
    return l, slope, log_nu:exp(), score
  end
end

local function as_column(points)
  return points:reshape { points:size(1) }
end

local function same(points)
  return points
end

--- Measures a loss on an interval.
-- @tparam table opts
--
-- - `f`: a function t -> l, both float64 [B], made of operators that have gradients
-- - `low`, `high`: ends of the interval
-- - `log_density`: a function t -> log nu, [B]; not normalised; constant when left out
-- - `tolerance` (1e-12): of the integrals, relative; `panels` (4) to begin with; `points`
--   (400000): no more panels are bisected then; `batch` (4096) points at a time
--
-- @treturn table a result
-- @raise as for `measure`; wrong arguments
-- @usage cj.packet.quadrature.line { f = function(t) return (t * math.pi):sin() end, low = 0,
--   high = 1 }
function M.line(opts)
  local o = check.options("quadrature", opts, M._rules {
    f = { type = "callable", required = true }, log_density = { "callable" },
    low = { type = "number", required = true }, high = { type = "number", required = true },
  })
  return M.measure(looker(o.f, o.log_density, as_column), { o.low }, { o.high }, o)
end

--- Measures a loss on a rectangle.
-- @tparam table opts as for `line`; `f` and `log_density` are functions of points [B, 2], `low`
--   ({ 0, 0 }) and `high` ({ 1, 1 }) lists of two numbers
-- @treturn table a result
-- @raise as for `line`
function M.square(opts)
  local o = check.options("quadrature", opts, M._rules {
    f = { type = "callable", required = true }, log_density = { "callable" },
    low = { "table", { 0, 0 } }, high = { "table", { 1, 1 } },
  })
  if #o.low ~= 2 or #o.high ~= 2 then
    check.fail("quadrature", "expected two numbers for low and for high")
  end
  return M.measure(looker(o.f, o.log_density, same), o.low, o.high, o)
end

return M
