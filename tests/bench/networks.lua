-- Networks of ours and of PyTorch, measured in turns in one run: see scripts/bench --help.
local cj = require "conjugate"
local cells = require "bench.cells"
local core = require "conjugate.core"
local forms = require "bench.forms"
local json = require "conjugate.run.json"
local machine = require "bench.machine"
local read_options = require "bench.options"
local report = require "bench.report"
local search = require "bench.search"
local sides = require "bench.sides"
local statistics = require "bench.statistics"

local FORMS = "tests/bench/results/forms.json"
-- Tried when no search has been made on this machine.
local USUAL = {
  inference = { "tcmalloc/nhwc", "tcmalloc/script+nhwc", "tcmalloc/compile+freeze+nhwc" },
  pgd = { "tcmalloc/nhwc", "tcmalloc/compile+nhwc" },
  train = { "tcmalloc/nhwc", "tcmalloc/compile+nhwc" },
}
USUAL.ifa = USUAL.pgd

-- --- cells --------------------------------------------------------------------------------------

local function new_cell(network, mode, threads)
  local steps = cells.steps(network, mode)
  local cell = {
    network = network, model = network.name, mode = mode, threads = threads, batch = network.batch,
    steps = steps, images = mode == "train" and network.batch or network.images,
    flops = cells.flops(network)[mode] / steps, ours = {}, peak = {}, forms = {}, failed = {},
  }
  function cell.prepare(side, form)
    local _, doing = forms.split(form)
    return side:ask("prepare", cell.model, mode, doing or form, threads, cell.batch, steps,
      cells.file(network))
  end
  return cell
end

local function key_of(cell, threads)
  -- a walk's step is PGD's but for the projection: the same forms are fastest
  local mode = cell.mode == "ifa" and "pgd" or cell.mode
  return ("%s/%s/%d"):format(cell.model, mode, threads or cell.threads)
end

-- The forms that were found for a cell; or the best of one thread, loose and bound; or usual ones.
local function forms_of(cell, known)
  local found, single = known[key_of(cell)], known[key_of(cell, 1)]
  if found then return found.best end
  if single then return { single.best[1], forms.bound(single.best[1]) } end
  return USUAL[cell.mode]
end

local function known_forms(peer_name)
  local file = io.open(FORMS)
  if not file then return {} end
  local known = assert(json.decode(file:read "*a"))
  file:close()
  local fits = known.peer == peer_name and known.processor == machine.about().processor
  return fits and known.cells or {}
end

-- --- one mode of one network --------------------------------------------------------------------

