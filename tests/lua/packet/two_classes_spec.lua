-- scripts/experiments/packets_of_two_classes.lua on a network trained for a moment.
local assert = require "luassert"
local cj = require "conjugate"
local checkpoint = require "conjugate.run.checkpoint"
local folder = require "support.folder"
local json = require "conjugate.run.json"
local kill = require "support.kill"

describe("packets of two classes", function()
  local dir
  setup(function()
    dir = folder.make()
    cj.seed(2)
    local train = cj.data.load "mini"
    local net = cj.models.convnet { channels = 1, size = 28 }
    cj.fit(net, train:take(1500), { epochs = 1, quiet = true })
    assert(checkpoint.save(dir .. "/net.safetensors", net, { data = { name = "mini" } }))
  end)
  teardown(function() folder.remove(dir) end)

  local function experiment(...)
    return kill.run(kill.command { "run", "scripts/experiments/packets_of_two_classes.lua",
      "--checkpoint", dir .. "/net.safetensors", "--points", "64,8", "--losses", "amp", ... })
  end

  it("are measured, compared in both spaces and drawn", function()
    local code, text = experiment("--labels", "0,1,7", "--out", dir .. "/two")
    assert.equal(0, code, text)
    assert.is_truthy(text:find("line, amp: overlap", 1, true))
    local record = assert(json.decode(assert(io.open(dir .. "/two/packets.json")):read "*a"))
    local amp = record.losses.amp
    for _, kind in ipairs { "line", "plane" } do
      assert.is_true(amp[kind].parseval < 1e-12)
      assert.is_true(amp[kind].modulus_p > amp[kind].modulus_x and amp[kind].modulus_p <= 1)
    end
    -- likelihood packets stand at their own images: that of the first label comes first
    assert.is_true(amp.packets[1].axes[1].mu < amp.packets[2].axes[1].mu)
    for _, name in ipairs { "line_amp_x.csv", "line_amp_p.csv", "plane_amp_x1.png" } do
      assert.is_truthy(io.open(dir .. "/two/" .. name), name)
    end
  end)

  it("say what is missing", function()
    local code, text = kill.run(kill.command { "run",
      "scripts/experiments/packets_of_two_classes.lua" })
    assert.equal(1, code)
    assert.is_truthy(text:find("expected --checkpoint", 1, true))
    code, text = experiment("--labels", "0,44", "--out", dir .. "/none")
    assert.equal(1, code)
    assert.is_truthy(text:find("no image of class 44", 1, true))
  end)
end)
