--- Reports: a result as one HTML file that needs nothing else, and its numbers beside it.
--
--     cj.report(cj.evaluate(net, test, attacks), { out = "runs/x" })
--
-- A page holds its style sheet, its charts as SVG and its pictures as PNG in the text, so it opens
-- without a network. It has no script. The same result gives the same bytes, but for what is marked
-- with the class "vary" (times, the machine).
-- @module conjugate.report
local check = require "conjugate.check"
local files = require "conjugate.run.files"
local json = require "conjugate.run.json"
local records = require "conjugate.metrics.records"
local system = require "conjugate.run.system"

local M = {}

-- Which page a result has, by a field (no method) that only such results have.
local kinds = {
  { "checks", "battery" }, { "rows", "study" }, { "x_adv", "attack" },
  { "attacks", "evaluation" }, { "ess", "packet" },
}

local kind_of
function kind_of(result)
  if type(result) ~= "table" then return nil end
  for _, kind in ipairs(kinds) do
    if rawget(result, kind[1]) ~= nil then return kind[2] end
  end
  return rawget(result, 1) ~= nil and kind_of(result[1]) == "packet" and "packet" or nil
end

--- The page of a result.
-- @tparam table result of `cj.evaluate`, `cj.study`, `cj.battery` or an attack, or one or a list of
--   results of packets
-- @tparam[opt] table extra what was kept beside it: `collector`, `records`, `x`
-- @treturn string HTML
-- @raise "report: expected a result ..."
function M.page(result, extra)
  check.table("page", "extra", extra or {})
  local kind = kind_of(result)
  if not kind then
    check.fail("report", "expected a result of evaluate, study, battery, of packets or of an "
      .. "attack, got %s", check.describe(result))
  end
  return require("conjugate.report." .. kind).page(result, extra)
end

local function without(result, keys)
  local copy = {}
  for key, value in pairs(result) do copy[key] = value end
  for _, key in ipairs(keys) do copy[key] = nil end
  return copy
end

--- Writes report.html, summary.json and, where there are records, records.jsonl and records.csv.
-- @tparam string out folder; it is made
-- @tparam table result of `cj.evaluate` or `cj.battery`
-- @tparam[opt] table extra `records` (list), `collector`
-- @treturn boolean true, or nil and a message
function M.write(out, result, extra)
  check.string("write", "out", out)
  check.table("write", "result", result)
  extra = check.table("write", "extra", extra or {})
  local ok, message = system.mkdir(out)
  if ok and extra.records then
    ok, message = records.write(out .. "/records.jsonl", extra.records)
    if ok then ok, message = records.write(out .. "/records.csv", extra.records) end
  end
  if ok then
    ok, message = files.write(out .. "/summary.json", json.encode(without(result, { "records" }),
      { indent = true, order = require("conjugate.metrics.report").order }) .. "\n")
  end
  if ok then ok, message = files.write(out .. "/report.html", M.page(result, extra)) end
  return ok, message
end

--- Makes the page of a result, and writes it when told where.
-- @tparam table result of `cj.evaluate`, `cj.study`, `cj.battery` or an attack, or one or a list of
--   results of packets
-- @tparam[opt] table opts `out` (folder for report.html), `x` (the clean inputs, for the pictures
--   of a single attack's result)
-- @treturn string HTML
-- @raise wrong arguments; a file that cannot be written
-- @usage cj.report(cj.attacks.pgd { eps = 0.1 } (net, x, y), { x = x, out = "runs/pgd" })
function M.report(result, opts)
  local o = check.options("report", opts, { out = { "string" }, x = { "tensor" } })
  local text = M.page(result, { x = o.x, records = type(result) == "table" and result.records })
  if o.out then
    local ok, message = system.mkdir(o.out)
    if ok then ok, message = files.write(o.out .. "/report.html", text) end
    if not ok then check.fail("report", "%s", message) end
  end
  return text
end

return setmetatable(M, { __call = function(_, ...) return M.report(...) end })