-- The sides of a cell that could be prepared, each with a list for its rates.
local function contestants(cell, best)
  local list = { { side = sides.ours(cell.threads), form = "ours", rates = cell.ours } }
  if best then
    list[2] = { form = forms.DEFAULT, rates = {} }
    for _, form in ipairs(best) do list[#list + 1] = { form = form, rates = {} } end
  end
  local ready = {}
  for i, c in ipairs(list) do
    c.steps = cell.steps
    c.side = c.side or sides.peer(c.form, cell.threads)
    local answer = c.side and cell.prepare(c.side, c.form) or { error = "no process" }
    if answer.error then
      assert(i > 1, answer.error)
      cell.failed[c.form] = answer.error
    else
      ready[#ready + 1] = c
      if i > 1 then cell.forms[c.form] = c.rates end
    end
  end
  return ready
end

-- Both sides must do the same: the same outputs from the weights, all steps, gradients that are
-- not zero.
local function check_work(cell, list)
  if cell.mode == "train" then return end -- the weights have moved
  local first = list[1].side:ask "check"
  cell.zeros, cell.plan_fails = first.zeros, first.plan_fails
  assert(not first.steps or math.abs(first.steps - cell.steps) < 1e-9,
    "bench: an image of ours did not make all steps")
  for i = 2, #list do
    local other = list[i].side:ask "check"
    local difference = math.abs(other.size / first.size - 1)
    assert(difference < 1e-3, ("bench: %s: outputs differ by %g"):format(key_of(cell), difference))
    cell.peer_zeros = other.zeros
  end
end

local function take_turn(c, seconds, o)
  local t = c.side:ask("time", seconds)
  assert(not t.error, t.error)
  c.rates[#c.rates + 1] = (c.steps or 1) * t.images / (o.cpu and t.cpu or t.seconds)
end

local function measure(group, o, best_forms)
  local lists = {}
  for i, cell in ipairs(group) do
    lists[i] = contestants(cell, best_forms(cell))
    check_work(cell, lists[i])
  end
  for round = 1, o.rounds do
    for i, cell in ipairs(group) do
      local list = lists[i]
      for k = 1, #list do -- nobody always comes first
        take_turn(list[(k + round) % #list + 1], o.least, o)
      end
      take_turn({ side = sides.peak(cell.threads), rates = cell.peak }, o.least / 4, o)
    end
  end
end

-- Highest memory of a new process that does this cell alone.
local function memory_of(cell, side, form)
  local bytes
  if side and not cell.prepare(side, form).error then
    side:ask("time", 0)
    bytes = side:ask("memory").bytes
  end
  if side then side:stop() end
  return bytes
end

local function measure_memory(cell)
  cell.memory = { ours = memory_of(cell, sides.new_ours(), "ours") }
  for _, form in ipairs(cell.best and { forms.DEFAULT, cell.best } or {}) do
    cell.memory[form] = cell.memory[form] or memory_of(cell, sides.new_peer(form), form)
  end
end

local function summarize(cell)
  for form, rates in pairs(cell.forms) do
    local ratio = { form = form, rate = statistics.spread(rates) }
    ratio.ratio, ratio.low, ratio.high =
      statistics.spread(statistics.ratios(cell.ours, rates))
    if form == forms.DEFAULT then cell.default = ratio end
    if not cell.against or ratio.rate > cell.against.rate then cell.against = ratio end
  end
  cell.best = cell.against and cell.against.form
  cell.rate, cell.rate_low, cell.rate_high = statistics.spread(cell.ours)
  cell.peak_rate = statistics.spread(cell.peak)
  cell.share = cell.rate * cell.flops / cell.peak_rate
end

-- --- the whole ----------------------------------------------------------------------------------

local function search_forms(o)
  local peer = assert(sides.peer_name(), "PyTorch is not installed")
  local found = known_forms(peer)
  for _, name in ipairs(o.models) do
    local network = cells.network(name)
    cells.write(network)
    for _, mode in ipairs(o.modes) do
      for _, threads in ipairs(mode == "ifa" and {} or o.threads) do
        local cell = new_cell(network, mode, threads)
        cell.cpu = o.cpu
        local earlier = threads > 1 and found[key_of(cell, 1)] or nil
        found[key_of(cell)] = search.forms(sides.peer, cell, earlier, function(form, rate, why)
          print(("%-32s %-30s %s"):format(key_of(cell), form,
            rate and ("%.1f images/s"):format(rate) or why))
        end)
      end
    end
    local about = {
      peer = peer, processor = machine.about().processor, cells = found,
      clock = o.cpu and "processor" or "wall",
    }
    assert(cj.io.write_file(FORMS, json.encode(about, { indent = true }) .. "\n"))
  end
end

-- All modes of a network, added to the result.
local function measure_network(network, o, best_forms, result)
  cells.write(network)
  for _, mode in ipairs(o.modes) do
    local group = {}
    for i, threads in ipairs(o.threads) do group[i] = new_cell(network, mode, threads) end
    measure(group, o, best_forms)
    for _, cell in ipairs(group) do
      summarize(cell)
      if o.memory then measure_memory(cell) end
      report.row(cell)
      table.insert(result.cells, cell)
    end
  end
end

local function measure_all(o)
  local peer = not o.no_peer and sides.peer_name() or nil
  local known = peer and known_forms(peer)
  local result = machine.about()
  result.peer, result.rounds, result.isa, result.cells = peer, o.rounds, core.isa(), json.array()
  result.clock = o.cpu and "processor" or "wall"
  report.head(result)
  local function best_forms(cell)
    return peer and forms_of(cell, known)
  end
  for _, name in ipairs(o.models) do
    measure_network(cells.network(name), o, best_forms, result)
  end
  report.means(result)
  report.scaling(result)
  if o.save then report.save(result, o.save) end
end

local o = read_options(FORMS)
if o.command == "forms" then search_forms(o) else measure_all(o) end
sides.stop()
