-- Records of packets: complete, and the same numbers when they are read back.
local assert = require "luassert"
local cj = require "conjugate"
local folder = require "support.folder"
local json = require "conjugate.run.json"
local misuse = require "support.misuse"
local origin = require "conjugate.packet.origin"

local W = cj.tensor({ { 4, 0, 1, -1 }, { -2, 3, 0, 1 }, { -2, -3, 2, 0 } }, "float64")
local function model(x)
  return cj.linear(x:reshape { x:size(1), 4 }, W, cj.tensor({ -2, 1, 1 }, "float64"))
end

local function packet(more)
  local o = { model = model, label = 0, shape = { 1, 2, 2 }, dtype = "float64", name = "affine",
    epoch = 3 }
  for key, value in pairs(more) do o[key] = value end
  return cj.packet(o)
end

local function measure(more, opts)
  local o = { samples = 4000, seed = 7, quiet = true }
  for key, value in pairs(opts or {}) do o[key] = value end
  return packet(more):measure(o)
end

local function read_back(r, ending)
  local dir = folder.make()
  assert.is_true(r:write(dir .. "/r" .. ending))
  local text = assert(io.open(dir .. "/r" .. ending)):read "*a"
  folder.remove(dir)
  return text
end

local function read_csv(r)
  local rows, names = {}, nil
  for line in read_back(r, ".csv"):gmatch "[^\n]+" do
    local cells = {}
    for cell in (line .. ","):gmatch "([^,]*)," do cells[#cells + 1] = cell end
    if not names then
      names = cells
    else
      local row = {}
      for i, name in ipairs(names) do row[name] = tonumber(cells[i]) or cells[i] end
      rows[#rows + 1] = row
    end
  end
  return rows, names
end

-- What section 9 of the definitions lists of every pixel.
local LISTED = { "mu", "sigma_x", "g", "c", "sigma_p", "B", "B_face", "bound", "P", "U", "slack",
  "tightness", "loss_part", "cross_part", "window_part" }

describe("the record of a packet", function()
  it("says where it comes from", function()
    local back = json.decode(read_back(measure({ loss = "ce_clip", clip = 40 },
      { faces = 100 }), ".json"))
    for key, value in pairs {
      version = cj._VERSION, name = "affine", epoch = 3, seed = 7, loss = "ce_clip", clip = 40,
      label = 0, reference = "box", low = 0, high = 1, sampler = "plain", samples = 4000,
      status = "ok", dtype = "float64",
    } do assert.equal(value, back[key], key) end
    assert.same({ 1, 2, 2 }, { unpack(back.shape) })
    assert.same({ samples = 4000, sampler = "plain", seed = 7, faces = 100, face_pixels = "all" },
      back.options)
    for _, key in ipairs { "ess", "k", "largest", "beta", "beta_error", "z_B_gap", "z_c_gap" } do
      assert.equal("number", type(back[key]), key)
    end
  end)

  it("has the numbers of every pixel and in total, with their errors", function()
    local r = measure({}, { faces = 1000 })
    local back = json.decode(read_back(r, ".json"))
    for _, name in ipairs(LISTED) do
      local part = r.values[name] and { r, back.pixels } or { r.faces, back.faces }
      for i = 1, 4 do
        assert.equal(part[1].values[name]:get(i), part[2][name][i], name)
        assert.equal(part[1].errors[name]:get(i), part[2][name .. "_error"][i], name)
      end
    end
    assert.same({ "holds", "holds", "holds", "holds" }, { unpack(back.faces.verdicts) })
    local t = back.totals
    for _, name in ipairs { "sigma_x", "sigma_p", "g", "P", "U", "bound", "slack", "tightness",
      "loss_part", "cross_part", "window_part", "rms_gradient" } do
      assert.is_true(t[name][2] >= 0, name)
    end
    assert.near(t.P[1] - t.bound[1], t.slack[1], 1e-12)
    -- each is freed of its own bias, so that these hold to the order 1 / N
    assert.near(t.bound[1] / t.P[1], t.tightness[1], t.tightness[2] / 2)
    assert.near(t.sigma_x[1] * t.g[1], t.U[1], t.U[2] / 2)
    assert.is_true(t.slack[2] > 0 and t.slack[2] < t.P[2] + t.bound[2])
  end)

  it("is the same as one line a pixel", function()
    local r = measure({}, { faces = 1000, face_pixels = { 4, 2 } })
    local rows = read_csv(r)
    assert.equal(4, #rows)
    for i, row in ipairs(rows) do
      assert.equal(i, row.pixel)
      for _, name in ipairs { "mu", "sigma_x", "P", "B", "tightness", "loss_part" } do
        assert.equal(r.values[name]:get(i), row[name])
        assert.equal(r.errors[name]:get(i), row[name .. "_error"])
      end
    end
    for k, pixel in ipairs { 4, 2 } do
      local row, f = rows[pixel], r.faces
      assert.equal(f.values.B_face:get(k), row.B_face)
      assert.equal(f.errors.slack:get(k), row.faces_slack_error)
      assert.near(f.values.B_gap:get(k) / f.errors.B_gap:get(k), row.z_B_gap, 1e-12)
      assert.equal(f.verdicts[k], row.verdict)
    end
    assert.equal("", rows[1].B_face)
    assert.equal("", rows[3].verdict)
  end)

  it("tells centres apart, and where they came from", function()
    local function of(value, index)
      return measure { reference = "window", centre = cj.full({ 1, 2, 2 }, value, "float64"),
        tau = 0.4, index = index }:record()
    end
    local a, b = of(0.5, 12), of(0.25)
    assert.equal(12, a.centres.index)
    assert.equal(1, a.centres.count)
    assert.equal(0.4, a.tau)
    assert.equal(a.centres.fingerprint, of(0.5).centres.fingerprint)
    assert.not_equal(a.centres.fingerprint, b.centres.fingerprint)
    assert.equal(16, #a.centres.fingerprint)
    assert.equal(4, #a.pixels.verdicts)
  end)

  it("splits g^2 into parts that add up, with errors that hold for many seeds", function()
    local centres = cj.tensor({ 0, 0, 0, 0, 1, 0.5, 0, 1 }, "float64"):reshape { 2, 1, 2, 2 }
    local p = packet { reference = "data", data = centres, tau = 0.5 }
    local values, told = {}, 0
    for seed = 1, 40 do
      local r = p:measure { samples = 1000, seed = seed, quiet = true }
      local v, e = r.values, r.errors
      for i = 1, 4 do
        assert.near(v.g:get(i) ^ 2,
          v.loss_part:get(i) + v.cross_part:get(i) + v.window_part:get(i), 1e-12)
      end
      values[seed], told = v.cross_part:get(2), told + e.cross_part:get(2) / 40
    end
    local mean, squares = 0, 0
    for _, v in ipairs(values) do mean = mean + v / 40 end
    for _, v in ipairs(values) do squares = squares + (v - mean) ^ 2 / 39 end
    assert.near(1, told / math.sqrt(squares), 0.35) -- the spread of 40 has an error of 11 %
  end)

  it("names a field, and gives its inequality", function()
    local r = measure { field = "sign" }
    assert.equal("sign", r:record().field)
    for i = 1, 4 do
      local v = r.values
      assert.equal(math.abs(v.field_cov:get(i)), v.field_bound:get(i))
      assert.near(v.sigma_x:get(i) * v.field_sd:get(i), v.field_P:get(i), 1e-15)
      assert.is_true(v.field_P:get(i) >= v.field_bound:get(i))
    end
  end)

  it("has no numbers where they were refused", function()
    local r = cj.packet { model = function(x) return x:sum(2) * 0 end, loss = "value",
      shape = { 2 } }:measure { samples = 200, seed = 1, quiet = true }
    local back = json.decode(read_back(r, ".json"))
    assert.equal("unreliable", back.status)
    assert.is_true(#back.reasons > 0)
    for _, key in ipairs { "pixels", "faces", "totals", "beta", "beta_error" } do
      assert.is_nil(back[key], key)
    end
    assert.same({}, (read_csv(r)))
    misuse.raises("refused", r.map, r, "P")
  end)

  it("is made of a line, too", function()
    local a, b = cj.zeros({ 1, 2, 2 }, "float64"), cj.full({ 1, 2, 2 }, 0.8, "float64")
    local r = packet({ reference = cj.packet.slices.line { from = a, to = b }, index = { 1, 2 } })
      :measure { quiet = true }
    local back = json.decode(read_back(r, ".json"))
    for key, value in pairs {
      name = "affine", epoch = 3, loss = "ce", label = 0, reference = "line", status = "ok",
    } do assert.equal(value, back[key], key) end
    assert.equal(origin.fingerprint(a:reshape { 4 }), back.slice.from)
    assert.equal(2, back.slice.index[2])
    assert.near(r.g ^ 2, r.cross_part + r.window_part + r.loss_part, 1e-12)
    local row = read_csv(r)[1]
    assert.equal(r.sigma_p, row.sigma_p)
    assert.equal(r.errors.P, row.P_error)
    assert.equal("holds", row.verdict)
  end)
end)

describe("a map of a packet", function()
  it("has the sizes of an input and the numbers of the pixels", function()
    local r = measure({}, { faces = 500, face_pixels = { 3 } })
    local map = r:map "sigma_x"
    assert.same({ 1, 2, 2 }, { unpack(map.shape) })
    assert.equal(r.values.sigma_x:get(3), map:get(1, 2, 1))
    assert.equal(r.errors.P:get(2), r:map("P_error"):get(1, 1, 2))
    local face = r:map "B_face"
    assert.equal(r.faces.values.B_face:get(1), face:get(1, 2, 1))
    assert.is_true(face:get(1, 1, 1) ~= face:get(1, 1, 1))
    assert.near(r.faces.values.slack:get(1) / r.faces.errors.slack:get(1),
      r:map("slack_z"):get(1, 2, 1), 1e-12)
    misuse.raises('got "sigma_y"', r.map, r, "sigma_y")
  end)

  it("says on which side of one half a product is, beyond its error", function()
    local r = measure {}
    local side = r:map "naive"
    for i = 1, 4 do
      local p, e = r.values.P:get(i), r.errors.P:get(i)
      local expected = p + 3 * e < 0.5 and -1 or 0
      assert.is_true(p < 0.5)
      assert.equal(expected, side:get(1, math.ceil(i / 2), (i - 1) % 2 + 1))
    end
  end)
end)
