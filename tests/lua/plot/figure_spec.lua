local assert = require "luassert"
local figure = require "conjugate.plot.figure"

local chart = {
  title = "it's a title", x = { label = "steps n", scale = "sqrt", ticks = { 0, 1, 4 } },
  y = { label = "accuracy", unit = "%", range = { 0, 101 } },
  series = {
    { name = "TA", x = { 0, 1, 4 }, y = { 94.41, 97.23, 100 } },
    { name = "RA, PGD", x = { 0, 4 }, y = { 3.19, 1 / 3 }, low = { 3, 0.25 }, high = { 4, 0.5 } },
  },
}

describe("plot.figure", function()
  it("writes all series beside one column of x, empty where a series has no value", function()
    assert.equal(table.concat({
      'steps n,TA,"RA, PGD","RA, PGD low","RA, PGD high"',
      "0,94.41,3.19,3,4",
      "1,97.23,,,",
      "4,100,0.333333333333333,0.25,0.5",
      "",
    }, "\n"):gsub("0.333333333333333", ("%.17g"):format(1 / 3)), figure.csv(chart))
  end)

  it("quotes texts for gnuplot", function()
    local script = figure.script(chart, "o'clock")
    assert.truthy(script:find("set title 'it''s a title'", 1, true))
    assert.truthy(script:find("out = 'o''clock.png'", 1, true))
  end)

  it("names the series whose x and y differ in length", function()
    assert.error_matches(function()
      figure.save("x", { series = { { name = "a", x = { 1 }, y = {} } } })
    end, "expected as many y as x in figure.series%[1%], got 0 and 1")
  end)

  describe("saved", function()
    local folder
    before_each(function()
      folder = os.tmpname()
      os.remove(folder)
      folder = folder .. " it's"
      os.execute(("mkdir %q"):format(folder))
    end)
    after_each(function()
      os.execute(("rm -rf %q"):format(folder))
    end)

    it("writes data and script, and draws in a folder with blanks and quotes", function()
      local done = assert(figure.save(folder .. "/curve", chart))
      assert.equal(figure.csv(chart), assert(io.open(done.csv)):read "*a")
      assert.truthy(io.open(done.gp))
      if figure.gnuplot() then
        assert.equal("\137PNG", assert(io.open(done.png, "rb")):read(4), done.message)
      else
        assert.truthy(done.message:find "cd ")
      end
    end)

    it("says how to draw it where gnuplot is missing", function()
      local found = figure.found
      figure.found = false
      local done = assert(figure.save(folder .. "/curve", chart))
      figure.found = found
      assert.is_nil(done.png)
      assert.truthy(done.message:find("gnuplot curve.gp", 1, true))
    end)

    it("reports what gnuplot said when it draws nothing", function()
      if not figure.gnuplot() then return end
      local broken = { series = { { name = "a", x = { 1 }, y = { 1 } } }, key = "nonsense here" }
      local done = assert(figure.save(folder .. "/broken", broken))
      assert.is_nil(done.png)
      assert.truthy(done.message:find "gnuplot drew nothing")
    end)

    it("returns nil and why when the folder does not exist", function()
      local done, why = figure.save(folder .. "/none/curve", chart)
      assert.is_nil(done)
      assert.is_string(why)
    end)
  end)
end)
