local assert = require "luassert"
local cj = require "conjugate"
local folder = require "support.folder"
local runs = require "conjugate.run"

describe("run.open", function()
  local dir

  before_each(function() dir = folder.make() end)
  after_each(function() folder.remove(dir) end)

  local function open(config)
    return runs.open { dir = dir .. "/a", config = config or { batch = 8, model = { name = "x" } } }
  end

  it("makes the folder and writes config.json", function()
    local run = assert(open())
    run:close()
    assert.equal('{\n  "batch": 8,\n  "model": {\n    "name": "x"\n  }\n}\n',
      folder.read(dir .. "/a/config.json"))
    assert.is_false(run.finished)
    assert.is_false(run.resumed)
  end)

  it("takes the same configuration again", function()
    open():close()
    assert(open()):close()
  end)

  it("refuses another configuration, names what differs and says how to mend it", function()
    open():close()
    local run, message = open { batch = 16, model = { name = "y" }, extra = true }
    assert.is_nil(run)
    assert.is_truthy(message:find("batch is 8, asked for 16", 1, true))
    assert.is_truthy(message:find('model.name is "x", asked for "y"', 1, true))
    assert.is_truthy(message:find("extra is nothing, asked for true", 1, true))
    assert.is_truthy(message:find("give another folder, or delete this one", 1, true))
  end)

  it("refuses a folder in which another process works, and frees it on closing", function()
    local first = assert(open())
    local second, message = open()
    assert.is_nil(second)
    assert.is_truthy(message:find("another process is working there", 1, true))
    first:close()
    assert(open()):close()
  end)

  it("removes half-written files of a killed process", function()
    open():close()
    folder.write(dir .. "/a/.state.safetensors.0a1b2c3d.tmp", "half")
    open():close()
    assert.is_nil(folder.read(dir .. "/a/.state.safetensors.0a1b2c3d.tmp"))
  end)

  it("answers a message for a damaged config.json", function()
    open():close()
    folder.write(dir .. "/a/config.json", '{"batch": ')
    local run, message = open()
    assert.is_nil(run)
    assert.is_truthy(message:find("config.json", 1, true))
  end)

  it("answers a message when the folder cannot be made", function()
    folder.write(dir .. "/file", "")
    local run, message = runs.open { dir = dir .. "/file/a" }
    assert.is_nil(run)
    assert.is_string(message)
  end)

  it("raises when no folder is given", function()
    assert.error_matches(function() runs.open { dir = 3 } end, "expected a folder name for dir")
  end)

  it("goes on from a state, without the records that are younger", function()
    local run = assert(open())
    run:open_log()
    run:log { step = 1 }
    assert(run:save_state({ { "w", cj.tensor { 1, 2 } } }, { place = "here" }))
    run:log { step = 2 }
    run:close()
    run = assert(open())
    assert.is_true(run.resumed)
    local tensors, meta = run:load_state()
    assert.equal("here", meta.place)
    assert.same({ 1, 2 }, tensors.w:table())
    run:open_log(tonumber(meta.metrics_bytes))
    run:close()
    assert.equal('{"step": 1}\n', folder.read(dir .. "/a/metrics.jsonl"))
  end)

  it("ends with the result, and says so when opened again", function()
    local run = assert(open())
    run:open_log()
    run:save_state({ { "w", cj.tensor { 1 } } }, {})
    assert(run:finish({ { "w", cj.tensor { 1 } } }, { seed = "7" }))
    run:close()
    assert.is_nil(folder.read(dir .. "/a/state.safetensors"))
    run = assert(open())
    assert.is_true(run.finished)
    assert.is_false(run.resumed)
    run:close()
  end)

  it("refuses a config.json that is no object", function()
    assert(open()):close()
    folder.write(dir .. "/a/config.json", "3")
    local run, message = open()
    assert.is_nil(run)
    assert.truthy(message:find("config.json: expected an object, got 3", 1, true))
  end)
end)
