--- The options of scripts/bench.
local cells = require "bench.cells"
local machine = require "bench.machine"

local ABOUT = [[
Measures our networks and PyTorch's in turns: same weights, same data, same batches. Where PyTorch
is not installed, ours alone. A word before the options says what else is to be measured:

  scripts/bench forms       which forms of PyTorch are fastest where; takes its time; kept in
                            %s, from where they are then taken
  scripts/bench operators   operators, models and files, each by itself (has a --help)
  scripts/bench kernels     kernels of convolution against a loop of multiply-adds]]

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

local function parser(forms_file)
  local cores = tonumber(machine.first_line "nproc") or 1
  local p = require "argparse"("scripts/bench", ABOUT:format(forms_file))
    :help_max_width(100)
  p:option("--models", "Networks."):default(all_names())
  p:option("--modes", "What is done with them."):default(table.concat(cells.MODES, ","))
  p:option("--threads", "Numbers of threads."):default(cores > 1 and "1,2" or "1")
  p:option("--rounds", "Times that all sides take turns."):default "5":convert(tonumber)
  p:option("--least", "Seconds of one turn, at least."):default "0.2":convert(tonumber)
  p:option("--save", "Write results to FILE.json and FILE.txt."):argname "<FILE>"
  p:flag("--quick", "Three networks, three rounds, no memory, where nothing else is said.")
  p:flag("--cpu", "Count processor time instead of the clock's, for a busy machine; one thread.")
  p:flag("--no-memory", "Do not measure peak memory, which takes a new process for each figure.")
  p:flag("--no-peer", "Ours alone.")
  return p
end

--- Reads the command line.
-- @string forms_file where forms are kept
-- @treturn table command (nil or "forms"), models, modes, threads (lists), rounds, least, save,
--  cpu, memory, no_peer
return function(forms_file)
  local p = parser(forms_file)
  local command = arg[1] == "forms" and table.remove(arg, 1) or nil
  local given = { unpack(arg) }
  if command == nil and table.concat(given, " "):find("--quick", 1, true) then
    -- before what is given, so that the latter counts
    local quick = { "--models", "convnet,ygcnn,resnet", "--rounds", "3", "--no-memory" }
    for i, word in ipairs(quick) do table.insert(given, i, word) end
  end
  local o = p:parse(given)
  o.command = command
  o.models, o.modes = list_of(o.models), list_of(o.modes)
  o.threads = o.cpu and { 1 } or list_of(o.threads, tonumber)
  table.sort(o.threads)
  o.memory = not o.no_memory
  return o
end
