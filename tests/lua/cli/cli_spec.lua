local assert = require "luassert"
local cli = require "conjugate.cli"
local folder = require "support.folder"
local json = require "conjugate.run.json"
local kill = require "support.kill"

-- Runs the launcher of the tree; answers exit code and both outputs.
local function run(...)
  return kill.run(kill.command { ... })
end

describe("number", function()
  it("reads numbers and fractions", function()
    assert.equal(8 / 255, cli.number "8/255")
    assert.equal(0.1, cli.number "0.1")
    assert.equal(1e-3, cli.number "1e-3")
    assert.is_nil((cli.number "a/b"))
    assert.is_nil((cli.number "nan"))
    assert.equal(0.1, cli.numbers "0.1")
    assert.same({ 0.1, 8 / 255 }, cli.numbers "0.1,8/255")
    assert.is_nil((cli.numbers "0.1,"))
    assert.same({ "convnet", 2, 0.5 }, cli.words "convnet,2,0.5")
    assert.same({ 3 }, cli.words(3))
    assert.same({ "a", "b" }, cli.words(nil, "a,b"))
  end)
end)

describe("conjugate", function()
  it("fails when its result cannot be written", function()
    local command = "sh -c '" .. kill.command({ "list", "models" }):gsub("'", "") .. " >/dev/full'"
    local code, complaint = kill.run(command)
    assert.equal(1, code)
    assert.is_truthy(complaint:find("cannot write the result", 1, true))
  end)

  it("lists the commands", function()
    local code, text = run "--help"
    assert.equal(0, code)
    for _, name in ipairs(cli.commands) do assert.is_truthy(text:find("\n   " .. name, 1, true)) end
  end)

  it("explains every command with examples", function()
    for _, name in ipairs(cli.commands) do
      local command = require("conjugate.cli." .. name)
      local text = cli.parser(name, command):get_help()
      assert.is_truthy(text:find("Examples:", 1, true), name)
      assert.is_true(#command.summary > 0)
      for _, option in ipairs { "--seed", "--threads", "--out", "--json" } do
        assert.is_truthy(text:find(option, 1, true), name .. " " .. option)
      end
    end
  end)

  it("answers wrong usage with one line and exit code 2", function()
    for _, words in ipairs {
      { "nonsense" }, { "train", "--epochs", "x" }, { "attack" }, { "train", "--nope" },
      { "train", "--threads", "0" }, { "list", "cats" },
    } do
      local code, text = run(unpack(words))
      assert.equal(2, code, words[1])
      local _, lines = text:gsub("\n", "")
      assert.equal(1, lines)
      assert.is_truthy(text:find "^conjugate: ")
    end
  end)

  it("answers failures with one line and exit code 1, and shows more with --debug", function()
    local code, text = run("attack", "--checkpoint", "/nowhere.safetensors")
    assert.equal(1, code)
    assert.is_truthy(text:find "^conjugate: .*/nowhere%.safetensors")
    code, text = run("train", "--model", "convnot", "--quiet")
    assert.equal(1, code)
    assert.is_truthy(text:find("there is no model convnot", 1, true))
    code, text = run("train", "--lr=-1", "--quiet", "--debug")
    assert.equal(1, code)
    assert.is_truthy(text:find("stack traceback", 1, true))
  end)

  it("lists as text and as JSON", function()
    for _, kind in ipairs { "attacks", "models", "data", "conjugates" } do
      local code, text = run("list", kind, "--json")
      assert.equal(0, code)
      local value = assert(json.decode(text))
      assert.equal(kind, value.kind)
      assert.is_true(#value.items > 0)
    end
    local _, text = run("list", "models")
    assert.is_truthy(text:find("convnet", 1, true))
  end)

  it("lists conjugates with name, formula and source in columns", function()
    local code, text = run("list", "conjugates")
    assert.equal(0, code)
    local found, starts = {}, {}
    for line in (text .. "\n"):gmatch "(.-)\n" do
      local name, formula, source = line:match "^(.-)  +(.-)  +(.-)$"
      if name then
        found[name] = { formula, source }
        starts[#line - #source], starts[-line:find(formula, #name + 1, true)] = true, true
      end
    end
    assert.same({ "sign(grad l(X, y))", "Goodfellow et al., ICLR 2015" }, found["of fgsm"])
    assert.same({ "g", "Agarwal et al. 2020" }, found.raw)
    assert.equal("Papernot et al., EuroS&P 2016", found["of jsma"][2])
    local columns = 0
    for _ in pairs(starts) do columns = columns + 1 end
    assert.equal(2, columns)
  end)

  it("tells the state of the machine", function()
    local code, text = run("doctor", "--json")
    assert.equal(0, code)
    local value = assert(json.decode(text))
    assert.is_false(value.failed)
  end)

  it("passes its selftest", function()
    local code, text = run "selftest"
    assert.equal(0, code, text)
    assert.is_truthy(text:find("0 failed", 1, true))
  end)

  it("knows the laboratory of packets by its numbers", function()
    local code, text = run("selftest", "--packets", "--json")
    assert.equal(0, code, text)
    local value = assert(json.decode(text))
    assert.is_true(#value.checks > 400 and value.passed == #value.checks)
    for _, check in ipairs(value.checks) do
      assert.equal("packets", check.group)
      assert.is_number(check.error, check.name)
      assert.is_true(check.tolerance > 0)
    end
  end)
end)

describe("selftest", function()
  it("samples nothing but the laboratory of packets", function()
    local code, text = run("selftest", "--sampled")
    assert.is_true(code ~= 0)
    assert.is_truthy(text:find("--sampled goes with --packets", 1, true))
  end)
end)

describe("doctor", function()
  it("refuses the serial OpenBLAS", function()
    local judge = require("conjugate.cli.doctor").judge_blas
    assert.equal("fail", (judge(0)))
    assert.equal("ok", (judge(1)))
    assert.equal("ok", (judge(2)))
    assert.is_truthy(select(3, judge(0)):find("libopenblas0-pthread", 1, true))
  end)
end)

describe("run", function()
  local dir
  before_each(function() dir = folder.make() end)
  after_each(function() folder.remove(dir) end)

  it("gives options and words to the script and prints the table it returns", function()
    folder.write(dir .. "/s.lua", [[
      local opts = ...
      return { eps = opts.eps, fast = opts.fast, seed = opts.seed, word = opts[1], out = opts.out,
        no_box = opts.no_box }]])
    local code, text = run("run", dir .. "/s.lua", "here", "--eps", "8/255", "--fast", "--no-box",
      "--seed", "9", "--out=x", "--json")
    assert.equal(0, code)
    assert.same({ eps = 8 / 255, fast = true, no_box = true, seed = 9, word = "here", out = "x" },
      json.decode(text))
  end)

  it("names the script's line when it fails", function()
    folder.write(dir .. "/s.lua", "local x = nil\nreturn x.y")
    local code, text = run("run", dir .. "/s.lua")
    assert.equal(1, code)
    assert.is_truthy(text:find("s.lua:2:", 1, true))
  end)

  it("says so when there is no script or it does not compile", function()
    assert.equal(1, (run("run", dir .. "/none.lua")))
    folder.write(dir .. "/s.lua", "return return")
    local code, text = run("run", dir .. "/s.lua")
    assert.equal(1, code)
    assert.is_truthy(text:find("s.lua:1:", 1, true))
  end)
end)

describe("train and attack", function()
  local dir
  before_each(function() dir = folder.make() end)
  after_each(function() folder.remove(dir) end)

  local function train(name, ...)
    return run("train", "--limit", "1500", "--seed", "1", "--quiet", "--out", dir .. "/" .. name,
      ...)
  end

  it("give the same bytes for one and two threads", function()
    local answers = {}
    for _, threads in ipairs { "1", "2" } do
      assert.equal(0, (train(threads, "--threads", threads)))
      local _, text = run("attack", "--checkpoint", dir .. "/" .. threads .. "/model.safetensors",
        "--attack", "pgd", "--eps", "0.1", "--alpha", "0.025", "--steps", "4", "--limit", "200",
        "--threads", threads, "--json", "--quiet")
      local answer = assert(json.decode(text), text)
      for _, key in ipairs { "ta", "ra_paper", "ra_worst", "n", "seconds" } do
        assert.is_number(answer[key], key)
      end
      assert.equal(200, answer.n)
      answer.seconds, answer.attacks[1].seconds, answer.checkpoint = nil, nil, nil
      answers[threads] = answer
    end
    assert.equal(folder.read(dir .. "/1/model.safetensors"), folder.read(dir
      .. "/2/model.safetensors"))
    assert.same(answers["1"], answers["2"])
  end)

  it("refuse a used folder with other options", function()
    train "a"
    local code, text = train("a", "--lr", "0.5")
    assert.equal(1, code)
    assert.is_truthy(text:find("lr is 0.002, asked for 0.5", 1, true))
  end)

  it("end with the same bytes after kill -9", function()
    local words = { "--epochs", "3", "--checkpoint-seconds", "0.05", "--threads", "1" }
    assert.equal(0, (train("whole", unpack(words))))
    local command = kill.command {
      "train", "--limit", "1500", "--seed", "1", "--quiet", "--out", dir .. "/killed",
        unpack(words),
    }
    local code = kill.torture(command, { kills = 3, seconds = 0.6, seed = 11, log = dir .. "/log" })
    assert.equal(0, code)
    for _, name in ipairs { "model.safetensors", "metrics.jsonl", "config.json" } do
      assert.equal(folder.read(dir .. "/whole/" .. name), folder.read(dir .. "/killed/" .. name),
        name)
    end
  end)
end)
