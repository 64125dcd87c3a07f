-- The same seed gives the same bytes for any number of threads and however the work is cut: boxes
-- with faces, windows, images and fields, through plans and without.
local cj = require "conjugate"
local core = require "conjugate.core"

local nn = cj.nn
local plans = require "conjugate.plan"

local SAMPLES, PIXELS = 700, 36

local function network()
  cj.seed(4)
  return nn.sequential { nn.conv2d(1, 4, 3), nn.relu(), nn.flatten(), nn.linear(64, 3) }
end

local function steepest(_, _, g)
  return g * 2
end

local function grey(value)
  return cj.full({ 1, 1, 6, 6 }, value)
end
local images = cj.cat({ grey(0.25), grey(0.5), grey(0.75) }, 1)

local cases = {
  { "a box with faces", { set = "plain", reference = "box", face_pixels = { 2, 36 },
    face_samples = 300 } },
  { "a window", { set = "window", reference = "window", centres = images:narrow(1, 1, 1) } },
  { "images", { set = "plain", reference = "data", centres = images } },
  { "a field in a window", { set = "field", reference = "window",
    centres = images:narrow(1, 1, 1) }, steepest },
}

local function description(more)
  local d = {
    loss = "ce", clip = 1, low = 0, high = 1, tau = 0.2, seed = 3, size = { 1, 6, 6 },
    dtype = "float32", labels = { 0, 2 }, samples = SAMPLES,
    centre = cj.full({ PIXELS }, 0.5, "float64"), face_pixels = {}, face_samples = 0,
  }
  for key, value in pairs(more) do d[key] = value end
  return d
end

local function flat(totals)
  local names, out = {}, {}
  for name in pairs(totals) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    out[i] = ("%s %.17g %.17g"):format(name, totals[name][1], totals[name][2])
  end
  return table.concat(out, "\n")
end

-- All that a measurement says.
local function bytes(row, compiled, threads, step)
  local before, net, plan = core.threads(), network(), nil
  core.threads(threads)
  local model = net
  if compiled then
    plan = plans.try(net, cj.full({ 1, 1, 6, 6 }, 0.5))
  else
    model = function(x)
      return net(x)
    end
  end
  local m, done, parts = core.packet_new(description(row[2])), 0, {}
  while done < SAMPLES do
    done = core.packet_run(m, model, plan and plan:checked(), row[3], step)
  end
  core.threads(before)
  for place = 1, 2 do
    for _, faces in ipairs { false, row[2].face_pixels and true or nil } do
      local values, errors = core.packet_estimates(m, place, faces)
      parts[#parts + 1] = values:bytes() .. errors:bytes()
    end
    for _, slopes in ipairs { false, true } do
      local e = core.packet_evenness(m, place, slopes)
      parts[#parts + 1] = ("%.17g %.17g %.17g"):format(e.ess, e.largest, e.k)
    end
    parts[#parts + 1] = flat(core.packet_totals(m, place))
  end
  if plan then plan:release() end
  return table.concat(parts)
end

describe("bytes of measurements", function()
  for _, row in ipairs(cases) do
    for _, compiled in ipairs { true, false } do
      it(("stay the same: %s, %s"):format(row[1], compiled and "compiled" or "eager"), function()
        local whole = bytes(row, compiled, 1, SAMPLES)
        assert.is_true(#whole > 1000)
        assert.is_true(whole == bytes(row, compiled, 2, SAMPLES))
        for _, step in ipairs { 7, 33, 640 } do
          assert.is_true(whole == bytes(row, compiled, 2, step), tostring(step))
        end
      end)
    end
  end

  it("are others for another seed", function()
    local row = cases[2]
    local other = { row[1], {} }
    for key, value in pairs(row[2]) do other[2][key] = value end
    other[2].seed = 4
    assert.is_true(bytes(row, true, 2, SAMPLES) ~= bytes(other, true, 2, SAMPLES))
  end)
end)
