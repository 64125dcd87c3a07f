--- Loading, batching and augmenting: pictures or bytes a second.
local cj = require "conjugate"

local train = assert(cj.data.load "mini")
local path = os.tmpname()
local weights = { { "w", cj.randn { 1000, 1000 } } }

local function epoch(options)
  return function()
    for _ in cj.data.batches(train, options) do end -- luacheck: ignore
  end
end

return {
  {
    name = "load mini", unit = "images/s", amount = 7000,
    f = function() assert(cj.data.load "mini") end,
  },
  {
    name = "batches of 128, shuffled", unit = "images/s", amount = 6000,
    f = epoch { batch = 128, shuffle = 1 },
  },
  {
    name = "batches of 128, ygcnn moves", unit = "images/s", amount = 6000,
    f = epoch { batch = 128, shuffle = 1, augment = "ygcnn" },
  },
  {
    name = "save and load 4 MB of safetensors", unit = "bytes/s", amount = 4e6,
    f = function()
      assert(cj.io.save_tensors(path, weights))
      assert(cj.io.load_tensors(path))
    end,
    after = function() os.remove(path) end,
  },
}
