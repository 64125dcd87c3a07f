-- Lines and planes through images, and packets of models on them.
local assert = require "luassert"
local cj = require "conjugate"
local core = require "conjugate.core"
local misuse = require "support.misuse"
local near = require "support.near"
local starve = require "support.starve"

local slices = cj.packet.slices

local function image(values, dtype)
  return cj.tensor({ { { values[1], values[2] }, { values[3], values[4] } } }, dtype or "float64")
end

local A, B = image { 0.1, 0.2, 0.3, 0.4 }, image { 0.5, 0.9, 0.3, 0.1 }

local W = cj.tensor({ { 3, -1, 2, 0 }, { -2, 1, 0.5, 1 }, { 0, 2, -1, -2 } }, "float64")
local b = cj.tensor({ 0.2, -0.1, 0.3 }, "float64")
local function affine(x)
  return cj.linear(x:reshape { x:size(1), 4 }, W:to(x.dtype), b:to(x.dtype))
end

describe("a line", function()
  it("runs from one image to the other, and beyond by its margin", function()
    local line = slices.line { from = A, to = B, margin = 0.5 }
    local length = math.sqrt(0.4 ^ 2 + 0.7 ^ 2 + 0.3 ^ 2)
    near(-length / 2, line.low[1], 1e-14)
    near(length * 1.5, line.high[1], 1e-14)
    local x = line:points(cj.tensor({ 0, length, 2 * length }, "float64"))
    assert.same({ 3, 1, 2, 2 }, x.shape)
    assert.is_true((x:narrow(1, 1, 1):reshape { 1, 2, 2 }):allclose(A, 1e-12))
    assert.is_true((x:narrow(1, 2, 1):reshape { 1, 2, 2 }):allclose(B, 1e-12))
    assert.is_true((x:narrow(1, 3, 1):reshape { 1, 2, 2 }):allclose(B * 2 - A, 1e-12))
  end)

  it("keeps the images' type", function()
    local line = slices.line { from = A:to "float32", to = B:to "float32" }
    assert.equal("float32", line:points(cj.tensor({ 0.1 }, "float64")).dtype)
  end)

  it("does not mind how long its direction is", function()
    local a = slices.line { at = A, along = B, low = -1, high = 1 }
    local c = slices.line { at = A, along = B * 7, low = -1, high = 1 }
    assert.is_true((a.directions[1]):allclose(c.directions[1], 1e-12))
    near(1, (a.directions[1] * a.directions[1]):sum():item(), 1e-15)
  end)

  it("gives slopes that are those of the loss along it", function()
    local line = slices.line { from = A, to = B }
    for _, loss in ipairs { "ce", "err", "tanh_ce", "brier", "mse", "amp" } do
      local o = { model = affine, label = 1, loss = loss, clip = 10 }
      local h = 1e-5
      local l, slope = slices.losses(line, o, cj.tensor({ { 0.3 - h }, { 0.3 }, { 0.3 + h } },
        "float64"))
      near((l:get(3) - l:get(1)) / (2 * h), slope:get(2, 1), 1e-8, loss)
      assert.is_true(math.abs(slope:get(2, 1)) > 1e-3)
    end
  end)

  it("measures packets whose faces and volume agree", function()
    local line = slices.line { from = A, to = B, margin = 0.3 }
    for _, loss in ipairs { "ce", "err", "amp", "brier" } do
      local r = slices.measure(line, { model = affine, label = 0, loss = loss })
      assert.is_true(r.converged)
      near(0, r.B_gap, 1e-10)
      near(0, r.c_gap, 1e-10)
      assert.is_true(r.slack > -1e-10 and r.tightness > 0.1)
    end
  end)

  it("meets the closed form where the loss is a function of t alone", function()
    local line = slices.line { at = A * 0, along = image { 1, 0, 0, 0 }, low = 0, high = 1 }
    local r = slices.measure(line, {
      loss = "value", model = function(x) return x:reshape({ x:size(1), 4 }):select(2, 1) end,
    })
    near(1 / 3, r.beta, 1e-13)
    near(0.125, r.bound, 1e-13)
    near(math.sqrt(0.75), r.sigma_p, 1e-12)
  end)

  it("shows a wrong gradient of the model, however the loss looks", function()
    local wrong = cj.func {
      forward = function(_, x) return affine(x) end,
      backward = function(_, gz) return (gz:matmul(W) * 1.01):reshape { gz:size(1), 1, 2, 2 } end,
    }
    local line = slices.line { from = A, to = B }
    local r = slices.measure(line, { model = wrong, label = 0 })
    local right = slices.measure(line, { model = affine, label = 0 })
    near(0, right.c_gap, 1e-11)
    near(-0.01 * right.c, r.c_gap, 1e-10)
    assert.is_true(math.abs(r.B_gap) > 1e6 * math.abs(right.B_gap) and math.abs(r.B_gap) > 1e-6)
    near(right.B_face, r.B_face, 1e-13) -- no gradient enters there
  end)

  it("works in float32 to what float32 gives", function()
    local function on(dtype)
      return slices.measure(slices.line { from = A:to(dtype), to = B:to(dtype) },
        { model = affine, label = 2 })
    end
    local exact, rough = on "float64", on "float32"
    for _, name in ipairs { "beta", "sigma_x", "g", "B", "P" } do
      near(exact[name], rough[name], 1e-5 * math.abs(exact[name]), name)
    end
  end)

  it("follows a ReLU network through its kinks", function()
    cj.seed(4)
    local net = cj.nn.sequential { cj.nn.linear(4, 16), cj.nn.relu(), cj.nn.linear(16, 3) }
    cj.no_grad(function()
      for _, p in ipairs(net:parameters()) do p:copy_(p * 3) end
    end)
    net:to "float64"
    local line = slices.line { from = A:reshape { 4 }, to = B:reshape { 4 }, margin = 1 }
    local r = slices.measure(line, { model = net, label = 1, loss = "err" })
    assert.is_true(r.converged and r.panels > 16)
    near(0, r.B_gap, 1e-8)
    near(0, r.c_gap, 1e-8)
    assert.is_true(net.training)
  end)
end)

