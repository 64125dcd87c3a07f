--- A result of a packet as text: what `print` shows.
-- @module conjugate.packet.text
local matrix = require "conjugate.packet.matrix"

local M = {}

-- Least, median and most of those that are numbers.
local function spread(v)
  local list = {}
  for _, x in ipairs(v:table()) do
    if x == x then list[#list + 1] = x end
  end
  table.sort(list)
  local function at(share)
    return list[math.max(math.ceil(share * #list), 1)] or 0 / 0
  end
  return at(0), at(0.5), at(1)
end

local shown = { "sigma_x", "g", "c", "sigma_p", "B", "B_face", "bound", "P", "U", "slack",
  "tightness", "field_sd", "field_cov", "field_corr", "field_bound" }

-- How the points were drawn, and how good they are.
local function origin(r)
  local beta = r.beta and (", beta %.6g +- %.2g"):format(r.beta, r.beta_error) or ""
  local c = r.chains
  local d = r.defence
  if not c then
    local tilt = d and (", tilt %.3g, share %g"):format(d.tilt:pow(2):sum():item() ^ 0.5, d.share)
      or ""
    return ("N %d, ESS %.0f (%.1f %%), largest share %.2g, Pareto k %.2f%s"):format(r.samples,
      r.ess, 100 * r.ess / r.samples, r.largest, r.k, beta) .. tilt
  end
  return ("%s: %d chains of %d + %d steps, acceptance %.2f, step %.3g, R-hat %.3f, ESS %.0f%s")
    :format(r.sampler, c.chains, c.burn, c.keep, c.acceptance, c.eps, c.rhat, r.ess, beta)
end

local function pencils(p)
  local few = #p.pixels <= 16 and " " .. table.concat(p.pixels, ", ") or (": %d"):format(#p.pixels)
  local _, product = spread(p.values.P)
  local _, error_ = spread(p.errors.P)
  local _, _, rule = spread(p.quadrature.P)
  return ("%d pencils of %d nodes along pixels%s: median P %.6g +- %.2g, "
    .. "of quadrature at most %.2g"):format(p.samples, p.nodes, few, product, error_, rule)
end

local function append_totals(lines, t)
  lines[#lines + 1] = ("all pixels: sigma_x %.6g, sigma_p %.6g +- %.2g, P %.6g +- %.2g, bound %.4g")
    :format(t.sigma_x[1], t.sigma_p[1], t.sigma_p[2], t.P[1], t.P[2], t.bound[1])
  if not t.loss_part then return end
  lines[#lines + 1] = ("loss part of sum g^2 %.4g +- %.2g"):format(unpack(t.loss_part))
    .. (t.rms_gradient and (", rms gradient %.4g"):format(t.rms_gradient[1]) or "")
end

--- A result as text.
-- @tparam table self a result
-- @treturn string several lines
function M.of(self)
  local lines = {
    ("packet of %s, label %d, reference %s: %s"):format(self.loss, self.label, self.reference,
      self.status),
    origin(self),
  }
  for _, reason in ipairs(self.reasons) do lines[#lines + 1] = self.status .. ": " .. reason end
  if self.status == "unreliable" then return table.concat(lines, "\n") end
  lines[#lines + 1] = ("%-11s %13s %13s %13s %13s"):format("", "least", "median", "most",
    "median error")
  for _, name in ipairs(shown) do
    local part = name == "B_face" and (self.faces or self.pencils) or self
    if part.values[name] then
      local low, middle, high = spread(part.values[name])
      local _, error_ = spread(part.errors[name])
      lines[#lines + 1] = ("%-11s %13.6g %13.6g %13.6g %13.2g"):format(name, low, middle, high,
        error_)
    end
  end
  append_totals(lines, self.totals)
  if self.pencils then lines[#lines + 1] = pencils(self.pencils) end
  matrix.text(self, lines)
  if self.counts then
    lines[#lines + 1] = ("sigma_x sigma_p >= |1 - B| / 2: holds for %d pixels, violated for %d, "
      .. "undecided for %d"):format(self.counts.holds, self.counts.violated,
      self.counts.undecided)
  end
  return table.concat(lines, "\n")
end

return M
