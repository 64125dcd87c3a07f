-- `conjugate metrics`.
local assert = require "luassert"
local cj = require "conjugate"
local checkpoint = require "conjugate.run.checkpoint"
local folder = require "support.folder"
local json = require "conjugate.run.json"
local kill = require "support.kill"

describe("conjugate metrics", function()
  local dir
  setup(function()
    dir = folder.make()
    cj.seed(2)
    for _, name in ipairs { "a", "b" } do
      local net = cj.models.convnet { channels = 1, size = 28 }
      local path = ("%s/%s.safetensors"):format(dir, name)
      assert(checkpoint.save(path, net, { data = { name = "mini" }, seed = 2 }))
    end
  end)
  teardown(function() folder.remove(dir) end)

  local function metrics(...)
    return kill.run(kill.command { "metrics", "--checkpoint", dir .. "/a.safetensors", "--limit",
      "20", "--quiet", ... })
  end

  local function answer(...)
    local code, text = metrics("--json", ...)
    assert.equal(0, code, text)
    return assert(json.decode(text))
  end

  it("gives what the functions give", function()
    local a = answer("clever", "calibration", "--set", "batches=2", "--set", "samples=3")
    local net = checkpoint.load(dir .. "/a.safetensors")
    local _, test = cj.data.load "mini"
    local set = test:take(20)
    local r = cj.clever(net, set, { batches = 2, samples = 3, seed = 1, quiet = true })
    assert.near(r.mean, a.clever.mean, 1e-12)
    assert.equal(20, #a.clever.images)
    assert.near(cj.metrics.calibration(net, set, { quiet = true }).clean.ece,
      a.calibration.clean.ece, 1e-9)
    assert.equal(20, a.n)
    assert.equal("mini", a.data)
  end)

  it("draws curves from several radii and from least distances", function()
    for _, attack in ipairs { "fgsm", "deepfool" } do
      local points = answer("curve", "--attack", attack, "--eps", "0.01,0.2").curve
      assert.equal(2, #points)
      assert.equal(0.2, points[2].eps)
      assert.is_true(points[2].ra <= points[1].ra)
    end
  end)

  it("shows distortion, 8 bits and transfer in words", function()
    local code, text = metrics("distortion", "eight_bit", "transfer", "--attack", "pgd", "--eps",
      "0.1", "--against", dir .. "/b.safetensors")
    assert.equal(0, code, text)
    for _, words in ipairs { "pgd, linf distance", "with 8 bits", "transfer of pgd, n = 20" } do
      assert.truthy(text:find(words, 1, true), text)
    end
  end)

  it("says what is missing", function()
    local code, text = metrics("eight_bit")
    assert.equal(1, code)
    assert.truthy(text:find("eight_bit needs one attack", 1, true))
    code = metrics "cleverness"
    assert.equal(2, code)
    code, text = metrics("transfer", "--attack", "pgd", "--eps", "0.1", "--against", "/nowhere")
    assert.equal(1, code)
    assert.truthy(text:find("/nowhere", 1, true))
  end)
end)
