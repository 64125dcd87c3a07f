local assert = require "luassert"
local html = require "support.html"
local markup = require "conjugate.report.markup"

local element = markup.element

describe("markup", function()
  it("escapes what stands between tags and in attributes", function()
    assert.equal("&lt;b&gt; &amp; &quot;&#39;", markup.escape "<b> & \"'")
    local e = element("p", { title = 'a "b" <c>' }, "x < y & z")
    assert.equal('<p title="a &quot;b&quot; &lt;c&gt;">x &lt; y &amp; z</p>', tostring(e))
  end)

  it("does not escape twice, nor take a text for markup", function()
    local inner = element("b", nil, "1 < 2")
    assert.equal("<p><b>1 &lt; 2</b></p>", tostring(element("p", nil, inner)))
    assert.equal("<p>&lt;b&gt;1 &amp;lt; 2&lt;/b&gt;</p>",
      tostring(element("p", nil, tostring(inner))))
  end)

  it("shows control characters as the replacement sign and keeps UTF-8", function()
    assert.equal("a\239\191\189b ε\n", markup.escape "a\0b ε\n")
    assert.equal("\239\191\189", markup.escape "\27")
  end)

  it("writes attributes in the order of their names, numbers with two decimals", function()
    assert.equal('<a b="0" c="1.5" d="2.33" hidden></a>',
      tostring(element("a", { d = 7 / 3, c = 1.5, b = -0.001, hidden = true })))
  end)

  it("takes lists, leaves out false and nil, and closes only what has an inside", function()
    assert.equal("<ul><li>1</li><li>2</li>x</ul>", tostring(element("ul", nil,
      { element("li", nil, 1), element("li", nil, 2) }, false, nil, "x")))
    assert.equal('<img alt="">', tostring(element("img", { alt = "" })))
  end)
end)

describe("the check of pages", function()
  it("sees what is wrong", function()
    assert.is_nil(html.fault "<!DOCTYPE html><p>a<br>b &amp; c</p>")
    assert.is_truthy(html.fault "<p><b>a</p></b>")
    assert.is_truthy(html.fault "<p>a")
    assert.is_truthy(html.fault "<p>a < b</p>")
    assert.is_truthy(html.fault "<p>a & b</p>")
    assert.is_truthy(html.fault '<p title="a>b</p>')
    assert.same({ "x.css" }, html.fetched '<link href="x.css"><img src="data:,">')
  end)
end)
