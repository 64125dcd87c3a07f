--- What a measurement of a packet gives: numbers with standard errors, or a refusal.
--
-- Fields: `label`, `loss`, `reference`, `samples`, `seed`, `ess` (effective sample size), `largest`
-- (share of the largest weight), `k` (Pareto shape of the weights' tail), `beta` with `beta_error`,
-- `status` ("ok", "warn", "unreliable"), `reasons`, `forwards`, `backwards`, `seconds`.
--
-- Unless the status is "unreliable": `values[name]` and `errors[name]`, float64 [M], for every
-- quantity that was measured (`conjugate.packet.quantities()`), and `faces`, the same for the
-- pixels whose faces were asked for (`faces.pixels`, from 1), with `faces.verdicts`, one of
-- "holds", "violated" or "undecided" each. On all of R^M (window, data) nothing is left at the
-- edge, and `verdicts` are of all pixels.
--
-- `totals[name] = { value, error }` of all pixels together: `sigma_x` and `sigma_p` (roots of sums
-- of squares), their product `P` and `bound` = sum |1 - B| / 2, which it cannot be below; the three
-- parts of sum g^2, `loss_part`, `cross_part`, `window_part`, and `rms_gradient` = sqrt(beta
-- loss_part), the root mean square of |grad l|. Errors by the jackknife over 32 batches.
--
-- `sampler` is "plain", or "mala" or "hmc" for points of rho itself. Then `chains` holds the
-- settings and diagnostics (`conjugate.packet.chains`), `ess` is the least over the pixels and
-- log rho, and standard errors come from the spread of 32 groups of chains (31 degrees of
-- freedom). Chains do not tell beta: `beta` is there only when points of the reference were
-- measured too (`plain`, with the sampler "auto") and not refused. On a box they do not ask for
-- faces either: B is of the volume, and without a second B there is no verdict.
--
-- A verdict is "holds" when slack = P - bound is above -q standard errors, q the normal quantile
-- for all pixels together (Bonferroni, 5 %), "violated" below, and "undecided" when the error is no
-- number, or when chains have too few samples that carry g to trust its error.
-- @module conjugate.packet.result
local core = require "conjugate.core"
local files = require "conjugate.run.files"

local M = {}

local Result = {}
Result.__index = Result

-- Gates of the weights: { reason, refuse } tests.
local MOST_SHARE, MOST_K, LEAST_ESS, FEW_ESS, FAR = 0.1, 0.7, 100, 1000, 3
-- Gates of chains. From a Pareto shape of 1/2 on, what g^2 is a mean of has no variance.
local MOST_RHAT, FINE_RHAT, LEAST_CHAIN_ESS, MOST_TAIL = 1.05, 1.01, 400, 0.5
-- Relative error of g above which its standard error is itself rough: where single pixels make l
-- vanish, among hundreds, few samples carry g^2, and the defence, which looks at |grad log l|, does
-- not see them.
local ROUGH = 0.05

-- A list, and a function that adds a text to it where a condition holds.
local function reasons()
  local list = {}
  return list, function(condition, text, ...)
    if condition then list[#list + 1] = text:format(...) end
  end
end

local function refusals(r)
  local list, refuse = reasons()
  refuse(r.beta <= 0 or r.beta ~= r.beta, "the loss is zero at every sample")
  refuse(r.ess < LEAST_ESS, "effective sample size %.1f, below %d", r.ess, LEAST_ESS)
  refuse(r.largest > MOST_SHARE, "one sample has %.1f %% of the weight", 100 * r.largest)
  refuse(r.k > MOST_K, "the weights' tail is heavy: Pareto k = %.2f, above %.1f", r.k, MOST_K)
  return list
end

local function chain_refusals(c)
  local list, refuse = reasons()
  refuse(c.lost > 0, "%d of %d chains found no point with a loss above zero", c.lost, c.chains)
  refuse(c.rhat > MOST_RHAT, "the chains disagree: R-hat %.3f, above %.2f", c.rhat, MOST_RHAT)
  refuse(c.ess < LEAST_CHAIN_ESS, "effective sample size %.1f of the chains, below %d", c.ess,
    LEAST_CHAIN_ESS)
  refuse(c.tail_k > MOST_TAIL,
    "|grad log l|^2 is heavy-tailed (Pareto k = %.2f, above %.1f): g has no standard error",
    c.tail_k, MOST_TAIL)
  return list
end

local function columns(values, errors, names)
  local out = { values = {}, errors = {} }
  for q, name in ipairs(names) do
    local v = values:select(1, q)
    local first = v:get(1)
    if first == first or v:eq(v):to("int64"):sum():item() > 0 then
      out.values[name], out.errors[name] = v, errors:select(1, q)
    end
  end
  return out
end

-- The largest |gap| / error over the pixels.
local function worst_z(part, name)
  if not part.values[name] then return nil end
  local gaps, errors, worst = part.values[name]:table(), part.errors[name]:table(), 0
  for i, gap in ipairs(gaps) do
    if errors[i] > 0 then worst = math.max(worst, math.abs(gap) / errors[i]) end
  end
  return worst
end

-- The x with P(|N(0, 1)| > x) = p, by bisection on a continued upper bound of the tail.
local function two_sided_quantile(p)
  local low, high = 0, 40
  local function tail(x) -- 2 (1 - Phi(x)), Chebyshev fit of erfc (Press et al., section 6.2)
    local t = 1 / (1 + 0.5 * (x / math.sqrt(2)))
    local z = x / math.sqrt(2)
    local sum = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418
      + t * (-0.18628806 + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587
      + t * (-0.82215223 + t * 0.17087277))))))))
    return t * math.exp(-z * z + sum)
  end
  for _ = 1, 100 do
    local middle = (low + high) / 2
    if tail(middle) > p then low = middle else high = middle end
  end
  return high
