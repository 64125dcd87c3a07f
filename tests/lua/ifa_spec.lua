local assert = require "luassert"
local cj = require "conjugate"
local files = require "conjugate.run.files"
local follow = require "conjugate.ifa.follow"
local html = require "support.html"
local report = require "conjugate.ifa.report"
local system = require "conjugate.run.system"

local folders = {}

local function new_folder()
  local path = os.tmpname()
  os.remove(path)
  folders[#folders + 1] = path
  return path
end

local function clean()
  for _, path in ipairs(folders) do os.execute("rm -rf '" .. path .. "'") end
  folders = {}
end

local function bytes_of(path)
  return assert(system.read(path))
end

-- Every file of a folder but those with times in them.
local function contents(folder)
  local list = {}
  local pipe = io.popen(("cd '%s' && find . -type f | sort"):format(folder))
  for name in pipe:lines() do
    if not (name:find "%.lock$" or name:find "summary%.json$" or name:find "times%.json$") then
      list[#list + 1] = name .. " " .. html.without_vary(bytes_of(folder .. "/" .. name))
    end
  end
  pipe:close()
  return list
end

-- Two classes of 4 x 4 images, told apart by an affine model with slopes +-w.
local function affine(w, b)
  local Net = cj.nn.class "Affine"
  function Net:init()
    self:parameter("w", w:clone())
  end
  function Net:forward(x)
    local z = x:flatten(2):matmul(self.w) + b
    return cj.cat({ -z, z }, 2)
  end
  return Net():eval()
end

local function affine_set(n, seed)
  cj.seed(seed)
  local images = (cj.rand { n, 1, 4, 4 } * 255):to "uint8"
  local labels = {}
  for i = 1, n do labels[i] = i % 2 end
  return cj.data.set {
    images = images, labels = cj.tensor(labels, "int64"), name = "noise", classes = 2,
  }
end

describe("ifa.schedule", function()
  it("begins at 0, is dense at first, and ends at the last step", function()
    assert.same({ 0 }, follow.schedule(0))
    assert.same({ 0, 1, 2, 3 }, follow.schedule(3))
    local marks = follow.schedule(200)
    assert.equal(0, marks[1])
    assert.equal(1, marks[2])
    assert.equal(200, marks[#marks])
    for i = 2, #marks do assert.is_true(marks[i] > marks[i - 1]) end
    assert.equal(1000, follow.schedule(1000)[#follow.schedule(1000)])
  end)
end)

describe("ifa.follow", function()
  after_each(clean)

  -- Small weights: cross entropy must not underflow, or a sample stops moving.
  local function followed(clip, chunk)
    local w = cj.tensor(
      { 0.1, -0.2, 0.05, 0.15, -0.1, 0.2, 0.1, -0.05, 0.3, -0.1, 0.2, 0.1, -0.2, 0.1, 0.1, -0.1 })
      :reshape { 16, 1 }
    local set, net, dir = affine_set(10, 3), affine(w, 0.1), new_folder()
    assert(system.mkdir(dir))
    local result = follow.run {
      net = net, set = set, dir = dir, eps = 0.1, steps = 5, clip = clip, marks = { 0, 1, 2, 5 },
      attack = cj.attacks.pgd { eps = 0.1, alpha = 0.025, steps = 4, clip_box = clip == "box" },
      chunk = chunk or 4, ra_share = 1, quiet = true,
    }
    return { net = net, set = set, dir = dir, w = w, result = result }
  end

  local function deltas(run)
    local parts = {}
    for number = 1, run.result.chunks do
      parts[number] = assert(cj.io.read_npy((follow.names(run.dir, number))))
    end
    return cj.cat(parts, 1)
  end

  local function margins(run, x)
    local _, y = run.set:batch(1, 10)
    local z = cj.no_grad(function() return run.net(x) end)
    local list = {}
    for i = 1, 10 do
      local label = y:get(i)
      list[i] = z:get(i, label + 1) - z:get(i, 2 - label)
    end
    return list
  end

  it("raises every margin of an affine model by n eps ||w_y - w_k||_1", function()
    local run = followed "none"
    local x0 = run.set:batch(1, 10)
    local before, after = margins(run, x0), margins(run, x0 + deltas(run))
    local slope = 2 * run.w:abs():sum():item()
    for i = 1, 10 do assert.near(before[i] + 5 * 0.1 * slope, after[i], 1e-4) end
  end)

  it("moves every pixel by N eps at most, and stays in the box when asked to", function()
    assert.is_true(deltas(followed "none"):abs():max():item() <= 5 * 0.1 + 1e-6)
    local run = followed "box"
    local last = run.set:batch(1, 10) + deltas(run)
    assert.is_true(last:min():item() >= -1e-6 and last:max():item() <= 1 + 1e-6)
  end)

  it("gives the sum of single steps", function()
    local run = followed "none"
    local x, y = run.set:batch(1, 10)
    local step = cj.attacks.ifa { eps = 0.1, steps = 1, clip = "none" }
    local moved = x
    for _ = 1, 5 do moved = step(run.net, moved, y, { quiet = true }).x_adv end
    assert.near(0, (moved - x - deltas(run)):abs():max():item(), 1e-6)
  end)

  it("gives the same changes and counts for any chunk", function()
    local a, b = followed("none", 3), followed("none", 10)
    assert.equal(0, (deltas(a) - deltas(b)):abs():max():item())
    assert.same(a.result.ta, b.result.ta)
    assert.same(a.result.ra, b.result.ra)
  end)

  it("measures TA and RA that rise to 100 % on an affine model", function()
    local r = followed("none").result
    assert.same({ 0, 1, 2, 5 }, { r.n[1], r.n[2], r.n[3], r.n[4] })
    for i = 2, 4 do
      assert.is_true(r.ta[i] >= r.ta[i - 1])
      assert.is_true(r.ra[i] >= r.ra[i - 1])
      assert.is_true(r.ra[i] <= r.ta[i])
    end
  end)

  it("does not do a chunk again that is there", function()
    local run = followed "none"
    local array, text = follow.names(run.dir, 2)
    local counts = assert(files.read_json(text))
    counts.correct[1] = 0
    assert(files.write_json(text, counts))
    local before = bytes_of(array)
    local again = follow.run {
      net = run.net, set = run.set, dir = run.dir, eps = 0.1, steps = 5, clip = "none",
      marks = { 0, 1, 2, 5 }, attack = cj.attacks.pgd { eps = 0.1, clip_box = false }, chunk = 4,
      ra_share = 1, quiet = true,
    }
    assert.equal(before, bytes_of(array))
    assert.is_true(again.ta[1] < run.result.ta[1])
  end)
end)

describe("ifa.run", function()
  local train, test = assert(cj.data.load "mini")
  train, test = train:take(24), test:take(12)

  local function options(out, more)
    local o = {
      model = "convnet", train = train, test = test, out = out, epochs = 1, steps = 3, chunk = 10,
      gan = { epochs = 2, batch = 8, width = 1 }, seed = 5, quiet = true,
      fit = { batch = 16, quiet = true },
    }
    for key, value in pairs(more or {}) do o[key] = value end
    return o
  end

  teardown(clean)

  local reference
  setup(function()
    reference = new_folder()
    cj.ifa.run(options(reference))
  end)

  it("leaves a summary with all that was measured", function()
    local s = assert(files.read_json(reference .. "/summary.json"))
    for _, key in ipairs { "seed", "threads", "seconds", "ta", "ra_paper", "ra_worst", "hfr" } do
      assert.is_number(s[key], key)
    end
    assert.equal("mini", s.data)
    assert.equal("convnet", s.model)
    assert.equal(1, s.epochs)
    assert.equal(2, #s.ta_interval)
    assert.equal(2, #s.ra_interval)
    assert.same({ 0, 1, 2, 3 }, s.ifa.n)
    assert.equal(4, #s.ifa.ta)
    assert.equal(4, #s.ifa.ra)
    assert.is_number(s.acl.ta)
    assert.is_number(s.acl.ra_paper)
  end)

  it("leaves table, chart data and pictures", function()
    for _, name in ipairs { "table.txt", "table.csv", "metrics.jsonl", "ifa_curve.csv",
      "ifa_curve.gp", "pix2pix_losses.csv" } do
      assert.is_true(#bytes_of(reference .. "/" .. name) > 0, name)
    end
    for _, name in ipairs { "test_images.png", "training_images.png" } do
      assert.equal(3, assert(cj.io.read_png(reference .. "/" .. name)).shape[1])
    end
  end)

  it("leaves a page that holds the table, the curves and the pictures", function()
    local page = bytes_of(reference .. "/report.html")
    assert.is_nil(html.fault(page))
    assert.same({}, html.fetched(page))
    local s = assert(files.read_json(reference .. "/summary.json"))
    local rows = html.rows(page)
    assert.equal(("%.2f [%.2f, %.2f]"):format(s.ta, s.ta_interval[1], s.ta_interval[2]), rows[2][3])
    assert.equal(("%.2f"):format(s.acl.ra_paper), rows[3][4]:match "^[%d.]+")
    local pictures = html.pictures(page)
    assert.equal(3, #pictures)
    assert.is_true(bytes_of(reference .. "/test_images.png") == pictures[1])
    assert.equal(2, select(2, page:gsub("<svg", "")))
  end)

  it("ends with the same bytes when it was stopped after any stage", function()
    local out = new_folder()
    os.execute(("cp -r '%s' '%s'"):format(reference, out))
    for _, name in ipairs { "acl.json", "pix2pix/generator.safetensors", "delta/delta-00002.json",
      "ifa.json", "cl.json", "ifa_curve.csv", "metrics.jsonl" } do
      assert(os.remove(out .. "/" .. name))
    end
    cj.ifa.run(options(out))
    assert.same(contents(reference), contents(out))
  end)

  it("goes on inside the generator's training", function()
    local out = new_folder()
    os.execute(("cp -r '%s' '%s'"):format(reference, out))
    assert(os.remove(out .. "/pix2pix/generator.safetensors"))
    assert(os.remove(out .. "/acl.json"))
    local calls, real = 0, cj.io.save_tensors
    cj.io.save_tensors = function(...)
      calls = calls + 1
      assert(real(...))
      error("stopped here", 0)
    end
    assert.error_matches(function() cj.ifa.run(options(out)) end, "stopped here")
    cj.io.save_tensors = real
    assert.equal(1, calls)
    assert.is_true(system.exists(out .. "/pix2pix/state.safetensors"))
    cj.ifa.run(options(out))
    assert.same(contents(reference), contents(out))
  end)

  it("refuses a folder that holds other work", function()
    assert.error_matches(function()
      cj.ifa.run(options(reference, { steps = 4 }))
    end, "steps is 3, asked for 4")
  end)

  it("takes a network as it is, leaves it and the generator's state alone", function()
    cj.seed(2)
    local net = cj.models.convnet { data = train }
    net:train()
    local before, state = net:state_dict()["conv1.weight"]:clone(), cj.random.state()
    local o = options(new_folder(), {
      model = net, pictures = false, checks = true, check_samples = 8,
    })
    o.epochs = nil
    local result = cj.ifa.run(o)
    assert.is_true(net.training)
    assert.equal(0, (before - net:state_dict()["conv1.weight"]):abs():max():item())
    assert.same(state, cj.random.state())
    assert.is_number(result.acl.checks.pgd20_ra_worst)
    assert.is_number(result.acl.checks.transfer_ra)
  end)

  it("names wrong options", function()
    assert.error_matches(function() cj.ifa.run(options(nil)) end, "for out")
    assert.error_matches(function() cj.ifa.run(options("x", { stesp = 3 })) end, "did you mean")
    assert.error_matches(function() cj.ifa.run(options("x", { clip = "ball" })) end, "for clip")
    assert.error_matches(function() cj.ifa.run(options("x", { model = "convnt" })) end, "convnet")
  end)
end)

describe("ifa.report", function()
  local e = { ta = 97, ta_interval = { 96, 98 }, ra_paper = 12.5, ra_worst = 12 }

  it("sets CL above ACL in aligned columns", function()
    local text = report.table { { epochs = 3, cl = e, acl = e } }
    assert.truthy(text:find("CL          3        97.00 [ 96.00,  98.00]   12.50", 1, true), text)
    assert.equal(4, select(2, (text .. "\n"):gsub("\n", "\n")))
  end)

  it("leaves cells empty that were not measured", function()
    local line = report.csv({ { epochs = 3, cl = e } }):match "\n(.-)\n"
    assert.equal("CL,3,97,96,98,12.5,,,12,,", line)
  end)
end)
