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
      "--checkpoint", dir .. "/net.safetensors", "--points", "66,9", "--losses", "amp,ce",
      "--quadrature", "1000,3000", "--classes", "0,1", "--images", "1", ... })
  end

  it("are measured, compared in both spaces and drawn", function()
    local code, text = experiment("--labels", "0,1,7", "--out", dir .. "/two")
    assert.equal(0, code, text)
    assert.is_truthy(text:find("each packet on the side of its own class", 1, true))
    local record = assert(json.decode(assert(io.open(dir .. "/two/packets.json")):read "*a"))
    for _, kind in ipairs { "line", "plane" } do
      for _, loss in ipairs { "amp", "ce" } do
        local r = record.two[kind][loss]
        assert.is_true(r.parseval < 1e-12)
        assert.is_true(r.overlap_p >= r.overlap_x and r.overlap_p <= 1 and r.overlap_x > 0)
        assert.is_true(r.overlap_x_error > 0 and r.overlap_x_error < 0.1)
        assert.same({ loss, loss }, { r.packets[1].loss, r.packets[2].loss })
        assert.same({ 0, 1 }, { r.packets[1].label, r.packets[2].label })
      end
    end
    -- likelihood packets stand at their own images, that of the first label first; loss packets
    -- at the other ones
    local amp, ce = record.two.line.amp.packets, record.two.line.ce.packets
    assert.is_true(amp[1].axes[1].mu < amp[2].axes[1].mu)
    assert.is_true(ce[1].axes[1].mu > ce[2].axes[1].mu)
    assert.equal(2, #record.all)
    assert.is_true(record.all[1].order < 0 and record.all[2].order > 0)
    for _, name in ipairs { "line.gp", "line_1_x.csv", "line_images.txt", "plane_2_p1.txt",
      "page.md" } do
      assert.is_truthy(io.open(dir .. "/two/" .. name), name)
    end
    local drawn = require("conjugate.plot.figure").gnuplot()
    for _, name in ipairs { "line.png", "figures/packets_plane.png" } do
      assert.equal(drawn, io.open(dir .. "/two/" .. name) ~= nil, name)
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
