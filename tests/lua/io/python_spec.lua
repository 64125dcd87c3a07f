local cj = require "conjugate"
local folder = require "support.folder"
local with = require("support.environment").with

-- What a Python script prints, or nil when it fails; without the sanitizers, which are not for it.
local function python(script)
  local path, text = os.tmpname(), nil
  folder.write(path, script)
  with({ LD_PRELOAD = false }, function()
    local pipe = io.popen(("python3 '%s' 2>/dev/null && echo done"):format(path))
    text = pipe:read "*a"
    pipe:close()
  end)
  os.remove(path)
  return text:match "^(.-)%s*done%s*$"
end

-- Needs Python with this module; the spec is pending without it.
local function needs(module)
  local there = python("import numpy, " .. module)
  if not there then pending("no python3 with numpy and " .. module) end
  return there
end

describe("Python reads what we write:", function()
  local path
  before_each(function()
    path = os.tmpname()
  end)
  after_each(function()
    os.remove(path)
  end)

  local function sample()
    return {
      { "z", cj.tensor({ 1, 2, 255 }, "uint8") },
      { "weight", cj.tensor { { 1, 2.5 }, { -3, 4 } } },
      { "n", cj.tensor({ -7 }, "int64") },
      { "d", cj.tensor({ 0.1 }, "float64") },
      { "none", cj.zeros { 0, 3 } },
    }
  end

  local show = [[
for k in sorted(t.keys()): print(k, t[k].dtype, t[k].shape, t[k].tolist())
]]
  local expected = table.concat({
    "d float64 (1,) [0.1]", "n int64 (1,) [-7]", "none float32 (0, 3) []",
    "weight float32 (2, 2) [[1.0, 2.5], [-3.0, 4.0]]", "z uint8 (3,) [1, 2, 255]",
  }, "\n")

  it("safetensors", function()
    if not needs "safetensors" then return end
    assert(cj.io.save_tensors(path, sample(), { model = "a \"b\"\n\195\164" }))
    assert.equal(expected .. "\n{'model': 'a \"b\"\\n\195\164'}", python(([[
import safetensors, safetensors.numpy
t = safetensors.numpy.load_file('%s')
%s
print(safetensors.safe_open('%s', 'np').metadata())
]]):format(path, show, path)))
  end)

  it("npz", function()
    if not needs "zipfile" then return end
    assert(cj.io.write_npz(path, sample()))
    assert.equal(expected, python(("import numpy\nt = numpy.load('%s')\n%s"):format(path, show)))
  end)
end)

describe("we read what Python writes:", function()
  it("safetensors", function()
    if not needs "safetensors" then return end
    local path = os.tmpname()
    python(([[
import numpy as np, safetensors.numpy
safetensors.numpy.save_file({'b': np.arange(3, dtype=np.uint8), 'a': np.ones((2, 2), np.float32),
  's': np.array(5, np.int64)}, '%s', metadata={'k': 'v'})
]]):format(path))
    local t, metadata = assert(cj.io.load_tensors(path))
    assert.same({ 0, 1, 2 }, t.b:table())
    assert.same({ { 1, 1 }, { 1, 1 } }, t.a:table())
    assert.equal(5, t.s:item())
    assert.same({ k = "v" }, metadata)
    os.remove(path)
  end)
end)
