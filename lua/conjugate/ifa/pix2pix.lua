--- Step 3 of the IFA pipeline: a generator that learns Delta_N from X_0, against a discriminator.
--
-- Pix2Pix: the discriminator tells pairs (X_0, Delta_N) from (X_0, G(X_0)); the generator minimises
-- its adversarial loss plus `l1` times the mean absolute error. Both losses see Delta divided by
-- its range N eps, so that they mean the same for every N and eps.
-- @module conjugate.ifa.pix2pix
-- @source Isola et al., CVPR 2017; Zhang et al., arXiv 2205.01493v3, supplement
local cj = require "conjugate"
local follow = require "conjugate.ifa.follow"
local interrupt = require "conjugate.run.interrupt"
local json = require "conjugate.run.json"
local plans = require "conjugate.plan"
local progress = require "conjugate.run.progress"
local system = require "conjugate.run.system"

local M = {}

-- --- the pairs -----------------------------------------------------------------------------------

-- Reads the arrays of some chunks into one tensor [count, C, H, W], divided by the range.
local function read_targets(job, first, last)
  local before = (first - 1) * job.chunk
  local total = math.min(job.set:size(), last * job.chunk) - before
  local shape = job.set:batch(1, 1).shape
  local targets, at = cj.empty { total, shape[2], shape[3], shape[4] }, 1
  for number = first, last do
    local path = follow.names(job.deltas, number)
    local array, why = cj.io.read_npy(path)
    if not array then error("ifa: " .. why, 0) end
    local count = array:size(1)
    if at + count - 1 > total then
      error(("ifa: %s holds %d images, more than its chunk"):format(path, count), 0)
    end
    targets:narrow(1, at, count):copy_(array / job.range)
    at = at + count
  end
  return targets
end

