local cj = require "conjugate"
local check_attack = require "support.check_attack"
local misuse = require "support.misuse"

local onepixel = cj.attacks.onepixel

-- Images that a model is asked about, as tables.
local function recording(model)
  local seen = {}
  return seen, function(x)
    for _, image in ipairs(x:detach():table()) do seen[#seen + 1] = image end
    return model(x)
  end
end

-- Class 1 wins when the pixel at (row, column) of channel c exceeds 0.9 on its way from 0.
local function watching(c, row, column)
  return function(x)
    local v = x:narrow(2, c, 1):narrow(3, row, 1):narrow(4, column, 1):reshape { -1, 1 }
    return cj.cat({ v * 0 + 0.9, v }, 2)
  end
end

-- { row, column } of the pixels that differ from zero, and their number.
local function changed(image)
  local places = {}
  for row = 1, #image[1] do
    for column = 1, #image[1][1] do
      local any = false
      for c = 1, #image do any = any or image[c][row][column] ~= 0 end
      if any then places[#places + 1] = { row, column } end
    end
  end
  return places
end

-- A model that never changes its mind.
local function stubborn(x)
  return x:reshape({ x:size(1), -1 }):narrow(2, 1, 1) * 0 + cj.tensor { 2, 0 }
end

-- Could v be the child of member i?
local function is_child(v, now, i, f)
  for a = 1, #now do
    for b = 1, #now do
      for c = 1, #now do
        local made = math.max(0, math.min(1, now[a] + f * (now[b] - now[c])))
        local different = a ~= b and b ~= c and a ~= c and a ~= i and b ~= i and c ~= i
        if different and math.abs(made - v) < 1e-12 then return true end
      end
    end
  end
  return false
end

describe("onepixel", function()
  check_attack.laws(it, {
    make = onepixel, options = { pixels = 5, pop = 12, gens = 8 }, ball = "l0", radius = 5,
    gradients = false, queries = 2 + 12 * 9, success = 0.5,
    idle = { { eps = 0 } }, monotone = { { gens = 0 }, { gens = 3 }, { gens = 12 } },
  })
end)

describe("onepixel toward a target, as in the paper", function()
  check_attack.laws(it, {
    make = onepixel, ball = "l0", radius = 3, gradients = false, idle = { { eps = 0 } },
    options = { pixels = 3, pop = 8, gens = 6, paper_stop = true, target = "second" },
  })
end)

describe("onepixel", function()
  it("finds the one pixel that matters, wherever it is", function()
    for _, place in ipairs { { 1, 1, 1 }, { 2, 3, 5 }, { 3, 3, 1 }, { 1, 1, 5 }, { 2, 2, 4 } } do
      local r = onepixel { pop = 60, gens = 30 } (watching(unpack(place)), cj.zeros { 1, 3, 3, 5 },
        { 0 }, { seed = 4 })
      assert.same({ "SUCCESS" }, r.status)
      assert.is_true(r.x_adv:get(1, unpack(place)) > 0.9)
      assert.same({ { place[2], place[3] } }, changed(r.x_adv:table()[1]))
    end
  end)

  it("finds a pixel wherever a search over all of them does", function()
    local net, x, y = check_attack.network(24)
    net:eval()
    local r = onepixel { pop = 100, gens = 40 } (net, x, y, { seed = 1 })
    local found, none = 0, 0
    for i = 1, 24 do
      local all = x:narrow(1, i, 1):expand { 72, 1, 6, 6 }:contiguous():reshape { 72, 36 }
      for p = 1, 72 do all:set(p, (p - 1) % 36 + 1, p > 36 and 1 or 0) end
      local any = false
      for _, label in ipairs(cj.predict(net, all:reshape { 72, 1, 6, 6 }):table()) do
        any = any or label ~= y:get(i)
      end
      if any and r.status[i] ~= "ALREADY" then
        assert.equal("SUCCESS", r.status[i])
        found = found + 1
      elseif r.status[i] == "FAIL" then
        none = none + 1
      end
    end
    assert.is_true(found > 4 and none > 4)
  end)

  it("tries every row and column of images that are not square, and no others", function()
    for _, sizes in ipairs { { 7, 3 }, { 2, 9 } } do
      local seen, model = recording(stubborn)
      onepixel { pop = 200, gens = 1 } (model, cj.zeros { 1, 1, unpack(sizes) }, { 0 },
        { seed = 1 })
      local counts, all = {}, 0
      for i = 2, 201 do -- the first generation; a colour of 0 changes nothing
        for _, place in ipairs(changed(seen[i])) do
          local key = place[1] .. "," .. place[2]
          counts[key], all = (counts[key] or 0) + 1, all + 1
        end
      end
      assert.is_true(all > 140) -- N(128, 127) is above 0 in 84 % of the draws
      for row = 1, sizes[1] do
        for column = 1, sizes[2] do assert.is_true((counts[row .. "," .. column] or 0) > 0) end
      end
    end
  end)

  it("draws colours from N(128, 127) / 255, clamped", function()
    local seen, model = recording(stubborn)
    onepixel { pop = 2000, gens = 0 } (model, cj.full({ 1, 1, 1, 1 }, 0.25), { 0 }, { seed = 2 })
    local low, high, sum, inside = 0, 0, 0, 0
    for i = 2, 2001 do
      local v = seen[i][1][1][1]
      low, high = low + (v == 0 and 1 or 0), high + (v == 1 and 1 or 0)
      if v > 0 and v < 1 then sum, inside = sum + v, inside + 1 end
    end
    assert.near(0.157, low / 2000, 0.025) -- P(N < -128/127)
    assert.near(0.159, high / 2000, 0.025) -- P(N > 1)
    assert.near(0.501, sum / inside, 0.02)
  end)

  it("changes at most d pixels, in all channels at once", function()
    for d = 1, 5 do
      local seen, model = recording(stubborn)
      onepixel { pixels = d, pop = 20, gens = 3 } (model, cj.zeros { 1, 3, 4, 6 }, { 0 },
        { seed = d })
      local most, together = 0, 0
      for _, image in ipairs(seen) do
        local places = changed(image)
        most = math.max(most, #places)
        for _, p in ipairs(places) do
          local r, g, b = image[1][p[1]][p[2]], image[2][p[1]][p[2]], image[3][p[1]][p[2]]
          if r > 0 and g > 0 and b > 0 then together = together + 1 end
        end
      end
      assert.equal(d, most)
      assert.is_true(together > 20)
    end
  end)

  it("asks at most pop * (gens + 1) times, and exactly so when nothing helps", function()
    local counted = check_attack.counting(stubborn)
    local r = onepixel { pop = 13, gens = 4 } (counted, cj.zeros { 2, 1, 2, 3 }, { 0, 0 })
    assert.same({ "FAIL", "FAIL" }, r.status)
    assert.equal(0, r.linf[1]) -- no member was fitter than x
    for i = 1, 2 do assert.is_true(r.forwards[i] - (1 + 13 * 5) <= 1) end
    assert.is_true(r.forwards[1] >= 1 + 13 * 5)
    assert.same({ 5, 5 }, r.iters)
    assert.same({ 0, 0 }, r.backwards)
    assert.equal(counted.forwards, r.forwards_total)
    assert.equal(0, r.backwards_total)
  end)

  it("breeds r1 + f (r2 - r3) from the generation before, and keeps the fitter", function()
    -- one pixel, one channel: a member is its colour; the model likes colours near 0.3
    local function model(x)
      local v = x:reshape { -1, 1 }
      return cj.cat({ v * 0 + 5, (v - 0.3):abs() * -1 }, 2)
    end
    local pop, gens, f = 6, 12, 0.4
    local seen, recorded = recording(model)
    onepixel { pop = pop, gens = gens, f = f } (recorded, cj.full({ 1, 1, 1, 1 }, 0.9, "float64"),
      { 0 }, { seed = 5 })
    local now, better = {}, 0
    for i = 1, pop do now[i] = seen[1 + i][1][1][1] end
    for g = 1, gens do
      local young = {}
      for i = 1, pop do
        local child = seen[1 + g * pop + i][1][1][1]
        assert.is_true(is_child(child, now, i, f))
        local fitter = math.abs(child - 0.3) < math.abs(now[i] - 0.3)
        young[i] = fitter and child or now[i]
        better = better + (fitter and 1 or 0)
      end
      now = young
    end
    assert.is_true(better > 5)
  end)

  it("never loses what it found: more generations fail at no lower loss", function()
    local net, x, y = check_attack.network(6)
    local before
    for _, gens in ipairs { 0, 2, 5, 9 } do
      local r = onepixel { pop = 10, gens = gens } (net, x, y, { seed = 3 })
      for i = 1, r.n do
        if before and before.status[i] == "FAIL" then
          assert.is_true(r.status[i] == "SUCCESS" or r.loss_adv[i] >= before.loss_adv[i] - 1e-6)
        elseif before then
          assert.equal(before.status[i], r.status[i])
        end
      end
      before = r
    end
  end)

  it("goes on until the paper's thresholds when asked to", function()
    -- p_1 rises with the pixel's brightness; 0.5 is reached at 0.3, 0.9 and 0.95 later
    local function model(x)
      local v = x:reshape { -1, 1 }
      return cj.cat({ v * 0, (v - 0.3) * 5 }, 2)
    end
    local x = cj.zeros({ 1, 1, 1, 1 }, "float64")
    local function result(o)
      o.pop, o.gens = 8, 40
      local r = onepixel(o)(model, x, { 0 }, { seed = 8 })
      return r.x_adv:item(), r.status[1], r.forwards[1]
    end
    local early, _, cheap = result {}
    local toward, status, more = result { paper_stop = true, target = 1 }
    local away = result { paper_stop = true }
    assert.is_true(early > 0.3)
    assert.equal("SUCCESS", status)
    assert.is_true(toward > 0.3 + math.log(9) / 5) -- p_t > .9
    assert.is_true(away > 0.3 + math.log(19) / 5) -- p_y < .05
    assert.is_true(more >= cheap)
  end)

  it("sees differences where probabilities round to one", function()
    -- p_y = 1 in double everywhere, yet brighter is better: the fittest member is bright
    local function model(x)
      local v = x:reshape { -1, 1 }
      return cj.cat({ v * 0 + 80, v }, 2)
    end
    local r = onepixel { pop = 10, gens = 10 } (model, cj.zeros({ 1, 1, 1, 1 }, "float64"), { 0 })
    assert.same({ "FAIL" }, r.status)
    assert.is_true(r.x_adv:item() > 0.9)
  end)

  it("uses fewer pixels when eps says so, none for eps = 0", function()
    local seen, model = recording(stubborn)
    local attack = onepixel { pixels = 4, pop = 8, gens = 1, eps = 2 }
    attack(model, cj.zeros { 1, 1, 5, 5 }, { 0 })
    for _, image in ipairs(seen) do assert.is_true(#changed(image) <= 2) end
    local r = onepixel { eps = 0 } (stubborn, cj.zeros { 1, 1, 5, 5 }, { 0 })
    assert.same({ "FAIL" }, r.status)
    assert.is_true(r.forwards[1] <= 2)
  end)

  it("treats rows of numbers as one line of pixels", function()
    local function last(x) return cj.cat({ x:narrow(2, 1, 1) * 0 + 0.5, x:narrow(2, 7, 1) }, 2) end
    local r = onepixel { pop = 40, gens = 20 } (last, cj.zeros { 2, 7 }, { 0, 0 }, { seed = 1 })
    assert.same({ "SUCCESS", "SUCCESS" }, r.status)
    assert.same({ 1, 1 }, r.l0)
  end)

  it("says what is wrong with its options", function()
    for key, values in pairs {
      pixels = { 0, -1, 1.5, "x" }, pop = { 3, 0, -4, 4.5, 1e9 }, gens = { -1, 0.5, "x" },
      f = { -0.1, 2.1, 0 / 0, "x" }, eps = { -1, 0 / 0 }, paper_stop = { 1 },
      clip_box = { false }, bounds = { { 0, math.huge } },
    } do
      for _, v in ipairs(values) do misuse.raises("onepixel: expected", onepixel, { [key] = v }) end
    end
    misuse.raises("onepixel: expected at most 6 pixels, as many as x has, got 7",
      onepixel { pixels = 7 }, stubborn, cj.zeros { 1, 3, 2, 3 }, { 0 })
    misuse.raises("onepixel: expected", onepixel {}, stubborn, "x", { 0 })
  end)
end)
