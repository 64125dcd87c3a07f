local assert = require "luassert"
local complete = require "conjugate.repl.complete"

describe("repl.complete", function()
  local env = {
    apple = 1,
    apply = print,
    box = setmetatable({ colour = 1, _hidden = 2 }, { __index = { open = print, close = print } }),
    angry = setmetatable({}, { __index = function() error "do not call me" end }),
  }

  it("completes global names and keywords", function()
    assert.same({ "apple", "apply" }, complete.candidates("appl", env))
    assert.same({ "function" }, complete.candidates("func", env))
  end)

  it("completes fields and methods, whole words", function()
    assert.same({ "box.close", "box.colour" }, complete.candidates("box.c", env))
    assert.same({ "box:open" }, complete.candidates("box:o", env))
  end)

  it("shows private names only to those who ask for them", function()
    assert.same({ "box.close", "box.colour", "box.open" }, complete.candidates("box.", env))
    assert.same({ "box._hidden" }, complete.candidates("box._", env))
  end)

  it("knows the methods of tensors and the parts that load on first use", function()
    local cj = require "conjugate"
    assert.same({ "x:reshape" }, complete.candidates("x:resh", { x = cj.zeros { 2 } }))
    assert.same({ "cj.attacks" }, complete.candidates("cj.attac", { cj = cj }))
  end)

  it("completes commands", function()
    assert.same({ ":help" }, complete.candidates(":he", env, { "help", "quit" }))
  end)

  it("stays quiet where nothing fits or looking fails", function()
    assert.same({}, complete.candidates("zzz.y", env))
    assert.same({}, complete.candidates("angry.x.y", env))
    assert.same({}, complete.candidates("1+", env))
  end)
end)