describe("a convolutional network on slices", function()
  local plans = require "conjugate.plan"
  cj.seed(6)
  local net = cj.nn.sequential {
    cj.nn.conv2d(1, 4, 3), cj.nn.relu(), cj.nn.max_pool2d(2), cj.nn.flatten(), cj.nn.linear(36, 5),
  }
  local from, to = cj.rand { 1, 8, 8 }, cj.rand { 1, 8, 8 }
  local third = cj.rand { 1, 8, 8 }
  local line = slices.line { from = from, to = to, margin = 0.5 }
  local plane = slices.plane { from = from, to = to, third = third }

  local function without_plans(f)
    plans.enabled = false
    local ok, why = pcall(f)
    plans.enabled = true
    assert.is_true(ok, why)
  end

  it("gives the same compiled and called, on as many points as it may", function()
    for _, slice in ipairs { line, plane } do
      local o = { model = net, label = 3, loss = "err", points = 6000 }
      local planned = slices.measure(slice, o)
      without_plans(function()
        local called = slices.measure(slice, o)
        for i, axis in ipairs(planned.axes) do
          for _, name in ipairs { "mu", "sigma_x", "g", "c", "B", "B_face" } do
            near(called.axes[i][name], axis[name], called.errors.axes[i][name] + 1e-5, name)
          end
        end
      end)
      -- of the box, and of each face: two points of a line, four edges of a plane
      assert.is_true(planned.points <= (slice == line and 6004 or 5 * 6000))
    end
  end)

  it("gives all its memory back when any of it is refused", function()
    local plan, u = cj.compile(net, cj.zeros { 1, 1, 8, 8 }), cj.stack(line.directions, 1)
    local count = starve.every_allocation(function()
      core.packet_along(plan:checked(), line.x0, u, cj.zeros({ 9, 1 }, "float64"), "ce", 10, 1)
    end)
    assert.is_true(count > 3)
    misuse.raises("for u", core.packet_along, plan:checked(), line.x0, line.x0:narrow(1, 1, 9),
      cj.zeros({ 9, 1 }, "float64"), "ce", 10, 1)
    misuse.raises("0 to 4 for label", core.packet_along, plan:checked(), line.x0, u,
      cj.zeros({ 9, 1 }, "float64"), "ce", 10, 5)
    plan:release()
  end)

  it("does not depend on threads and batches", function()
    local threads = cj.threads()
    local function measure(count, batch)
      cj.threads(count)
      return slices.measure(line, { model = net, label = 1, points = 3000, batch = batch })
    end
    local one, two = measure(1, 1000), measure(2, 77)
    cj.threads(threads)
    for _, name in ipairs { "beta", "sigma_x", "sigma_p", "B", "B_face", "roundoff" } do
      assert.equal(one[name], two[name])
    end
  end)

  it("is known to what float32 knows, and says so", function()
    local double = cj.nn.sequential { cj.nn.conv2d(1, 4, 3), cj.nn.relu(), cj.nn.max_pool2d(2),
      cj.nn.flatten(), cj.nn.linear(36, 5) }
    double:load_state_dict(net:state_dict())
    double:to "float64"
    local fine = slices.line { from = from:to "float64", to = to:to "float64", margin = 0.5 }
    for _, loss in ipairs { "ce", "amp" } do
      local o = { label = 2, loss = loss, tolerance = 1e-9, points = 100000 }
      o.model = double
      local exact = slices.measure(fine, o)
      assert.equal("ok", exact.status)
      assert.equal(0, exact.roundoff)
      o.model = net
      local rough = slices.measure(line, o)
      assert.is_true(rough.converged and rough.points < exact.points)
      assert.is_true(rough.roundoff > 1e-8 and rough.roundoff < 1e-5)
      for _, name in ipairs { "mu", "sigma_x", "g", "c", "B", "P", "slack" } do
        near(exact[name], rough[name], rough.errors[name], name)
      end
    end
  end)

  it("warns when numbers are too rough to be of use, or a tolerance was asked for", function()
    local o = { model = net, label = 3, loss = "err", panels = 2, points = 100 }
    local rough = slices.measure(plane, o)
    assert.equal("warn", rough.status)
    assert.is_truthy(rough.reasons[1]:find("known to", 1, true))
    assert.is_truthy(rough.reasons[1]:find("allow more points", 1, true))
    o.panels, o.points = 8, 20000
    local fine = slices.measure(plane, o)
    assert.equal("ok", fine.status)
    assert.is_false(fine.converged)
    assert.is_true(fine.errors.axes[1].P < 0.01 * fine.axes[1].P)
    o.tolerance = 1e-6
    assert.equal("warn", slices.measure(plane, o).status)
  end)
end)

