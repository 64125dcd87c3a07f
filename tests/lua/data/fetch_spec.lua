local cj = require "conjugate"
local environment = require "support.environment"
local fetch = require "conjugate.data.fetch"
local folder = require "support.folder"

describe("fetching", function()
  local dir
  setup(function()
    dir = folder.make()
    assert(cj.io.make_folder(dir .. "/home"))
  end)
  teardown(function()
    folder.remove(dir)
  end)

  -- Other programs run without the sanitizers: curl hangs when it starts with them.
  local function get(name)
    local where, message
    environment.with({ LD_PRELOAD = false }, function()
      where, message = cj.data.fetch(name,
        { into = dir .. "/into", homes = { "file://" .. dir .. "/home/" }, quiet = true })
    end)
    return where, message
  end

  it("sums the uncompressed content", function()
    folder.write(dir .. "/a b'c", "abc")
    local expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert.equal(expected, fetch.sum(dir .. "/a b'c"))
    os.execute(("gzip -k \"%s/a b'c\""):format(dir))
    assert.equal(expected, fetch.sum(dir .. "/a b'c.gz"))
  end)

  it("from a home without the files says what to put where", function()
    local where, message = get "mnist"
    assert.is_nil(where)
    assert.truthy(message:find("no answer from file://", 1, true))
    assert.truthy(message:find("Put the files train-images-idx3-ubyte, ", 1, true))
    assert.truthy(message:find(dir .. "/into/mnist", 1, true))
  end)

  it("of a wrong file is refused and leaves nothing", function()
    folder.write(dir .. "/home/train-images-idx3-ubyte.gz", "not this")
    local where, message = get "mnist"
    assert.is_nil(where)
    assert.truthy(message:find("sha256: expected ba891046", 1, true), message)
    assert.is_nil(io.popen("ls -A " .. dir .. "/into/mnist"):read "*l")
  end)

  it("of an archive checks what is inside", function()
    os.execute(("cd '%s' && mkdir -p cifar-10-batches-bin && for i in 1 2 3 4 5; do echo x > "
      .. "cifar-10-batches-bin/data_batch_$i.bin; done; "
      .. "echo x > cifar-10-batches-bin/test_batch.bin; "
      .. "tar -czf home/cifar-10-binary.tar.gz cifar-10-batches-bin"):format(dir))
    local where, message = get "cifar10"
    assert.is_nil(where)
    assert.truthy(message:find("data_batch_1.bin: sha256: expected cee91656", 1, true), message)
    assert.is_nil(io.popen("ls -A " .. dir .. "/into/cifar10"):read "*l")
  end)

  it("of a set without a home says so", function()
    local where, message = cj.data.fetch "mini"
    assert.is_nil(where)
    assert.truthy(message:find("mini: this data set has no home", 1, true))
  end)
end)
