local cj = require "conjugate"
local raises = require("support.misuse").raises
local sets = require "support.sets"

describe("batches", function()
  local set
  setup(function()
    set = sets.counted(23, 1, 2, 2, 5)
  end)

  local function numbers(opts)
    return sets.numbers(cj.data.batches(set, opts))
  end

  it("go through the set in its order, the last one smaller", function()
    local sizes, firsts = {}, {}
    for x, y, first, indices in cj.data.batches(set, { batch = 10 }) do
      sizes[#sizes + 1] = x:size(1)
      firsts[#firsts + 1] = first
      assert.equal(x:size(1), y:size(1))
      assert.equal(first, indices[1])
    end
    assert.same({ 10, 10, 3 }, sizes)
    assert.same({ 1, 11, 21 }, firsts)
    assert.same(20, #numbers { batch = 10, drop_last = true })
    assert.equal(23, #numbers())
  end)

  it("give each sample once when shuffled, with its own label", function()
    local seen = {}
    for x, y, _, indices in cj.data.batches(set, { batch = 4, shuffle = 3 }) do
      for i = 1, x:size(1) do
        seen[indices[i]] = (seen[indices[i]] or 0) + 1
        assert.equal((indices[i] - 1) % 5, y[i])
        assert.equal(7 * indices[i] % 256, math.floor(x:get(i, 1, 1, 1) * 255 + 0.5))
      end
    end
    for i = 1, 23 do assert.equal(1, seen[i]) end
  end)

  it("have an order that seed and epoch alone decide", function()
    local a = numbers { shuffle = 3, epoch = 2, batch = 4 }
    assert.same(a, numbers { shuffle = 3, epoch = 2, batch = 7 })
    assert.are_not.same(a, numbers { shuffle = 3, epoch = 1 })
    assert.are_not.same(a, numbers { shuffle = 4, epoch = 2 })
    local threads = cj.threads()
    cj.threads(1)
    assert.same(a, numbers { shuffle = 3, epoch = 2 })
    cj.threads(threads)
  end)

  it("do not touch the global generator", function()
    local before = cj.random.state()
    numbers { shuffle = 3, augment = "ygcnn" }
    assert.same(before, cj.random.state())
  end)

  it("continue where they stopped", function()
    local all = numbers { shuffle = 3, batch = 4 }
    local rest = numbers { shuffle = 3, batch = 4, skip = 2 }
    for i = 1, #rest do assert.equal(all[8 + i], rest[i]) end
    assert.equal(15, #rest)
    assert.same({}, numbers { batch = 4, skip = 6 })
    assert.same({}, numbers { batch = 4, skip = 1000 })
    local _, _, first = cj.data.batches(set, { batch = 4, skip = 2 })()
    assert.equal(9, first)
  end)

  it("may be augmented by a recipe or a function", function()
    local about
    local x = cj.data.batches(set, {
      batch = 3, shuffle = 3, epoch = 5,
      augment = function(x, _, a)
        about = a
        return x * 0
      end,
    })()
    assert.equal(0, x:max():item())
    assert.equal(5, about.epoch)
    assert.equal(3, about.seed)
    assert.equal(3, about.indices:size(1))
    x = cj.data.batches(set, { batch = 3, augment = { crop = 0 } })()
    assert.same(set:batch(1, 3):table(), x:table())
  end)

  it("of an empty set are none", function()
    assert.same({}, sets.numbers(cj.data.batches(set:take(0))))
  end)

  it("refuse wrong options", function()
    local b = cj.data.batches
    raises('batches: there is no option "bacth" (did you mean "batch"?)', b, set, { bacth = 1 })
    raises("batches: expected a whole number of at least 1 for batch, got 0", b, set, { batch = 0 })
    raises("batches: expected a seed", b, set, { shuffle = true })
    raises("batches: expected a whole number for shuffle, got 1.5", b, set, { shuffle = 1.5 })
    raises("augment: expected one of", b, set, { augment = "cifra" })
    raises("batches: expected a data set for set, got nil", b)
  end)
end)
