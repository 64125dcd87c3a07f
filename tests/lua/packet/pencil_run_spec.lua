-- Pencils: which pixels, the same bytes however they are run, memory, interruptions and misuse.
local cj = require "conjugate"
local core = require "conjugate.core"
local misuse = require "support.misuse"
local packets = require "support.packets"
local starve = require "support.starve"

local softmax2d = packets.softmax2d

local square = cj.packet { model = softmax2d, label = 0, shape = { 2 }, dtype = "float64" }

local function value(f, pixels)
  return cj.packet { model = f, loss = "value", shape = { pixels or 1 }, dtype = "float64" }
end

local function measure(p, o)
  o.quiet, o.seed = true, o.seed or 1
  o.samples, o.faces = o.samples or 3200, o.faces or 0
  return p:measure(o)
end

describe("pixels of pencils", function()
  local many = value(function(x) return x:sum(2) + 1 end, 100)

  it("are spread over the image by the seed", function()
    local first = measure(many, { pencils = 32, pencil_nodes = 2, seed = 1 }).pencils.pixels
    local again = measure(many, { pencils = 32, pencil_nodes = 2, seed = 1 }).pencils.pixels
    local other = measure(many, { pencils = 32, pencil_nodes = 2, seed = 2 }).pencils.pixels
    assert.same(first, again)
    assert.is_not.same(first, other)
    assert.equal(16, #first)
    for k, pixel in ipairs(first) do
      assert.is_true(pixel > 100 / 16 * (k - 1) and pixel <= 100 / 16 * k + 1)
    end
  end)

  it("may be all, or those that are named", function()
    local all = measure(many, { pencils = 32, pencil_nodes = 2, pencil_pixels = "all" })
    assert.equal(100, #all.pencils.pixels)
    assert.equal(100, all.pencils.values.P:numel())
    local two = measure(many, { pencils = 32, pencil_nodes = 2, pencil_pixels = { 70, 7 } })
    assert.equal(all.pencils.values.P:get(70), two.pencils.values.P:get(1))
    assert.equal(all.pencils.values.P:get(7), two.pencils.values.P:get(2))
  end)

  it("are told", function()
    local r = measure(many, { pencils = 40, pencil_nodes = 2, pencil_pixels = { 70, 7 } })
    assert.matches("64 pencils of 2 nodes along pixels 70, 7: median P", tostring(r))
    local record = r:record()
    assert.same({ 70, 7 }, record.pencils.pixels)
    assert.equal(r.pencils.values.B_face:get(2), record.pencils.B_face[2])
    assert.equal(r.pencils.quadrature.P:get(2), record.pencils.P_quadrature[2])
    assert.same({ "holds", "holds" }, record.pencils.verdicts)
  end)

  it("leave plain sampling as it is without being asked for", function()
    local r = measure(many, { faces = 64 })
    assert.is_nil(r.pencils)
    local both = measure(many, { faces = 64, pencils = 32 })
    assert.equal(r.values.P:get(1), both.values.P:get(1))
    assert.equal(both.faces.verdicts, both.verdicts)
    assert.equal(16, #both.pencils.verdicts)
  end)
end)

describe("bytes of pencils", function()
  local function bytes(part)
    local list = {}
    for _, name in ipairs(cj.packet.quantities()) do
      for _, from in ipairs { "values", "errors", "quadrature" } do
        local v = part[from][name]
        list[#list + 1] = v and v:contiguous():bytes()
      end
    end
    return table.concat(list)
  end

  it("are the same for any number of threads", function()
    local function record(threads, sampler)
      local before = core.threads()
      core.threads(threads)
      cj.seed(4)
      local nn = cj.nn
      local net = nn.sequential { nn.conv2d(1, 4, 3), nn.relu(), nn.flatten(), nn.linear(64, 3) }
      local r = cj.packet { model = net, label = 2, shape = { 1, 6, 6 } }:measure {
        samples = 25600, faces = 0, pencils = 128, seed = 9, sampler = sampler, quiet = true,
      }
      core.threads(before)
      assert.is_not.equal("unreliable", r.status, table.concat(r.reasons))
      return bytes(r.pencils)
    end
    for _, sampler in ipairs { "plain", "mcmc" } do
      assert.equal(record(1, sampler), record(2, sampler))
    end
  end)

  it("are the same however the work is cut", function()
    local spec = { loss = "ce", clip = 1, reference = "box", low = 0, high = 1, tau = 1, seed = 1,
      size = { 2 }, dtype = "float64", labels = { 1 }, samples = 32 * 20, set = "plain",
      centre = cj.full({ 2 }, 0.5, "float64"), face_pixels = {}, face_samples = 0 }
    local chains = { chains = 32, burn = 10, keep = 20, leaps = 3, acceptance = 0.6, defence = 0.1 }
    local function estimates(step, mcmc)
      spec.mcmc = mcmc
      local m, done = core.packet_new(spec), 0
      core.packet_pencils_new(m, { pixels = { 2, 1 }, nodes = 5, rounds = 6 })
      if mcmc then
        while done < 30 do done = core.packet_run(m, softmax2d, nil, nil, step) end
      else
        while done < 6 do done = core.packet_pencils_run(m, softmax2d, nil, step) end
      end
      local v, e, q, _, even = core.packet_pencils(m, 1)
      assert.equal(32 * 6, even.samples)
      return v:bytes() .. e:bytes() .. q:bytes()
    end
    for _, mcmc in ipairs { false, chains } do
      local whole = estimates(30, mcmc or nil)
      for _, step in ipairs { 1, 4 } do assert.equal(whole, estimates(step, mcmc or nil)) end
    end
  end)

  it("are those of the network called directly, nearly", function()
    cj.seed(4)
    local net = cj.nn.sequential { cj.nn.flatten(), cj.nn.linear(9, 8), cj.nn.tanh(),
      cj.nn.linear(8, 3) }
    local function product(model)
      local p = cj.packet { model = model, label = 2, shape = { 1, 3, 3 } }
      return measure(p, { pencils = 32 }).pencils.values.P:get(3)
    end
    local calls = 0
    local planned = product(net)
    local direct = product(function(x)
      calls = calls + 1
      return calls < 0 and x or net(x)
    end)
    assert.near(planned, direct, 1e-5 * planned)
  end)
end)

describe("pencils without memory or time", function()
  it("give everything back", function()
    for _, sampler in ipairs { "plain", "mcmc" } do
      starve.some_allocations(function()
        measure(square, { samples = 128, pencils = 32, pencil_nodes = 3, sampler = sampler,
          mcmc = { chains = 32, burn = 10, keep = 4 } })
      end)
    end
  end)

  it("stop at Ctrl-C", function()
    local before, calls = starve.settle(), 0
    local p = value(function(x)
      calls = calls + 1
      if calls == 110 then core.interrupt_signal() end
      return x:sum(2)
    end)
    local ok, message = core.interrupt_call(false, nil, function()
      return measure(p, { samples = 3200, pencils = 4096, pencil_nodes = 2 })
    end)
    assert.is_false(ok)
    assert.matches("interrupted", tostring(message))
    assert.is_true(starve.settle() <= before)
  end)

  it("pass on what the model raises", function()
    local before, calls = starve.settle(), 0
    local p = value(function(x)
      calls = calls + 1
      if calls > 110 then error("no more") end
      return x:sum(2)
    end)
    misuse.raises("no more", p.measure, p, { samples = 3200, faces = 0, pencils = 4096,
      pencil_nodes = 2, quiet = true })
    assert.is_true(starve.settle() <= before)
  end)
end)

describe("wrong pencils", function()
  for _, case in ipairs {
    { "for pencils", { pencils = -1 } },
    { "for pencils", { pencils = "all" } },
    { "for pencil_nodes", { pencil_nodes = 1 } },
    { "for pencil_nodes", { pencil_nodes = 65 } },
    { "for pencil_pixels", { pencil_pixels = { 3 } } },
    { "expected a pixel for pencil_pixels", { pencil_pixels = {} } },
    { "for pencil_pixels", { pencil_pixels = "some" } },
  } do
    it("say: " .. case[1], function() misuse.raises(case[1], square.measure, square, case[2]) end)
  end

  it("say that they need a box", function()
    local p = cj.packet { model = softmax2d, label = 0, reference = "window",
      centre = cj.zeros({ 2 }, "float64") }
    misuse.raises('expected the reference "box" for pencils, got "window"', p.measure, p,
      { pencils = 32 })
    assert.is_nil(p:measure({ sampler = "mcmc", samples = 6400, quiet = true }).pencils)
  end)

  it("say what the core cannot do", function()
    local spec = { loss = "ce", clip = 1, reference = "box", low = 0, high = 1, tau = 1, seed = 1,
      size = { 2 }, dtype = "float64", labels = { 1 }, samples = 32, set = "plain",
      centre = cj.full({ 2 }, 0.5, "float64"), face_pixels = {}, face_samples = 0 }
    local m = core.packet_new(spec)
    misuse.raises("no pencils", core.packet_pencils_run, m, softmax2d, nil, 1)
    assert.is_nil(core.packet_pencils(m, 1))
    core.packet_pencils_new(m, { pixels = { 1 }, nodes = 2, rounds = 1 })
    misuse.raises("once", core.packet_pencils_new, m, { pixels = { 1 }, nodes = 2, rounds = 1 })
    misuse.raises("a measurement", core.packet_pencils, {}, 1)
    spec.reference, spec.centres = "window", cj.zeros({ 2 }, "float64")
    misuse.raises("a box", core.packet_pencils_new, core.packet_new(spec),
      { pixels = { 1 }, nodes = 2, rounds = 1 })
  end)
end)
