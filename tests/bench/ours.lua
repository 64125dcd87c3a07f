--- Our side of `scripts/bench`: a process that prepares and times cells on request.
-- Requests and replies are those of torch_peer.py; there is one form, "ours". Everything goes
-- through the public interface, as a user would call it.
local Set = require "conjugate.data.set"
local cj = require "conjugate"
local cells = require "bench.cells"
local core = require "conjugate.core"
local json = require "conjugate.run.json"
local system = require "conjugate.run.system"

local EPS, ALPHA = 0.1, 0.025 -- of PGD, as in torch_peer.py
local WALK = 8 / 255 -- a step of the walk

local function resident(field)
  for line in io.lines "/proc/self/status" do
    local size = line:match("^" .. field .. ":%s+(%d+)")
    if size then return 1024 * tonumber(size) end
  end
  return 0
end

local function reply(t)
  io.stdout:write(json.encode(t), "\n")
  io.stdout:flush()
end

-- The network with outputs [B, K], weights and data of a cell.
local function load(request)
  local net = cells.make(cells.network(request.model))
  local tensors, weights = assert(cj.io.load_tensors(request.file)), {}
  for _, name in ipairs(tensors) do weights[name] = tensors[name] end
  weights.input, weights.label = nil, nil
  net:load_state_dict(weights)
  return cj.nn.sequential { net, cj.nn.flatten() }, tensors.input, tensors.label
end

local modes = {}

-- The network compiled once, as a user does who calls it often; itself where that fails.
local function planned(net, x, gradients, cell)
  net:eval()
  local ok, plan = pcall(cj.compile, net, x, { gradients = gradients })
  if not ok then
    cell.plan_fails = tostring(plan)
    ok, plan = pcall(cj.compile, net, x)
  end
  cell.model = ok and plan or net
  if ok then return plan end
  return net
end

-- Each mode gives a function that works through all images once.
function modes.inference(net, x, _, request, cell)
  local model = planned(net, x, false, cell)
  local parts = {}
  for from = 1, x:size(1), request.batch do
    parts[#parts + 1] = x:narrow(1, from, math.min(request.batch, x:size(1) - from + 1))
  end
  return function()
    for _, part in ipairs(parts) do cj.predict(model, part) end
  end
end

-- Every image makes every step, right or wrong; a gradient of zero is reported, because the other
-- side may then have had an easier time or a harder one.
local function attack(make)
  return function(net, x, y, request, cell)
    local a = make { batch = request.batch, steps = request.steps, quiet = true }
    local model = planned(net, x, true, cell)
    return function()
      local r = a(model, x, y)
      cell.steps = r.backwards_total / r.n
      cell.zeros = r:zero_gradients()
    end
  end
end

modes.pgd = attack(function(o)
  o.eps, o.alpha, o.paper = EPS, ALPHA, true
  return cj.attacks.pgd(o)
end)

modes.ifa = attack(function(o)
  o.eps = WALK
  return cj.attacks.ifa(o)
end)

-- Answers questions about the cell, or takes over a request for time; gives any other line.
local function next_task(cell)
  for line in io.stdin:lines() do
    local word, rest = line:match "^(%S+)%s*(.*)$"
    if word == "memory" then
      reply { bytes = resident "VmHWM" - cell.before }
    elseif word == "check" then
      reply {
        size = cj.no_grad(cell.size), zeros = cell.zeros or 0, steps = cell.steps,
        plan_fails = cell.plan_fails,
      }
    elseif word == "time" then
      cell.least, cell.runs = tonumber(rest), 0
      cell.started, cell.cpu = system.now(), os.clock()
      return nil
    else
      return line
    end
  end
  return "end"
end

-- Counts a run that has ended. When the time is over, replies and waits for the next task; gives a
-- line that is about another cell.
local function count_run(cell, images)
  cell.runs = cell.runs + 1
  local seconds = system.now() - cell.started
  if seconds < cell.least then return nil end
  reply { images = cell.runs * images, seconds = seconds, cpu = os.clock() - cell.cpu }
  return next_task(cell)
end

local function read_request(line)
  local word = line:gmatch "%S+"
  assert(word() == "prepare", "bench: expected prepare")
  local request = { model = word(), mode = word() }
  word() -- the form
  for _, name in ipairs { "threads", "batch", "steps" } do request[name] = tonumber(word()) end
  request.file = word()
  return request
end

-- Training is cj.fit itself, over a set of eight batches; what follows is done after each step. To
-- leave, the request for another cell is raised as an error.
local function train(net, x, y, request, cell)
  local batch, warm = request.batch, 0
  local bytes = (x:narrow(1, 1, batch) * 255 + 0.5):to "uint8"
  local images, labels = {}, {}
  for i = 1, 8 do images[i], labels[i] = bytes, y:narrow(1, 1, batch) end
  local set = Set.new {
    images = cj.cat(images, 1), labels = cj.cat(labels, 1),
    classes = cells.network(request.model).outputs or 10,
  }
  local function after_step()
    local line
    if warm < 2 then
      warm = warm + 1
      if warm < 2 then return end
      reply {}
      line = next_task(cell)
    else
      line = count_run(cell, batch)
    end
    if line then error({ line = line }, 0) end
  end
  local _, message = pcall(cj.fit, net, set, {
    batch = batch, epochs = 1e9, quiet = true, on_step = after_step,
  })
  return type(message) == "table" and message.line or error(message, 0)
end

-- Prepares a cell and answers requests about it; gives the request for the next one.
local function handle(line)
  local cell, request = { before = resident "VmRSS" }, read_request(line)
  cj.threads(request.threads)
  local net, x, y = load(request)
  function cell.size() return cell.model(x:narrow(1, 1, request.batch)):abs():mean():item() end
  if request.mode == "train" then return train(net, x, y, request, cell) end
  local run = modes[request.mode](net, x, y, request, cell)
  run()
  reply {}
  local next_line = next_task(cell)
  while not next_line do
    run()
    next_line = count_run(cell, x:size(1))
  end
  return next_line
end

reply { name = cj._VERSION, isa = core.isa() }
local line = io.stdin:read "*l"
while line and line ~= "end" do
  line = handle(line)
  collectgarbage()
  collectgarbage()
end
