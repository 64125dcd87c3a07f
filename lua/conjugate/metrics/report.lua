--- The printed form of an evaluation.
-- @module conjugate.metrics.report
local M = {}

--- Keys of an evaluation in the order they are written as JSON.
M.order = {
  "ta", "ra_paper", "ra_worst", "n", "seconds", "ta_interval", "ra_paper_interval",
  "ra_worst_interval", "counts", "data", "warnings", "attacks", "name", "options",
}

local function is_plain(value)
  local kind = type(value)
  return kind == "number" or kind == "string" or kind == "boolean"
end

-- Options that change no result.
local idle = { out = true, quiet = true, batch = true }

--- Options of an attack as plain values, for records; functions and the like are left out, and so
-- is what changes no result.
-- @tparam ?table options an attack's options
-- @treturn table
function M.plain_options(options)
  local plain = {}
  for key, value in pairs(options or {}) do
    if type(key) == "string" and is_plain(value) and not idle[key] then plain[key] = value end
  end
  return plain
end

local function options_text(options)
  local shown = {}
  for _, key in ipairs { "eps", "alpha", "steps", "norm", "target" } do
    local value = options[key]
    if type(value) == "number" then value = ("%.5g"):format(value) end
    if value ~= nil then shown[#shown + 1] = ("%s=%s"):format(key, tostring(value)) end
  end
  return table.concat(shown, " ")
end

local function row(name, percent, interval, count, n)
  return ("%-34s %7.2f %%  [%6.2f, %6.2f]  %d/%d"):format(name, percent, interval[1], interval[2],
    count, n)
end

local function attack_rows(lines, attack)
  lines[#lines + 1] = ("%s %s"):format(attack.name, options_text(attack.options))
  for _, key in ipairs { "ra_paper", "ra_worst" } do
    lines[#lines + 1] = row("  " .. M.names[key], attack[key], attack[key .. "_interval"],
      attack.counts[key], attack.n)
  end
  for _, stage in ipairs(attack.stages or {}) do
    lines[#lines + 1] = row("    after " .. stage.name, stage.ra, stage.ra_interval, stage.robust,
      attack.n)
  end
  local facts = {}
  if attack.success_rate then
    facts[#facts + 1] = ("success rate %.2f %% of the correct"):format(attack.success_rate)
  end
  if attack.mean_linf then
    facts[#facts + 1] = ("mean linf %.4g, l2 %.4g"):format(attack.mean_linf, attack.mean_l2)
  end
  if attack.zero_gradients and attack.zero_gradients > 0 then
    facts[#facts + 1] = ("zero gradients %.2f %%"):format(attack.zero_gradients)
  end
  facts[#facts + 1] = ("%.1f s"):format(attack.seconds)
  lines[#lines + 1] = "  " .. table.concat(facts, ", ")
end

M.names = { ta = "TA", ra_paper = "RA (paper)", ra_worst = "RA (worst case)" }

--- An evaluation as a table of text.
-- @tparam table result what cj.evaluate gives
-- @treturn string several lines
function M.text(result)
  local title = ("%s, n = %d"):format(result.data or "data", result.n)
  local lines = {
    ("%-34s %9s  %-16s  %s"):format(title, "percent", "95 % (Wilson)", "count"),
    row("TA", result.ta, result.ta_interval, result.counts.ta, result.n),
  }
  for _, attack in ipairs(result.attacks) do attack_rows(lines, attack) end
  if #result.attacks > 1 then
    lines[#lines + 1] = "all attacks"
    for _, key in ipairs { "ra_paper", "ra_worst" } do
      lines[#lines + 1] = row("  " .. M.names[key], result[key], result[key .. "_interval"],
        result.counts[key], result.n)
    end
  end
  for _, text in ipairs(result.warnings or {}) do lines[#lines + 1] = "warning: " .. text end
  return table.concat(lines, "\n")
end

local printable = { __tostring = M.text }

--- Makes print show an evaluation as a table.
-- @tparam table result what cj.evaluate gathered
-- @treturn table the same table
function M.printable(result)
  return setmetatable(result, printable)
end

return M
