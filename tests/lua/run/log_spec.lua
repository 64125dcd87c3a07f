local assert = require "luassert"
local log = require "conjugate.run.log"
local system = require "conjugate.run.system"

describe("log", function()
  local path

  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  it("adds a line a record and reads them back", function()
    local l = assert(log.open(path))
    l:append { epoch = 1, loss = 0.5 }
    l:append { epoch = 2, loss = 0.25 }
    l:close()
    assert.same({ { epoch = 1, loss = 0.5 }, { epoch = 2, loss = 0.25 } }, log.read(path))
  end)

  it("cuts off a torn line and records younger than the checkpoint", function()
    local l = assert(log.open(path))
    l:append { epoch = 1 }
    local bytes = l:sync()
    l:append { epoch = 2 }
    l:close()
    local file = io.open(path, "ab")
    file:write '{"epoch": 3, "lo'
    file:close()
    l = assert(log.open(path, bytes))
    l:append { epoch = 2, again = true }
    l:close()
    assert.same({ { epoch = 1 }, { epoch = 2, again = true } }, log.read(path))
  end)

  it("starts empty without a checkpoint", function()
    local file = io.open(path, "wb")
    file:write "rubbish"
    file:close()
    assert(log.open(path)):close()
    assert.equal(0, system.size(path))
  end)

  it("refuses a log that is shorter than its checkpoint says", function()
    local l, message = log.open(path, 10)
    assert.is_nil(l)
    assert.is_truthy(message:find("changed from outside", 1, true))
  end)

  it("leaves a torn last line out when reading", function()
    local file = io.open(path, "wb")
    file:write '{"a": 1}\n{"a": '
    file:close()
    assert.same({ { a = 1 } }, log.read(path))
  end)
end)
