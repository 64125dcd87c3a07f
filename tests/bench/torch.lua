--- Ours and PyTorch's speed, measured in turns: `scripts/bench torch`. Prints medians and ratios.
local usage = [[
usage: scripts/bench torch [--models a,b] [--batch N] [--threads 1,2] [--rounds N] [--save FILE]
  --models   of convnet, ygcnn, resnet, resnet18 (default convnet,ygcnn,resnet)
  --batch    images a step (128)      --threads  thread counts (1 and all)
  --rounds   times that the two sides take turns (5); medians and the range of ratios are reported]]

local core = require "conjugate.core"
local json = require "dkjson"

local MODES = { "predict", "attack", "train" }

local function read_options()
  local o = { models = "convnet,ygcnn,resnet", batch = "128", rounds = "5",
    threads = core.threads() > 1 and "1," .. core.threads() or "1" }
  local i = 1
  while arg[i] do
    local name = arg[i]:match "^%-%-(%a+)$"
    if name == "help" or not name or not arg[i + 1] then
      print(usage)
      os.exit(name == "help" and 0 or 2)
    end
    o[name], i = arg[i + 1], i + 2
  end
  return o
end

local function output_of(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return (text:gsub("%s+$", ""))
end

-- Both sides take the same arguments and print one JSON object.
local function run_json(command, ...)
  return json.decode(output_of(command:format(...)):match "(%b{})%s*$" or "")
end

local OURS = "scripts/conjugate bench --model %s --batch %s --threads %s --repeats 3 --json"
local PEER = "python3 tests/bench/torch_peer.py %s %s %s 3"

local function sorted(list)
  table.sort(list)
  return list
end

local function median(list)
  return sorted(list)[math.floor((#list + 1) / 2)]
end

local function measure(model, o, threads, with_peer)
  local mine, theirs, ratios = {}, {}, {}
  for _, mode in ipairs(MODES) do mine[mode], theirs[mode], ratios[mode] = {}, {}, {} end
  for _ = 1, tonumber(o.rounds) do
    local a = assert(run_json(OURS, model, o.batch, threads), "conjugate bench gave no result")
    local b = with_peer and assert(run_json(PEER, model, o.batch, threads), "no result of PyTorch")
    for _, mode in ipairs(MODES) do
      table.insert(mine[mode], a[mode])
      if b then
        table.insert(theirs[mode], b[mode])
        table.insert(ratios[mode], a[mode] / b[mode])
      end
    end
  end
  return mine, theirs, ratios
end

local function row(model, threads, mode, mine, theirs, ratios)
  local r = { model = model, threads = tonumber(threads), mode = mode, ours = median(mine) }
  if #theirs > 0 then
    r.peer, r.ratio = median(theirs), median(ratios)
    r.ratio_min, r.ratio_max = ratios[1], ratios[#ratios]
  end
  print(("%-10s %7s  %-8s %10.0f %10s  %s"):format(model, threads, mode, r.ours,
    r.peer and ("%.0f"):format(r.peer) or "-",
    r.ratio and ("%.2f (%.2f-%.2f)"):format(r.ratio, r.ratio_min, r.ratio_max) or "-"))
  return r
end

local function main()
  local o = read_options()
  local with_peer = output_of "python3 -c 'import torch; print(1)' 2>/dev/null" == "1"
  if not with_peer then print "PyTorch is not installed: our figures only" end
  local report = {
    commit = output_of("git rev-parse --short HEAD 2>/dev/null"),
    machine = output_of "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2-",
    cores = tonumber(output_of "nproc"), isa = core.isa(), batch = tonumber(o.batch), rows = {},
  }
  print(("%s, %d cores, %s, commit %s, batch %d; images/s, medians of %s rounds in turns"):format(
    report.machine, report.cores, report.isa, report.commit, report.batch, o.rounds))
  print "model      threads  mode           ours    PyTorch  ratio (min-max)"
  for threads in o.threads:gmatch "%d+" do
    for model in o.models:gmatch "[^,]+" do
      local mine, theirs, ratios = measure(model, o, threads, with_peer)
      for _, mode in ipairs(MODES) do
        table.insert(report.rows, row(model, threads, mode, mine[mode], theirs[mode], ratios[mode]))
      end
    end
  end
  if not o.save then return end
  local file = assert(io.open(o.save, "w"))
  file:write(json.encode(report, { indent = true }), "\n")
  file:close()
end

main()
