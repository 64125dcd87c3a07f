local assert = require "luassert"
local cj = require "conjugate"
local core = require "conjugate.core"
local folder = require "support.folder"
local log = require "conjugate.run.log"
local toy = require "support.toy"

-- A network with batch norm and dropout, so that buffers and the generator matter to a resume.
local function network()
  local nn = cj.nn
  local net = nn.sequential {
    { "conv", nn.conv2d(1, 6, 2) }, { "bn", nn.batch_norm2d(6) }, nn.relu(), nn.flatten(),
    nn.dropout(0.2), { "fc", nn.linear(6, 2) },
  }
  net.config = { model = "toy" }
  return net
end

local function values(net)
  local list = {}
  for _, pair in ipairs(net:state_dict()) do list[#list + 1] = pair[2]:reshape({ -1 }):table() end
  return list
end

describe("fit", function()
  local train, test, dir

  setup(function() train, test = toy.set(50, 1), toy.set(20, 2) end)
  before_each(function() dir = folder.make() end)
  after_each(function() folder.remove(dir) end)

  -- Seeds, builds and trains; the same options give the same network.
  local function fit(opts)
    cj.seed(3)
    local net = network()
    local all = { epochs = 4, batch = 8, lr = 0.01, quiet = true, test = test }
    for key, value in pairs(opts or {}) do all[key] = value end
    return net, cj.fit(net, train, all)
  end

  -- Trains with a callback that raises after some steps, as a crash would.
  local function crash(opts, steps)
    opts.on_step = function(info)
      if info.step == steps then error "crash" end
    end
    assert.error_matches(function() fit(opts) end, "crash")
    opts.on_step = nil
  end

  it("learns, and tells what it did", function()
    local _, history = fit { epochs = 30 }
    assert.equal(30, #history.epochs)
    assert.equal(30 * 7, history.steps)
    local first, last = history.epochs[1], history.epochs[30]
    assert.is_true(last.loss < first.loss)
    assert.is_true(last.ta >= 80)
    assert.equal(20, last.n)
    assert.is_false(history.interrupted)
  end)

  it("leaves the network in the mode it had", function()
    local net = fit { epochs = 1 }
    assert.is_true(net.training)
    net:eval()
    cj.fit(net, train, { quiet = true })
    assert.is_false(net.training)
    assert.error_matches(function()
      cj.fit(net, train, { quiet = true, on_step = function() error "mine" end })
    end, "mine")
    assert.is_false(net.training)
  end)

  it("gives the same network for the same seed", function()
    assert.same(values((fit())), values((fit())))
  end)

  it("writes config, records and the final checkpoint", function()
    local net = fit { out = dir .. "/a", log_steps = 5 }
    local records = assert(log.read(dir .. "/a/metrics.jsonl"))
    local epochs, steps = 0, 0
    for _, record in ipairs(records) do
      epochs = epochs + (record.kind == "epoch" and 1 or 0)
      steps = steps + (record.kind == "step" and 1 or 0)
    end
    assert.equal(4, epochs)
    assert.equal(5, steps)
    local tensors, meta = require("conjugate.run.files").read_tensors(dir .. "/a/model.safetensors")
    assert.same(net:state_dict()["fc.weight"]:table(), tensors["fc.weight"]:table())
    assert.equal("3", meta.seed)
    assert.is_nil(folder.read(dir .. "/a/state.safetensors"))
  end)

  it("ends with the same bytes after a crash at any step", function()
    fit { out = dir .. "/whole" }
    for _, steps in ipairs { 1, 6, 7, 8, 20, 28 } do
      local opts = { out = dir .. "/c" .. steps, checkpoint_steps = 3, checkpoint_seconds = 1e9 }
      crash(opts, steps)
      fit(opts)
      for _, name in ipairs { "model.safetensors", "metrics.jsonl", "config.json" } do
        assert.equal(folder.read(dir .. "/whole/" .. name),
          folder.read(("%s/c%d/%s"):format(dir, steps, name)), name)
      end
    end
  end)

  for _, case in ipairs {
    { "sgd", { momentum = 0.9 }, "cosine" }, { "rmsprop", nil, "plateau" },
    { "adamw", nil, { name = "step", every = 1, factor = 0.5 } },
    { "adam", nil, function(step) return 1 / (1 + step) end },
  } do
    it("goes on exactly with " .. case[1] .. " and its schedule", function()
      local function opts(name)
        return {
          out = dir .. "/" .. name, optimizer = case[1], optimizer_options = case[2],
          schedule = case[3], checkpoint_steps = 1, augment = function(x) return x * 0.5 end,
        }
      end
      local _, whole = fit(opts "whole")
      local killed = opts "killed"
      crash(killed, 10)
      local _, resumed = fit(killed)
      assert.equal(folder.read(dir .. "/whole/model.safetensors"),
        folder.read(dir .. "/killed/model.safetensors"))
      assert.equal(whole.epochs[4].lr, resumed.epochs[4].lr)
      assert.equal(10, resumed.resumed_at + 1)
    end)
  end

  it("does nothing for a finished run, and takes its result over", function()
    local net = fit { out = dir .. "/a" }
    local before, next_number = values(net), cj.random.key()
    local calls = 0
    local again, history = fit { out = dir .. "/a", on_step = function() calls = calls + 1 end }
    assert.equal(0, calls)
    assert.is_true(history.finished_before)
    assert.equal(4, #history.epochs)
    assert.same(before, values(again))
    assert.equal(next_number, cj.random.key())
  end)

  it("refuses a used folder with other options", function()
    fit { out = dir .. "/a" }
    assert.error_matches(function() fit { out = dir .. "/a", lr = 0.5 } end,
      "lr is 0.01, asked for 0.5")
  end)

  it("keeps checkpoints of chosen epochs", function()
    fit { out = dir .. "/a", keep = { 1, 3 } }
    assert.is_string(folder.read(dir .. "/a/epoch-0001.safetensors"))
    assert.is_nil(folder.read(dir .. "/a/epoch-0002.safetensors"))
    assert.is_string(folder.read(dir .. "/a/epoch-0003.safetensors"))
  end)

  it("stops between two steps on Ctrl-C, raises, and goes on exactly", function()
    fit { out = dir .. "/whole" }
    local opts = { out = dir .. "/a" }
    opts.on_step = function(info)
      if info.step == 10 then core.interrupt_signal() end
    end
    assert.error_matches(function() fit(opts) end, "^interrupted: fit stopped in epoch 2 of 4 "
      .. "after 10 steps; the same command goes on from")
    opts.on_step = nil
    local _, history = fit(opts)
    assert.equal(10, history.resumed_at)
    assert.equal(folder.read(dir .. "/whole/model.safetensors"),
      folder.read(dir .. "/a/model.safetensors"))
  end)

  it("returns the history on Ctrl-C when asked", function()
    local net, history = fit {
      on_interrupt = "return",
      on_step = function(info)
        if info.step == 10 then core.interrupt_signal() end
      end,
    }
    assert.is_true(history.interrupted)
    assert.equal(10, history.steps)
    assert.is_true(net.training)
  end)

  it("stops at once on the second Ctrl-C and leaves the last checkpoint", function()
    local opts = { out = dir .. "/a", checkpoint_steps = 4 }
    opts.on_step = function(info)
      if info.step < 10 then return end
      core.interrupt_signal()
      core.interrupt_signal()
    end
    assert.error_matches(function() fit(opts) end, "interrupted")
    opts.on_step = nil
    local _, history = fit(opts)
    assert.is_true(history.resumed_at == 8 or history.resumed_at == 10)
  end)

  it("names what is wrong with its arguments", function()
    assert.error_matches(function() fit { epochs = 1.5 } end, "epochs")
    assert.error_matches(function() fit { epoch = 2 } end, "epochs")
    assert.error_matches(function() fit { optimizer = "adan" } end, '"adam"')
    assert.error_matches(function() fit { schedule = "cosin" } end, '"cosine"')
    assert.error_matches(function() cj.fit({}, train) end, "expected a network")
    assert.error_matches(function() cj.fit(network(), 3) end, "expected a data set")
    assert.error_matches(function() fit { out = "" } end, "fit: expected the name of a folder")
    assert.error_matches(function() fit { schedule = function() return "x" end } end,
      "fit: expected a number of at least 0 for the result of schedule, got the text")
    assert.error_matches(function() fit { loss = function() end } end,
      "fit: expected a tensor for the result of loss, got nil")
    assert.error_matches(function() fit { loss = function(z) return z end } end,
      "fit: expected one number that depends on the logits from loss, got a float32 tensor")
  end)

  it("cannot be left by a coroutine that yields", function()
    local stuck = coroutine.wrap(function() fit { on_step = coroutine.yield } end)
    assert.error_matches(stuck, "attempt to yield across C%-call boundary")
    assert.is_false(core.interrupt_hold(false))
    assert.is_false(core.interrupt_arm(false))
  end)

  it("says what is wrong with a state that does not suit the run", function()
    local number = 0
    local function stop(info)
      if info.step == 8 then error "stop" end
    end
    local function damaged(key, value)
      number = number + 1
      local out = dir .. "/" .. number
      pcall(fit, { out = out, checkpoint_steps = 4, on_step = stop })
      local files = require "conjugate.run.files"
      local tensors, meta = files.read_tensors(out .. "/state.safetensors")
      meta[key] = value
      local list = {}
      for name, tensor in pairs(tensors) do list[#list + 1] = { name, tensor } end
      assert(files.write_tensors(out .. "/state.safetensors", list, meta))
      assert.error_matches(function() fit { out = out } end,
        "^fit: .*state%.safetensors does not suit this run %(.*" .. key)
    end
    damaged("place", nil)
    damaged("place", "3")
    damaged("place", '{"epoch": -1, "position": 0, "step": 0, "sums": {}}')
    damaged("history", "x")
    damaged("optimizer", ("["):rep(10000))
    damaged("generator", "")
  end)
end)
