local cj = require "conjugate"
local damage = require "support.damage"
local folder = require "support.folder"
local raises = require("support.misuse").raises
local with = require("support.environment").with

describe("the mini set", function()
  local train, test
  setup(function()
    train, test = cj.data.load "mini"
  end)

  it("has 600 and 100 digits of each class", function()
    assert.same({ 6000, 1, 28, 28 }, train.images.shape)
    assert.same({ 1000, 1, 28, 28 }, test.images.shape)
    for set, each in pairs { [train] = 600, [test] = 100 } do
      local count = {}
      for i = 1, set:size() do count[set.labels[i]] = (count[set.labels[i]] or 0) + 1 end
      for label = 0, 9 do assert.equal(each, count[label]) end
      assert.equal("uint8", set.images.dtype)
      assert.equal("int64", set.labels.dtype)
      assert.equal(10, set.classes)
      assert.equal("7", set.class_names[8])
      assert.equal("mini", set.name)
    end
  end)

  it("begins with the first digits of MNIST", function()
    local labels = {}
    for i = 1, 10 do labels[i] = train.labels[i] end
    assert.same({ 5, 0, 4, 1, 9, 2, 1, 3, 1, 4 }, labels)
    assert.near(0.1307, train:batch(1, 6000):mean():item(), 0.005)
  end)

  it("is found from any folder", function()
    local command = ("cd / && LUA_PATH='%s' LUA_CPATH='%s' luajit -e \"%s\"")
    local function full(path)
      local here = io.popen("pwd"):read "*l"
      return (path:gsub("%f[^;%z]%./", here .. "/"))
    end
    local pipe = io.popen(command:format(full(package.path), full(package.cpath),
      "print((require [[conjugate]].data.load [[mini]]))"))
    assert.truthy(pipe:read("*a"):find "6000 pictures 1x28x28")
    pipe:close()
  end)
end)

describe("loading", function()
  local dir
  before_each(function()
    dir = folder.make()
  end)
  after_each(function()
    folder.remove(dir)
  end)

  -- A tiny MNIST in folder: 3 and 2 digits.
  local function write_mnist(where, ending)
    assert(cj.io.make_folder(where))
    local names = cj.data.about("mnist").files
    for i, n in ipairs { 3, 2 } do
      local images = cj.zeros({ n, 28, 28 }, "uint8")
      images:fill_(i)
      local labels = cj.arange(0, n):to "uint8"
      assert(cj.io.write_idx(where .. "/" .. names[2 * i - 1] .. ending, images))
      assert(cj.io.write_idx(where .. "/" .. names[2 * i] .. ending, labels))
    end
  end

  it("looks into $CONJUGATE_DATA, then into the cache, plain or compressed", function()
    with({ CONJUGATE_DATA = dir .. "/own", XDG_CACHE_HOME = dir .. "/cache" }, function()
      assert.is_nil((cj.data.load "mnist"))
      write_mnist(dir .. "/cache/conjugate/mnist", ".gz")
      local train, test = assert(cj.data.load "mnist")
      assert.equal(3, train:size())
      assert.equal(2, test:size())
      assert.same({ 0, 1 }, test.labels:table())
      write_mnist(dir .. "/own/mnist", "")
      damage.refuses(function() return cj.data.load "mnist" end,
        dir .. "/own/mnist/train-images-idx3-ubyte", "rubbish", "magic number")
    end)
  end)

  it("says both ways to get a missing set", function()
    with({ CONJUGATE_DATA = dir .. "/own", XDG_CACHE_HOME = dir .. "/cache" }, function()
      for _, name in ipairs { "mnist", "cifar10" } do
        local train, message = cj.data.load(name)
        assert.is_nil(train)
        assert.truthy(message:find("conjugate data fetch " .. name, 1, true))
        assert.truthy(message:find(dir .. "/own/" .. name, 1, true))
        assert.truthy(message:find(dir .. "/cache/conjugate/" .. name, 1, true))
        assert.truthy(message:find(cj.data.about(name).files[1], 1, true))
      end
    end)
  end)

  it("uses ~/.cache without XDG_CACHE_HOME", function()
    with({ CONJUGATE_DATA = "", XDG_CACHE_HOME = "", HOME = dir }, function()
      write_mnist(dir .. "/.cache/conjugate/mnist", "")
      assert.equal(3, assert(cj.data.load "mnist"):size())
      local _, message = cj.data.load "cifar10"
      assert.truthy(message:find("FOLDER/cifar10 with CONJUGATE_DATA=FOLDER", 1, true))
    end)
  end)

  it("refuses files that do not fit together", function()
    with({ CONJUGATE_DATA = dir }, function()
      local where = dir .. "/mnist"
      local function fails(file, tensor, text)
        write_mnist(where, "")
        assert(cj.io.write_idx(where .. "/" .. file, tensor))
        local train, message = cj.data.load "mnist"
        assert.is_nil(train)
        assert.truthy(message:find(file, 1, true))
        assert.truthy(message:find(text, 1, true), message)
      end
      fails("train-labels-idx1-ubyte", cj.zeros({ 4 }, "uint8"), "expected 3 labels")
      fails("t10k-labels-idx1-ubyte", cj.tensor({ 1, 10 }, "uint8"), "expected 0 to 9, found 10")
      fails("t10k-images-idx3-ubyte", cj.zeros({ 2, 28, 27 }, "uint8"), "28 x 28, found 28 x 27")
      fails("train-labels-idx1-ubyte", cj.zeros({ 3, 1 }, "uint8"), "number of dimensions")
    end)
  end)

  it("refuses CIFAR batches of another length", function()
    with({ CONJUGATE_DATA = dir }, function()
      assert(cj.io.make_folder(dir .. "/cifar10"))
      for _, file in ipairs(cj.data.about("cifar10").files) do
        folder.write(dir .. "/cifar10/" .. file, ("\0"):rep(3073))
      end
      local train, message = cj.data.load "cifar10"
      assert.is_nil(train)
      assert.truthy(message:find("test_batch.bin: length: expected 10000 records", 1, true))
    end)
  end)

  it("knows sets that users register", function()
    cj.data.register { name = "own", load = function() return "train", "test" end }
    assert.same({ "train", "test" }, { cj.data.load "own" })
    assert.same({ "mini", "mnist", "fashion_mnist", "cifar10", "own" }, cj.data.names())
    raises("register: there is already a data set mini", cj.data.register,
      { name = "mini", load = print })
  end)

  it("refuses unknown names with a suggestion", function()
    raises('load: there is no data set "cifar" (did you mean "cifar10"?)', cj.data.load, "cifar")
    raises("load: expected a string for name, got nil", cj.data.load, nil)
    raises('fetch: there is no data set "x"', cj.data.fetch, "x")
  end)
end)
