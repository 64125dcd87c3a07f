--- Prints and keeps the results of scripts/bench.
local cj = require "conjugate"
local json = require "conjugate.run.json"
local statistics = require "bench.statistics"

local M = {}

local lines = {}

local function say(format, ...)
  local line = format:format(...)
  lines[#lines + 1] = line
  print(line)
  io.stdout:flush()
end

local function ratio_text(r)
  return r and ("%.2f (%.2f-%.2f)"):format(r.ratio, r.low, r.high) or "-"
end

-- Mebibytes of ours, of the default form and of the best one.
local function memory_text(cell)
  local m = cell.memory
  if not m then return "" end
  local parts = {}
  for _, key in ipairs { "ours", "plain/default", cell.best } do
    parts[#parts + 1] = m[key] and ("%.0f"):format(m[key] / 2 ^ 20) or "-"
  end
  return table.concat(parts, " / ")
end

--- Says what is measured, and the head of the table.
-- @tparam table result
function M.head(result)
  say("%s, %d cores, %s, commit %s%s; ours against %s", result.processor, result.cores, result.isa,
    result.commit, result.changed and " and changes" or "", result.peer or "nobody: ours alone")
  say("Images a second (of an attack: images x steps), medians of %d rounds in turns%s;",
    result.rounds, result.clock == "processor" and ", by processor time" or "")
  say "ratios ours / PyTorch, median (lowest-highest);"
  say "GFLOP/s counted as direct convolution, and their share of a multiply-add loop's;"
  say "peak memory of a new process in MiB: ours / default / best."
  say("%-21s %-9s %2s %9s  %-18s %-18s %-24s %8s %6s  %s", "network", "mode", "t", "ours",
    "default", "best", "best is", "GFLOP/s", "peak", "memory")
end

--- Says one cell.
-- @tparam table cell
function M.row(cell)
  say("%-21s %-9s %2d %9.1f  %-18s %-18s %-24s %8.1f %5.1f%%  %s", cell.model, cell.mode,
    cell.threads, cell.rate, ratio_text(cell.default), ratio_text(cell.against), cell.best or "-",
    cell.rate * cell.flops / 1e9, 100 * cell.share, memory_text(cell))
  if cell.plan_fails then say("  ours has not the plan that it asked for: %s", cell.plan_fails) end
  for form, why in pairs(cell.failed) do say("  %s does not work here: %s", form, why) end
  if math.max(cell.zeros or 0, cell.peer_zeros or 0) > 0 then
    say("  gradients that are zero: ours %.1f %%, PyTorch %.1f %%", cell.zeros or 0,
      cell.peer_zeros or 0)
  end
end

-- The cells of each mode and number of threads, in the order in which they came.
local function groups(result)
  local list, seen = {}, {}
  for _, cell in ipairs(result.cells) do
    local key = cell.mode .. " " .. cell.threads
    if not seen[key] then
      seen[key] = { mode = cell.mode, threads = cell.threads }
      list[#list + 1] = seen[key]
    end
    table.insert(seen[key], cell)
  end
  return list
end

local function mean_of(group, against)
  local ratios = {}
  for i, cell in ipairs(group) do
    if not cell[against] then return nil end
    ratios[i] = cell[against].ratio
  end
  local _, lowest = statistics.spread(ratios)
  return statistics.geometric(ratios), lowest
end

--- Says the geometric means over the networks, and puts them into `result.means`.
-- @tparam table result
function M.means(result)
  if not result.peer then return end
  result.means = json.array()
  say ""
  say("%-9s %2s  %-24s %s", "mode", "t", "mean against default", "mean against best (lowest)")
  for _, group in ipairs(groups(result)) do
    local default, best, lowest = mean_of(group, "default"), mean_of(group, "against")
    if default then
      say("%-9s %2d  %-24.2f %.2f (%.2f)", group.mode, group.threads, default, best, lowest)
      table.insert(result.means, { mode = group.mode, threads = group.threads, default = default,
        best = best, lowest = lowest })
    end
  end
end

local function pairs_of_cells(result)
  local first, list = {}, {}
  for _, cell in ipairs(result.cells) do
    local key = cell.model .. " " .. cell.mode
    if not first[key] then first[key] = cell
    else list[#list + 1] = { first[key], cell } end
  end
  return list
end

--- Says how many times faster ours is with more threads than with the fewest, beside the loop of
-- multiply-adds.
-- @tparam table result
function M.scaling(result)
  local list = pairs_of_cells(result)
  if #list == 0 then return end
  result.scaling = json.array()
  say ""
  say("%-21s %-9s %9s  %-18s %s", "network", "mode", "threads", "ours", "multiply-add loop")
  for _, pair in ipairs(list) do
    local a, b = pair[1], pair[2]
    local r = { model = a.model, mode = a.mode, threads = { a.threads, b.threads } }
    r.ours, r.low, r.high = statistics.spread(statistics.ratios(b.ours, a.ours))
    r.loop = statistics.spread(statistics.ratios(b.peak, a.peak))
    say("%-21s %-9s %5d / %d  %-18s %.2f", r.model, r.mode, b.threads, a.threads,
      ("%.2f (%.2f-%.2f)"):format(r.ours, r.low, r.high), r.loop)
    table.insert(result.scaling, r)
  end
end

-- A cell without what was needed only to measure it.
local function kept(cell)
  local copy = {}
  for key, value in pairs(cell) do
    if type(value) ~= "function" and key ~= "network" then copy[key] = value end
  end
  return copy
end

--- Writes PATH.json and PATH.txt.
-- @tparam table result
-- @string path without an ending
function M.save(result, path)
  local about = {}
  for key, value in pairs(result) do about[key] = value end
  about.cells = json.array()
  for i, cell in ipairs(result.cells) do about.cells[i] = kept(cell) end
  assert(cj.io.write_file(path .. ".txt", table.concat(lines, "\n") .. "\n"))
  assert(cj.io.write_file(path .. ".json", json.encode(about, {
    indent = true,
    order = {
      "processor", "cores", "isa", "commit", "changed", "peer", "rounds", "means", "scaling",
      "model", "mode", "threads", "cells",
    },
  }) .. "\n"))
end

return M
