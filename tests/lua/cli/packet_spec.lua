-- `conjugate packet`.
local assert = require "luassert"
local cj = require "conjugate"
local checkpoint = require "conjugate.run.checkpoint"
local folder = require "support.folder"
local html = require "support.html"
local json = require "conjugate.run.json"
local kill = require "support.kill"
local system = require "conjugate.run.system"

describe("conjugate packet", function()
  local dir
  setup(function()
    dir = folder.make()
    cj.seed(2)
    local net = cj.models.convnet { channels = 1, size = 28 }
    assert(checkpoint.save(dir .. "/net.safetensors", net, { data = { name = "mini" }, seed = 2 }))
  end)
  teardown(function() folder.remove(dir) end)

  local function packet(...)
    return kill.run(kill.command { "packet", "--checkpoint", dir .. "/net.safetensors", "--quiet",
      "--samples", "400", ... })
  end

  it("gives what the function gives, and writes it down", function()
    local out = dir .. "/box"
    local code, text = packet("--labels", "3,8", "--faces", "100", "--out", out, "--json")
    assert.equal(0, code, text)
    local answer = assert(json.decode(text))
    local r = cj.packet { model = checkpoint.load(dir .. "/net.safetensors"), label = 8,
      shape = { 1, 28, 28 } }:measure { samples = 400, faces = 100, seed = 1, quiet = true }
    assert.equal(2, #answer.packets)
    assert.equal(r.beta, answer.packets[2].beta)
    assert.equal(r.totals.P[2], answer.packets[2].totals.P[2])
    assert.equal("convnet", answer.packets[1].name)
    assert.equal("mini", answer.data)
    assert.is_nil(answer.packets[1].pixels)
    local kept = assert(json.decode(assert(system.read(out .. "/label-8.json"))))
    assert.equal(r.values.sigma_p:get(400), kept.pixels.sigma_p[400])
    assert.is_nil(html.fault(assert(system.read(out .. "/report.html"))))
    local _, lines = assert(system.read(out .. "/label-3.csv")):gsub("\n", "")
    assert.equal(785, lines)
    local map = cj.io.read_png(out .. "/map-sigma_p.png")
    assert.equal(3, map:size(1))
    assert.same(answer.packets[1].totals,
      json.decode(assert(system.read(out .. "/summary.json"))).packets[1].totals)
  end)

  it("measures windows, data and lines", function()
    local function one(...)
      local code, text = packet("--labels", "1", "--json", ...)
      assert.equal(0, code, text)
      return json.decode(text).packets[1]
    end
    local window = one("--reference", "window", "--index", "5", "--tau", "1/2")
    assert.equal(5, window.centres.index)
    assert.equal(0.5, window.tau)
    local code, text = packet("--labels", "1", "--reference", "window", "--field", "sign")
    assert.equal(0, code, text)
    assert.matches("\nfield_corr ", text)
    local data = one("--reference", "data", "--centres", "20", "--loss", "err")
    assert.equal(20, data.centres.count)
    assert.equal("err", data.loss)
    local line = one("--reference", "line", "--index", "2,9")
    assert.equal(9, line.slice.index[2])
    assert.is_true(line.axes[1].slack > 0)
  end)

  it("says plainly what it refuses, which is no error", function()
    local code, text = packet("--labels", "0,1", "--samples", "50")
    assert.equal(0, code)
    assert.truthy(text:find("label 0, refused: effective sample size", 1, true), text)
    assert.is_nil(text:find("+-", 1, true))
  end)

  it("takes an untrained network, the same for any number of threads", function()
    local function answer(threads)
      local code, text = kill.run(kill.command { "packet", "--model", "convnet", "--samples", "300",
        "--labels", "4", "--faces", "0", "--quiet", "--json", "--threads", threads })
      assert.equal(0, code, text)
      return text
    end
    local text = answer "1"
    assert.equal(0, json.decode(text).packets[1].epoch)
    assert.equal(text, answer "2")
  end)

  it("says what is wrong", function()
    for words, message in pairs {
      ["--labels 11"] = "expected labels in 0..9", ["--labels a"] = "expected labels in 0..9",
      ["--reference window --index 0"] = "expected images in 1..6000",
      ["--reference line --index 1"] = "expected 2 numbers for --index",
    } do
      local list = {}
      for word in words:gmatch "%S+" do list[#list + 1] = word end
      local code, text = packet(unpack(list))
      assert.equal(1, code)
      assert.truthy(text:find(message, 1, true), text)
    end
    local code, text = kill.run(kill.command { "packet" })
    assert.equal(1, code)
    assert.truthy(text:find("give --checkpoint or --model", 1, true))
    assert.equal(2, (packet("--loss", "hinge")))
  end)

  it("has its losses and references listed", function()
    local _, text = kill.run(kill.command { "list", "losses" })
    assert.truthy(text:find("likelihood amplitude", 1, true))
    _, text = kill.run(kill.command { "list", "references" })
    assert.truthy(text:find("window", 1, true))
  end)
end)
