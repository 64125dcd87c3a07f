local assert = require "luassert"
local environment = require "support.environment"
local progress = require "conjugate.run.progress"

-- A progress object on a clock and a writer of our own.
local function bench(opts)
  local clock, out = 0, {}
  opts.write = function(text) out[#out + 1] = text end
  opts.now = function() return clock end
  opts.quiet = opts.quiet or false
  local p
  environment.with({ CONJUGATE_QUIET = false }, function() p = progress.new(opts) end)
  return p, out, function(seconds) clock = clock + seconds end
end

describe("progress", function()
  it("draws a bar with rate and ETA on a terminal", function()
    local p, out, pass = bench {
      label = "train", total = 100, unit = "batches", terminal = true, columns = 120, utf8 = false,
    }
    pass(5)
    p:update(50, "loss 0.5")
    assert.equal("\rtrain   50 % |############............| 50/100 batches, 10.0 batches/s, "
      .. "ETA 5.0 s, loss 0.5\27[K", out[1])
  end)

  it("draws at most ten times a second on a terminal", function()
    local p, out, pass = bench { total = 1000, terminal = true, columns = 80 }
    for i = 1, 1000 do
      pass(0.001)
      p:update(i)
    end
    assert.is_true(#out <= 11)
  end)

  it("never writes past the width of the terminal", function()
    local p, out, pass = bench { label = "x", total = 9, terminal = true, columns = 30,
      utf8 = true }
    pass(1)
    p:update(3, ("y"):rep(200))
    local text = out[1]:gsub("^\r", ""):gsub("\27%[K$", "")
    local _, characters = text:gsub("[^\128-\191]", "")
    assert.is_true(characters <= 29)
  end)

  it("writes a plain line every ten seconds when there is no terminal", function()
    local p, out, pass = bench { label = "job", total = 100, unit = "steps", terminal = false }
    for i = 1, 25 do
      pass(1)
      p:update(i)
    end
    assert.equal(2, #out)
    assert.equal("job  10/100 steps, 1.0 steps/s, ETA 1:30\n", out[1])
  end)

  it("counts the rate of continued work from where it began", function()
    local p, out, pass = bench { total = 100, terminal = false, done = 90 }
    pass(10)
    p:update(95)
    assert.is_truthy(out[1]:find("2.00 s each", 1, true))
  end)

  it("says nothing when quiet", function()
    local p, out, pass = bench { total = 10, terminal = true, quiet = true }
    pass(100)
    p:update(5)
    p:finish "done"
    assert.equal(0, #out)
  end)

  it("ends with one line", function()
    local p, out, pass = bench { label = "job", total = 3, unit = "steps", terminal = false }
    pass(83)
    p:update(3)
    p:finish "loss 0.1"
    p:finish "again"
    assert.equal("job  3 steps in 1:23, loss 0.1\n", out[#out])
  end)

  it("takes its bar away from the terminal, and so does whoever writes there", function()
    local p, out, pass = bench { total = 10, terminal = true, columns = 80 }
    pass(1)
    p:update(1)
    progress.clear()
    assert.equal("\r\27[K", out[#out])
    p:clear()
    assert.equal(2, #out)
  end)

  it("names durations", function()
    assert.equal("4.2 s", progress.duration(4.2))
    assert.equal("1:00", progress.duration(60))
    assert.equal("2:03:04", progress.duration(7384))
  end)
end)
