-- Runs benchmarks: see scripts/bench.
local cj = require "conjugate"
local core = require "conjugate.core"
local json = require "conjugate.run.json"
local machine = require "bench.machine"
local measure = require "bench.measure"
local parser = require "argparse"("scripts/bench operators",
  "Measures operators, models and files, each by itself: median of repeats.")

parser:argument("words", "Run only benchmarks whose name holds one of these."):args "*"
parser:option("--repeats", "Repeats of which the median counts."):default "5":convert(tonumber)
parser:option("--threads", "Threads."):convert(tonumber)
parser:option("--save", "Write the results to this file (.json).")
parser:option("--against", "Show the change from the results in this file.")

local function wanted(name, words)
  if #words == 0 then return true end
  for _, word in ipairs(words) do
    if name:find(word, 1, true) then return true end
  end
  return false
end

local prefixes = { { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } }

local function readable(rate, unit)
  for _, prefix in ipairs(prefixes) do
    local scale, letter = prefix[1], prefix[2]
    if rate >= 10 * scale then return ("%.1f %s%s"):format(rate / scale, letter, unit) end
  end
  return ("%.1f %s"):format(rate, unit)
end

local function earlier_rates(path)
  local rates = {}
  if not path then return rates end
  local file = assert(io.open(path, "rb"))
  for _, entry in ipairs(assert(json.decode(file:read "*a")).results) do
    rates[entry.name] = entry.rate
  end
  file:close()
  return rates
end

local function run_one(b, repeats, before)
  local t = measure.time(b.f, repeats)
  if b.after then b.after() end
  local rate = b.amount / t.seconds
  local change = before and ("  %+.1f %%"):format(100 * (rate / before - 1)) or ""
  io.write(("%-52s %16s  %8.2f ms (%.2f to %.2f)%s\n"):format(b.name, readable(rate, b.unit),
    1e3 * t.seconds, 1e3 * t.fastest, 1e3 * t.slowest, change))
  io.flush()
  return {
    name = b.name, unit = b.unit, rate = rate, seconds = t.seconds, fastest = t.fastest,
    slowest = t.slowest,
  }
end

local function main()
  local options = parser:parse(arg)
  if options.threads then cj.threads(options.threads) end
  cj.seed(1)
  local about, before, results = machine.about(), earlier_rates(options.against), {}
  about.threads, about.isa = cj.threads(), core.isa()
  io.write(("%s, %d cores, %d threads, %s, commit %s%s\n"):format(about.processor, about.cores,
    about.threads, about.isa, about.commit, about.changed and " and changes" or ""))
  for _, file in ipairs { "operators", "models", "files" } do
    for _, b in ipairs(require("bench." .. file)) do
      if wanted(b.name, options.words) then
        results[#results + 1] = run_one(b, options.repeats, before[b.name])
      end
    end
  end
  if options.save then
    about.results, about.repeats = json.array(results), options.repeats
    assert(cj.io.write_file(options.save, json.encode(about, {
      indent = true,
      order = { "processor", "cores", "threads", "isa", "commit", "changed", "repeats", "results" },
    }) .. "\n"))
  end
end

main()