end

-- Bonferroni over `count` pixels, 5 % in all; never below three standard errors.
local function quantile(count)
  return math.max(two_sided_quantile(0.05 / count), FAR)
end

local function judge(part)
  local slack, errors = part.values.slack:table(), part.errors.slack:table()
  local q, verdicts = quantile(#slack), {}
  part.counts = { holds = 0, violated = 0, undecided = 0 }
  for i, s in ipairs(slack) do
    local known = s == s and errors[i] == errors[i]
    verdicts[i] = not known and "undecided" or s > -q * errors[i] and "holds" or "violated"
    part.counts[verdicts[i]] = part.counts[verdicts[i]] + 1
  end
  part.verdicts = verdicts
end

local function warnings(r, part)
  local list = {}
  if r.ess < FEW_ESS then list[1] = ("effective sample size %.0f"):format(r.ess) end
  for _, name in ipairs { "B_gap", "c_gap" } do
    local worst = worst_z(part, name)
    local limit = worst and quantile(#part.verdicts)
    if worst and worst > limit then
      list[#list + 1] = ("%s: boundary and volume differ by %.1f standard errors, limit %.1f")
        :format(name, worst, limit)
    end
    r["z_" .. name] = worst
  end
  return list
end

local function fill(r, m, place, face_pixels)
  local names = core.packet_quantities()
  local values, errors = core.packet_estimates(m, place, false)
  local all = columns(values, errors, names)
  r.values, r.errors, r.totals = all.values, all.errors, core.packet_totals(m, place)
  local judged = all
  if #face_pixels > 0 then
    values, errors = core.packet_estimates(m, place, true)
    r.faces = columns(values, errors, names)
    r.faces.pixels, r.faces.samples = face_pixels, r.options.faces
    judged = r.faces
  end
  if judged.values.B_face then
    judge(judged)
    r.verdicts, r.counts = judged.verdicts, judged.counts
    r.reasons = warnings(r, judged)
  end
end

-- What every result says; values and a status are still to come.
local function start(packet, o, label, work)
  return setmetatable({
    label = label, loss = packet.loss, reference = packet.reference, shape = packet.shape,
    tau = packet.reference ~= "box" and packet.tau or nil, clip = packet.clip, seed = o.seed,
    options = o, reasons = {}, forwards = work.forwards, backwards = work.backwards,
    seconds = work.seconds,
  }, Result)
end

local function refuse_for(r, refused)
  r.status, r.reasons = "unreliable", refused
  return r
end

--- Makes the result of one label, from points of the reference.
-- @tparam table packet the packet
-- @tparam table o options of the measurement
-- @param m the measurement
-- @tparam integer place of the label, from 1
-- @tparam integer label from 0
-- @tparam table work forwards, backwards, seconds (of all labels)
-- @treturn table see above
function M.new(packet, o, m, place, label, work)
  local even = core.packet_evenness(m, place)
  local values, errors = core.packet_estimates(m, place, false)
  local r = start(packet, o, label, work)
  r.sampler, r.samples, r.ess = "plain", even.samples, even.ess
  r.largest, r.k = even.largest, even.k
  r.beta, r.beta_error = values:get(1, 1), errors:get(1, 1)
  local refused = refusals(r)
  if #refused > 0 then return refuse_for(r, refused) end
  fill(r, m, place, o.face_pixels)
  r.status = #r.reasons > 0 and "warn" or "ok"
  return r
end

-- Pixels where few samples carry g. Where there are some, no pixel's error is good enough to call
-- the inequality violated.
local function count_rough(r)
  local values, errors, rough = r.values.g:table(), r.errors.g:table(), 0
  for i, g in ipairs(values) do
    if errors[i] > ROUGH * g then rough = rough + 1 end
  end
  if rough == 0 or not r.verdicts then return rough, #values end
  for i, verdict in ipairs(r.verdicts) do
    if verdict == "violated" then r.verdicts[i] = "undecided" end
  end
  r.counts.undecided, r.counts.violated = r.counts.undecided + r.counts.violated, 0
  return rough, #values
end

local function chain_warnings(r)
  local list, warn = reasons()
  local rough, pixels = count_rough(r)
  warn(r.chains.rhat > FINE_RHAT, "R-hat %.3f, above %.2f", r.chains.rhat, FINE_RHAT)
  warn(rough > 0, "few samples carry g at %d of %d pixels: their errors, above %g %%, are rough",
    rough, pixels, 100 * ROUGH)
  return list
end

--- Makes the result of one label, from points of rho.
-- @tparam table packet the packet
-- @tparam table o options of the measurement
-- @param m the measurement
-- @tparam table c what the chains say of themselves
-- @tparam integer label from 0
-- @tparam table work forwards, backwards, seconds
-- @treturn table see above
function M.walked(packet, o, m, c, label, work)
  local r = start(packet, o, label, work)
  r.sampler, r.chains, r.samples, r.ess = c.method, c, c.chains * c.keep, c.ess
  local refused = chain_refusals(c)
  if #refused > 0 then return refuse_for(r, refused) end
  fill(r, m, 1, {})
  r.values.beta, r.errors.beta, r.totals.rms_gradient = nil, nil, nil
  for _, reason in ipairs(chain_warnings(r)) do r.reasons[#r.reasons + 1] = reason end
  r.status = #r.reasons > 0 and "warn" or "ok"
  return r
end

--- The better of two results of one label: that of the chains, with beta of the plain one, unless
-- only the plain one was not refused.
-- @tparam table plain from points of the reference
-- @tparam table walked from chains
-- @treturn table one of them; of the chains, with `plain` = the other
function M.choose(plain, walked)
  if walked.status == "unreliable" and plain.status ~= "unreliable" then
    plain.status = "warn"
    for _, reason in ipairs(walked.reasons) do
      plain.reasons[#plain.reasons + 1] = walked.sampler .. ": " .. reason
    end
    return plain
  end
  walked.plain = plain
  if plain.status ~= "unreliable" then
    walked.beta, walked.beta_error = plain.beta, plain.beta_error
  end
  return walked
end

local function spread(v)
  local list = v:table()
  table.sort(list)
  local function at(share)
    return list[math.max(math.ceil(share * #list), 1)]
  end
  return at(0), at(0.5), at(1)
end

local shown = { "sigma_x", "g", "c", "sigma_p", "B", "B_face", "bound", "P", "U", "slack",
  "tightness" }

-- How the points were drawn, and how good they are.
local function origin(r)
  local beta = r.beta and (", beta %.6g +- %.2g"):format(r.beta, r.beta_error) or ""
  local c = r.chains
  if not c then
    return ("N %d, ESS %.0f (%.1f %%), largest share %.2g, Pareto k %.2f%s"):format(r.samples,
      r.ess, 100 * r.ess / r.samples, r.largest, r.k, beta)
  end
  return ("%s: %d chains of %d + %d steps, acceptance %.2f, step %.3g, R-hat %.3f, ESS %.0f%s")
    :format(r.sampler, c.chains, c.burn, c.keep, c.acceptance, c.eps, c.rhat, r.ess, beta)
end

function Result:__tostring()
  local lines = {
    ("packet of %s, label %d, reference %s: %s"):format(self.loss, self.label, self.reference,
      self.status),
    origin(self),
  }
  for _, reason in ipairs(self.reasons) do lines[#lines + 1] = self.status .. ": " .. reason end
  if self.status == "unreliable" then return table.concat(lines, "\n") end
  lines[#lines + 1] = ("%-10s %13s %13s %13s %13s"):format("", "least", "median", "most",
    "median error")
  for _, name in ipairs(shown) do
    local part = self.faces and self.faces.values[name] and name == "B_face" and self.faces or self
    if part.values[name] then
      local low, middle, high = spread(part.values[name])
      local _, error_ = spread(part.errors[name])
      lines[#lines + 1] = ("%-10s %13.6g %13.6g %13.6g %13.2g"):format(name, low, middle, high,
        error_)
    end
  end
  local t = self.totals
  lines[#lines + 1] = ("all pixels: sigma_x %.6g, sigma_p %.6g +- %.2g, P %.6g +- %.2g, bound %.4g")
    :format(t.sigma_x[1], t.sigma_p[1], t.sigma_p[2], t.P[1], t.P[2], t.bound[1])
  lines[#lines + 1] = ("loss part of sum g^2 %.4g +- %.2g"):format(t.loss_part[1], t.loss_part[2])
    .. (t.rms_gradient and (", rms gradient %.4g"):format(t.rms_gradient[1]) or "")
  if self.counts then
    lines[#lines + 1] = ("sigma_x sigma_p >= |1 - B| / 2: holds for %d pixels, violated for %d, "
      .. "undecided for %d"):format(self.counts.holds, self.counts.violated,
      self.counts.undecided)
  end
  return table.concat(lines, "\n")
end

-- --- files --------------------------------------------------------------------------------------

local function plain(part)
  local out = {}
  for name, v in pairs(part.values) do
    out[name], out[name .. "_error"] = v:table(), part.errors[name]:table()
  end
  return out
end

local function chain_record(c)
  if not c then return nil end
  local out = {}
  for key, value in pairs(c) do out[key] = core.is_tensor(value) and value:table() or value end
  return out
end

--- The result as a table of numbers, strings and lists, for JSON.
-- @treturn table
function Result:record()
  local out = {}
  for _, key in ipairs { "label", "loss", "reference", "shape", "tau", "clip", "sampler", "samples",
    "ess", "largest", "k", "totals", "seed", "beta", "beta_error", "status", "reasons", "counts",
    "z_B_gap", "z_c_gap", "forwards", "backwards" } do
    out[key] = self[key]
  end
  out.chains = chain_record(self.chains)
  if self.values then out.pixels = plain(self) end
  if self.faces then
    out.faces = plain(self.faces)
    out.faces.pixels, out.faces.samples = self.faces.pixels, self.faces.samples
    out.faces.verdicts = self.faces.verdicts
  end
  return out
end

--- Writes the result; the end of the file name chooses the form: .json (everything) or .csv (one
-- line a pixel).
-- @tparam string path
-- @treturn boolean true, or nil and a message
function Result:write(path)
  if path:find "%.json$" then return files.write_json(path, self:record()) end
  local names, lines = {}, {}
  for _, name in ipairs(core.packet_quantities()) do
    if self.values and self.values[name] then names[#names + 1] = name end
  end
  local header = { "pixel" }
  for _, name in ipairs(names) do
    header[#header + 1], header[#header + 2] = name, name .. "_error"
  end
  lines[1] = table.concat(header, ",")
  local count = #names > 0 and self.values[names[1]]:numel() or 0
  for i = 1, count do
    local row = { tostring(i) }
    for _, name in ipairs(names) do
      row[#row + 1] = ("%.17g"):format(self.values[name]:get(i))
      row[#row + 1] = ("%.17g"):format(self.errors[name]:get(i))
    end
    lines[#lines + 1] = table.concat(row, ",")
  end
  return files.write(path, table.concat(lines, "\n") .. "\n")
end

return M
