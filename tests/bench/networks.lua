-- Networks of ours and of PyTorch, measured in turns in one run: see scripts/bench --help.
local cj = require "conjugate"
local cells = require "bench.cells"
local core = require "conjugate.core"
local forms = require "bench.forms"
local json = require "conjugate.run.json"
local machine = require "bench.machine"
local report = require "bench.report"
local search = require "bench.search"
local sides = require "bench.sides"
local statistics = require "bench.statistics"

local FORMS = "tests/bench/results/forms.json"
-- Tried when no search has been made and none is asked for.
local USUAL = { "tcmalloc/nhwc", "trim/nhwc" }

local function list_of(text, convert)
  local list = {}
  for word in text:gmatch "[^,]+" do list[#list + 1] = convert and convert(word) or word end
  return list
end

local function all_names()
  local names = {}
  for i, network in ipairs(cells.NETWORKS) do names[i] = network.name end
  return table.concat(names, ",")
end

local function read_options()
  local cores = tonumber(machine.first_line "nproc") or 1
  local p = require "argparse"("scripts/bench",
    "Measures our networks and PyTorch's in turns: same weights, same data, same batches. "
    .. "Where PyTorch is not installed, ours alone.\n\n"
    .. "Other benchmarks: scripts/bench operators (parts, each by itself; has a --help), "
    .. "scripts/bench kernels (kernels against the multiply-add peak), scripts/bench forms "
    .. "(which form of PyTorch is fastest where: takes its time, and is kept in " .. FORMS .. ").")
  p:option("--models", "Networks: " .. all_names() .. ".")
  p:option("--modes", "Modes: " .. table.concat(cells.MODES, ",") .. ".")
  p:option("--threads", "Numbers of threads."):default(cores > 1 and "1,2" or "1")
  p:option("--rounds", "Times that all sides take turns."):convert(tonumber)
  p:option("--least", "Seconds of one turn, at least."):default "0.2":convert(tonumber)
  p:option("--save", "Write results to FILE.json and FILE.txt."):argname "<FILE>"
  p:flag("--quick", "Three networks, three rounds, no memory: two minutes.")
  p:flag("--no-memory", "Do not measure peak memory, which takes a new process for each figure.")
  p:flag("--no-peer", "Ours alone.")
  local o = p:parse(arg)
  o.models = list_of(o.models or (o.quick and "convnet,ygcnn,resnet") or all_names())
  o.modes = list_of(o.modes or table.concat(cells.MODES, ","))
  o.threads = list_of(o.threads, tonumber)
  o.rounds = o.rounds or (o.quick and 3 or 5)
  o.memory = not (o.quick or o.no_memory)
  table.sort(o.threads)
  return o
end

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

local function key_of(cell, mode)
  return ("%s/%s/%d"):format(cell.model, mode or cell.mode, cell.threads)
end

-- A walk's step is PGD's but for the projection: the same forms are fastest.
local function key_of_forms(cell)
  return key_of(cell, cell.mode == "ifa" and "pgd" or nil)
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
  local first = list[1].side:ask "check"
  cell.zeros = first.zeros
  assert(not first.steps or math.abs(first.steps - cell.steps) < 1e-9,
    "bench: an image of ours did not make all steps")
  if cell.mode == "train" then return end -- the weights have moved
  for i = 2, #list do
    local other = list[i].side:ask "check"
    local difference = math.abs(other.size / first.size - 1)
    assert(difference < 1e-3, ("bench: %s: outputs differ by %g"):format(key_of(cell), difference))
    cell.peer_zeros = other.zeros
  end
end

local function take_turn(cell, c, least)
  local t = c.side:ask("time", least)
  assert(not t.error, t.error)
  c.rates[#c.rates + 1] = cell.steps * t.images / t.seconds
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
        take_turn(cell, list[(k + round) % #list + 1], o.least)
      end
      local t = sides.peak(cell.threads):ask("time", 0.05)
      cell.peak[#cell.peak + 1] = t.images / t.seconds
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
      local earlier
      for _, threads in ipairs(mode == "ifa" and {} or o.threads) do
        local cell = new_cell(network, mode, threads)
        earlier = search.forms(sides.peer, cell, earlier, function(form, rate, why)
          print(("%-32s %-30s %s"):format(key_of(cell), form,
            rate and ("%.1f images/s"):format(rate) or why))
        end)
        found[key_of(cell)] = earlier
      end
    end
    local about = { peer = peer, processor = machine.about().processor, cells = found }
    assert(cj.io.write_file(FORMS, json.encode(about, { indent = true }) .. "\n"))
  end
end

local function main()
  local searching = arg[1] == "forms" and table.remove(arg, 1)
  local o = read_options()
  if searching then return search_forms(o) end
  local peer = not o.no_peer and sides.peer_name() or nil
  local known = peer and known_forms(peer)
  local result = machine.about()
  result.peer, result.rounds, result.isa, result.cells = peer, o.rounds, core.isa(), json.array()
  report.head(result)
  local function best_forms(cell)
    return peer and (known[key_of_forms(cell)] or { best = USUAL }).best
  end
  for _, name in ipairs(o.models) do
    local network = cells.network(name)
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
  report.means(result)
  report.scaling(result)
  if o.save then report.save(result, o.save) end
  sides.stop()
end

main()
