--- Which forms of PyTorch are the fastest for a cell.
local forms = require "bench.forms"

local M = {}

local ENOUGH = 0.75 -- a doing that is slower than this share of the best is not tried again
local TIMES = 2

-- Fastest of some times, or nil and the reason.
local function rate_of(peer, cell, form)
  local side = peer(form, cell.threads)
  if not side then return nil, "no process" end
  local answer = cell.prepare(side, form)
  if answer.error then return nil, answer.error end
  local best = 0
  for _ = 1, TIMES do
    local t = side:ask("time", 0.2)
    if t.error then return nil, t.error end
    best = math.max(best, cell.steps * t.images / (cell.cpu and t.cpu or t.seconds))
  end
  return best
end

local function by_rate(rates)
  local order = {}
  for form in pairs(rates) do order[#order + 1] = form end
  table.sort(order, function(a, b) return rates[a] > rates[b] end)
  return order
end

--- Tries doings in one environment, then the best doing in the others.
-- @tparam function peer (form, threads) -> Side or nil
-- @tparam table cell threads, mode, steps, cpu (count processor time), prepare(side, form) -> reply
-- @tparam ?table earlier what this gave for fewer threads: doings far from the best are left out
-- @tparam function say told (form, rate or nil, error)
-- @treturn table best (two forms, best first), rates (form -> rate), failed (form -> why)
function M.forms(peer, cell, earlier, say)
  local found = { rates = {}, failed = {} }
  local function try(form)
    local rate, why = rate_of(peer, cell, form)
    found.rates[form], found.failed[form] = rate, why
    say(form, rate, why)
  end
  local function skip(doing)
    if not earlier then return false end
    local top, rate = earlier.rates[earlier.best[1]], 0
    for form, r in pairs(earlier.rates) do
      if select(2, forms.split(form)) == doing then rate = math.max(rate, r) end
    end
    return rate < ENOUGH * top
  end
  for _, form in ipairs(forms.doings(cell.mode, skip)) do try(form) end
  local first = by_rate(found.rates)[1]
  if first then
    for _, form in ipairs(forms.variants(first, cell.threads)) do try(form) end
  end
  found.best = { unpack(by_rate(found.rates), 1, 2) }
  return found
end

return M
