-- The table of a comparison of attacks.
--
--     luajit table.lua CELLS.json RESULTS.json TABLE.txt
--
-- RA: percent of the samples that are classified correctly and were not broken within eps, with
-- Wilson's 95 % interval. Norms: medians over the samples that both sides broke. "only": samples
-- that one side alone broke. Both sides are judged by the same code, rivals.py.
local cj = require "conjugate"
local json = require "conjugate.run.json"
local wilson = require "conjugate.metrics.wilson"

local function read_json(path)
  local file = assert(io.open(path))
  local value = assert(json.decode(file:read "*a"))
  file:close()
  return value
end

local function count(bits, n)
  return select(2, bits:sub(1, n):gsub("1", ""))
end

local function share(bits, n)
  local hits = count(bits, n)
  local low, high = wilson.interval(hits, n)
  return 100 * hits / n, ("%5.1f [%4.1f, %4.1f]"):format(100 * hits / n, 100 * low, 100 * high)
end

-- How many samples one side broke and the other did not.
local function alone(ours, theirs, n)
  local we, they = 0, 0
  for i = 1, n do
    local a, b = ours:sub(i, i), theirs:sub(i, i)
    if a < b then we = we + 1 elseif a > b then they = they + 1 end
  end
  return we, they
end

-- What a difference of RA in points means; AutoAttack may not be weaker by more than 0.1.
local function verdict(cell, off)
  local most = cell.attack == "autoattack" and 0.1 or 0.5
  if off > most + 1e-9 then return "WEAKER" end
  return off < -0.5 - 1e-9 and "stronger" or "as they"
end

local function accuracy_line(cell, name, rival, ours, theirs, cost)
  local n = math.min(#ours, #theirs)
  local a, text_a = share(ours, n)
  local b, text_b = share(theirs, n)
  local we, they = alone(ours, theirs, n)
  return ("%-20s %-12s %5d  %s  %s  %+5.1f %4d %4d  %-8s %s"):format(name, rival, n, text_a, text_b,
    a - b, we, they, verdict(cell, a - b), cost)
end

-- Samples that are robust at a radius, given norms of least changes (nil: none found).
local function robust_at(entry, radius)
  local bits = {}
  for i = 1, #entry.clean do
    local norm = entry.norms[i]
    local broken = entry.clean:sub(i, i) == "0" or type(norm) == "number" and norm <= radius
    bits[i] = broken and "0" or "1"
  end
  return table.concat(bits)
end

local function median(list)
  table.sort(list)
  local half = #list / 2
  return (list[math.floor(half + 1)] + list[math.ceil(half)]) / 2
end

local function norm_line(cell, rival, ours, theirs, cost)
  local a, b = {}, {}
  for i = 1, math.min(#ours.clean, #theirs.clean) do
    local x, y = ours.norms[i], theirs.norms[i]
    if type(x) == "number" and type(y) == "number" then a[#a + 1], b[#b + 1] = x, y end
  end
  if #a == 0 then return nil end
  local mine, other = median(a), median(b)
  local off = 100 * (mine / other - 1)
  local said = off > 2 and "WEAKER" or off < -2 and "stronger" or "as they"
  return ("%-20s %-12s %5d  %18.5f  %18.5f  %+5.1f%%%10s%-8s %s"):format(cell.name, rival, #a, mine,
    other, off, "", said, cost)
end

local function seconds(entry)
  return entry.seconds and ("%7.1f"):format(entry.seconds) or "      -"
end

local function lines_of(cell, rival, ours, theirs)
  local cost = seconds(ours) .. " " .. seconds(theirs)
  if cell.eps then
    return { accuracy_line(cell, cell.name, rival, ours.robust, theirs.robust, cost) }
  end
  local lines = { norm_line(cell, rival, ours, theirs, cost) }
  for _, radius in ipairs(cell.radii or {}) do
    lines[#lines + 1] = accuracy_line(cell, ("  within %g"):format(radius), rival,
      robust_at(ours, radius), robust_at(theirs, radius), "")
  end
  return lines
end

local function heading(results)
  local versions = {}
  for name, version in pairs(results.versions) do
    versions[#versions + 1] = name .. " " .. version
  end
  table.sort(versions)
  return {
    table.concat(versions, ", "),
    ("seed %d, batches of %d; seconds of processor time, %d thread(s)"):format(
      results.seed, results.batch, results.threads),
    "",
    ("%-20s %-12s %5s  %-18s  %-18s  %5s %9s  %-8s %7s %7s"):format("attack", "against", "n",
      "RA or median, ours", "theirs", "diff", "only", "", "s ours", "theirs"),
  }
end

local function main(cells_path, results_path, out)
  local results = read_json(results_path)
  local lines, notes = heading(results), {}
  for _, cell in ipairs(read_json(cells_path)) do
    local ours = results.cells[cell.name .. "/ours"]
    for _, rival in ipairs(cell.rivals) do
      local theirs = results.cells[cell.name .. "/" .. rival]
      if ours and theirs then
        for _, line in ipairs(lines_of(cell, rival, ours, theirs)) do lines[#lines + 1] = line end
      end
    end
    if cell.note then notes[#notes + 1] = cell.name .. ": " .. cell.note end
  end
  local text = table.concat(lines, "\n") .. "\n\n" .. table.concat(notes, "\n") .. "\n"
  io.write(text)
  assert(cj.io.write_file(out, text))
end

main(unpack(arg))