-- Chunks are shuffled in groups that fit in memory; one group holds all of a small set.
local function groups(job)
  local x = job.set:batch(1, 1)
  local bytes = x:numel() * 4 * job.chunk
  local per_group = math.max(1, math.floor(job.memory / bytes))
  local list = {}
  for first = 1, job.chunks, per_group do
    list[#list + 1] = { first, math.min(job.chunks, first + per_group - 1) }
  end
  return list
end

local function group_data(job, group)
  if job.held and job.held.first == group[1] then return job.held end
  job.held = {
    first = group[1], before = (group[1] - 1) * job.chunk,
    targets = read_targets(job, group[1], group[2]),
  }
  return job.held
end

-- --- one step ------------------------------------------------------------------------------------

local function bce(logits, target)
  return cj.bce_with_logits(logits, cj.full(logits.shape, target))
end

local function want_gradients(net, wanted)
  for _, p in ipairs(net:parameters()) do p.requires_grad = wanted end
end

-- The generator's pass over a full batch is compiled; what follows it sees its result alone.
local function generator_plan(job, x)
  if x:size(1) ~= math.min(job.batch, job.set:size()) then return nil end
  if job.plan == nil then job.plan = plans.step(job.generator, job.scaled, { x }) or false end
  return job.plan or nil
end

-- What the generator makes of x, as a leaf, and the way back from its gradient.
local function generate(job, x)
  local plan = generator_plan(job, x)
  if not plan then
    local fake = job.scaled(x)
    return fake, function(loss) loss:backward() end
  end
  local fake = plan(x)
  fake.requires_grad = true
  return fake, function(loss)
    loss:backward()
    plan:backward(fake.grad)
  end
end

-- One step of each player; fake is made once and used by both.
local function train_step(job, x, target)
  local d = job.discriminator
  local fake, back = generate(job, x)

  want_gradients(d, true)
  job.d_optim:zero_grad()
  local real_loss = bce(d(cj.cat({ x, target }, 2)), 1)
  local fake_loss = bce(d(cj.cat({ x, fake:detach() }, 2)), 0)
  local d_loss = (real_loss + fake_loss) * 0.5
  d_loss:backward()
  job.d_optim:step()

  want_gradients(d, false)
  job.g_optim:zero_grad()
  local adversarial = bce(d(cj.cat({ x, fake }, 2)), 1)
  local l1 = (fake - target):abs():mean()
  back(adversarial + l1 * job.l1)
  job.g_optim:step()
  return d_loss:item(), adversarial:item(), l1:item()
end

local function fresh_sums()
  return { d = 0, adversarial = 0, l1 = 0, seen = 0 }
end

-- Means since the last record; about twenty records an epoch.
local function record(job, epochs_done, sums)
  table.insert(job.history, {
    epoch = epochs_done, d_loss = sums.d / sums.seen, l1 = sums.l1 / sums.seen,
    adversarial = sums.adversarial / sums.seen,
  })
end

local function add_step(job, sums, x, target)
  local n = x:size(1)
  local d, adversarial, l1 = train_step(job, x, target)
  sums.d, sums.l1 = sums.d + n * d, sums.l1 + n * l1
  sums.adversarial, sums.seen = sums.adversarial + n * adversarial, sums.seen + n
end

local function train_epoch(job, epoch, bar)
  local sums, seen, all = fresh_sums(), 0, job.set:size()
  job.generator:train()
  job.discriminator:train()
  for _, group in ipairs(groups(job)) do
    local data = group_data(job, group)
    local size = data.targets:size(1)
    local order = cj.randperm(size)
    for from = 1, size, job.batch do
      local rows = order:narrow(1, from, math.min(job.batch, size - from + 1))
      add_step(job, sums, job.set:pick(rows + data.before), data.targets:index_select(1, rows))
      seen = seen + rows:size(1)
      bar:update((epoch - 1) * all + seen, ("L1 %.4f"):format(sums.l1 / sums.seen))
      if sums.seen >= all / 20 or seen == all then
        record(job, epoch - 1 + seen / all, sums)
        sums = fresh_sums()
      end
      interrupt.poll()
    end
  end
end

-- --- state ---------------------------------------------------------------------------------------

local STATE, RESULT = "state.safetensors", "generator.safetensors"

local function add(entries, prefix, list)
  for _, pair in ipairs(list) do entries[#entries + 1] = { prefix .. pair[1], pair[2] } end
end

local function under(tensors, prefix)
  local found = {}
  for name, tensor in pairs(tensors) do
    if type(name) == "string" and name:sub(1, #prefix) == prefix then
      found[name:sub(#prefix + 1)] = tensor
    end
  end
  return found
end

-- An optimiser without its tensors, as text.
local function about(optimizer)
  local state = optimizer:state_dict()
  return json.encode { name = state.name, step = state.step, options = state.options }
end

local function restore(optimizer, text, tensors)
  local state = assert(json.decode(text))
  state.tensors = tensors
  optimizer:load_state_dict(state)
end

local function save(job, name, entries, metadata)
  local ok, why = cj.io.save_tensors(job.dir .. "/" .. name, entries, metadata)
  if not ok then error("ifa: " .. why, 0) end
end

local function load(job, name)
  local tensors, metadata = cj.io.load_tensors(job.dir .. "/" .. name)
  if not tensors then error("ifa: " .. tostring(metadata), 0) end
  return tensors, metadata
end

-- Everything later steps depend on, in one file.
local function save_state(job, epoch)
  local entries = {}
  add(entries, "generator.", job.generator:state_dict())
  add(entries, "discriminator.", job.discriminator:state_dict())
  add(entries, "g_optim.", job.g_optim:state_dict().tensors)
  add(entries, "d_optim.", job.d_optim:state_dict().tensors)
  save(job, STATE, entries, {
    epoch = json.number(epoch), history = json.encode(job.history),
    random = json.encode(cj.random.state()), g_optim = about(job.g_optim),
    d_optim = about(job.d_optim),
  })
end

-- Takes up the state of a run that was stopped; answers the epochs that are done.
local function load_state(job)
  if not system.exists(job.dir .. "/" .. STATE) then return 0 end
  local tensors, meta = load(job, STATE)
  job.generator:load_state_dict(under(tensors, "generator."))
  job.discriminator:load_state_dict(under(tensors, "discriminator."))
  restore(job.g_optim, meta.g_optim, under(tensors, "g_optim."))
  restore(job.d_optim, meta.d_optim, under(tensors, "d_optim."))
  cj.random.restore(json.decode(meta.random))
  job.history = json.array(json.decode(meta.history))
  return tonumber(meta.epoch)
end

local function make_players(job)
  local size = { channels = job.set.images:size(2), size = job.set.images:size(3) }
  job.generator = cj.models.pix2pix_generator {
    channels = size.channels, size = size.size, width = job.width, range = job.range,
  }
  job.discriminator = cj.models.pix2pix_discriminator { channels = size.channels }
  job.scaled = function(x) return job.generator(x) / job.range end
  local settings = { lr = job.lr, beta1 = job.beta1 }
  job.g_optim = cj.optim.adam(job.generator:parameters(), settings)
  job.d_optim = cj.optim.adam(job.discriminator:parameters(), settings)
end

local function finished(job)
  if not system.exists(job.dir .. "/" .. RESULT) then return false end
  local tensors, meta = load(job, RESULT)
  job.generator:load_state_dict(under(tensors, ""))
  job.history = json.array(json.decode(meta.history))
  os.remove(job.dir .. "/" .. STATE)
  return true
end

--- Trains the generator, or what is left of its training.
-- @tparam table job set (images X_0), deltas (folder of Delta_N), chunk and chunks (as they were
--   followed), dir (for state and result), range (N eps), epochs, batch, lr, beta1, l1 (weight of
--   the absolute error), width (channels of the first block), memory (bytes of pairs held at a
--   time), quiet
-- @treturn Module the generator, in evaluation mode
-- @treturn {table,...} history: epoch (done, a fraction), d_loss, adversarial, l1 (the last in
--   units of the range)
function M.train(job)
  job.history = json.array()
  make_players(job)
  if not finished(job) then
    local done = load_state(job)
    local bar = progress.new {
      label = "Pix2Pix", total = job.epochs * job.set:size(), unit = "images", quiet = job.quiet,
      done = done * job.set:size(),
    }
    for epoch = done + 1, job.epochs do
      train_epoch(job, epoch, bar)
      save_state(job, epoch)
    end
    local last = job.history[#job.history]
    bar:finish(last and ("L1 %.4f of the range"):format(last.l1))
    local meta = { history = json.encode(job.history) }
    if job.generator.config then meta.model = json.encode(job.generator.config) end
    save(job, RESULT, job.generator:state_dict(), meta)
    os.remove(job.dir .. "/" .. STATE)
  end
  job.held, job.plan = nil, nil
  return job.generator:eval(), job.history
end

return M