describe("a packet whose reference is a line or plane", function()
  local line = slices.line { from = A, to = B }

  it("is measured for each label, as the slice alone", function()
    local p = cj.packet { model = affine, labels = { 2, 0 }, loss = "err", reference = line }
    assert.equal("line", p.reference)
    assert.is_truthy(tostring(p):find("line, 4 pixels", 1, true))
    local results = p:measure { tolerance = 1e-8, quiet = true }
    for i, label in ipairs { 2, 0 } do
      local alone = slices.measure(line, {
        model = affine, label = label, loss = "err", tolerance = 1e-8 })
      assert.equal(label, results[i].label)
      assert.equal("err", results[i]:record().loss)
      assert.equal("line", results[i]:record().reference)
      assert.equal(alone.sigma_p, results[i].sigma_p)
    end
    local one = cj.packet {
      model = function(x) return affine(x):select(2, 1) ^ 2 end, loss = "value", reference = line,
    }
    assert.equal("ok", one:measure().status)
  end)

  it("says what does not go together", function()
    misuse.raises("a name, a line or a plane", cj.packet, {
      model = affine, label = 0, reference = { 1 } })
    misuse.raises("no field", cj.packet, {
      model = affine, label = 0, reference = line, field = "fgsm" })
    misuse.raises("there is no option", function()
      cj.packet({ model = affine, label = 0, reference = line }):measure { samples = 3 }
    end)
  end)
end)

describe("a plane", function()
  it("is spanned by orthonormal directions through its images", function()
    local third = image { 0.9, 0, 0.8, 0.2 }
    local plane = slices.plane { from = A, to = B, third = third, margin = 0.1 }
    local u, v = plane.directions[1], plane.directions[2]
    near(1, (u * u):sum():item(), 1e-15)
    near(1, (v * v):sum():item(), 1e-15)
    near(0, (u * v):sum():item(), 1e-15)
    local way = (third - A):reshape { 4 }
    local t = cj.tensor({ { (way * u):sum():item(), (way * v):sum():item() } }, "float64")
    assert.is_true((plane:points(t):reshape { 1, 2, 2 }):allclose(third, 1e-12))
  end)

  it("has the numbers of its lines where the loss does not change across", function()
    local function model(x) return affine(x * cj.tensor({ { 1, 0 }, { 0, 0 } }, "float64")) end
    local e1, e2 = image { 1, 0, 0, 0 }, image { 0, 1, 0, 0 }
    local line = slices.measure(slices.line { at = A, along = e1, low = 0, high = 1 },
      { model = model, label = 0 })
    local plane = slices.measure(slices.plane {
      at = A, along = { e1, e2 }, low = { 0, 0 }, high = { 1, 2 },
    }, { model = model, label = 0 })
    for _, name in ipairs { "mu", "sigma_x", "sigma_p", "B", "P" } do
      near(line[name], plane.axes[1][name], 1e-10, name)
    end
    near(1, plane.axes[2].B, 1e-10)
    near(0, plane.axes[2].sigma_p, 1e-10)
    near(2 / math.sqrt(12), plane.axes[2].sigma_x, 1e-10)
  end)

  it("says what is wrong with what spans it", function()
    misuse.raises("no length is left", slices.line, { from = A, to = A })
    misuse.raises("no length is left", slices.plane, { from = A, to = B, third = A * 2 - B })
    misuse.raises("as many elements", slices.line, { from = A, to = cj.zeros { 5 } })
    misuse.raises("low and high", slices.line, { at = A, along = B })
    misuse.raises("low below high", slices.line, { at = A, along = B, low = 1, high = 0 })
    misuse.raises("a line or plane", slices.measure, {}, { model = affine, label = 0 })
    local line = slices.line { from = A, to = B }
    misuse.raises("expected a whole number", slices.measure, line, { model = affine })
    misuse.raises("label", slices.measure, line, { model = affine, label = 3 })
    misuse.raises("loss", slices.measure, line, { model = affine, label = 0, loss = "cf" })
    misuse.raises("logits [B, K]", slices.measure, line, {
      model = function(x) return x end, label = 0,
    })
  end)
end)
