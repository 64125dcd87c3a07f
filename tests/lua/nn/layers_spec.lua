local assert = require "luassert"
local cj = require "conjugate"
local nn = cj.nn

describe("layers", function()
  it("name what is wrong with their arguments", function()
    local wrong = {
      { "conv2d: expected a whole number of at least 1 for inputs, got 0", nn.conv2d, 0, 1, 3 },
      { "conv2d: .* pair of them, for kernel, got 1.5", nn.conv2d, 1, 1, 1.5 },
      { "conv2d: .* at least 0, .* for padding, got %-1", nn.conv2d, 1, 1, 3, { padding = -1 } },
      { "conv2d: expected a multiple of groups = 2 for inputs, got 3", nn.conv2d, 3, 4, 3,
        { groups = 2 } },
      { 'conv2d: there is no option "striide" %(did you mean "stride"', nn.conv2d, 1, 1, 3,
        { striide = 2 } },
      { "conv_transpose2d: .* for outputs, got nil", nn.conv_transpose2d, 1 },
      { "linear: .* for outputs, got the text .x.", nn.linear, 3, "x" },
      { "batch_norm2d: .* for momentum, got 2", nn.batch_norm2d, 3, { momentum = 2 } },
      { "max_pool2d: expected a padding of at most half the kernel 2, got 2", nn.max_pool2d, 2,
        { padding = 2 } },
      { "adaptive_avg_pool2d: .* for size", nn.adaptive_avg_pool2d, {} },
      { "dropout: .* from 0 to 1 for p, got 1.5", nn.dropout, 1.5 },
      { "leaky_relu: expected a number for slope", nn.leaky_relu, "x" },
      { "pad: expected { left, right, top, bottom } for border", nn.pad, { 1, 2 } },
      { "upsample: .* for factor, got 0", nn.upsample, 0 },
      { "normalize: expected as many numbers in mean as in std, got 1 and 2", nn.normalize, { 0 },
        { 1, 1 } },
      { "normalize: .* got 0 for channel 2", nn.normalize, { 0, 0 }, { 1, 0 } },
      { "sequential: expected a module or { name, module } as entry 1, got 3", nn.sequential,
        { 3 } },
      { "sequential: .* without dots as entry 1", nn.sequential, { { "a.b", nn.relu() } } },
      { 'sequential: the name "a" is taken', nn.sequential,
        { { "a", nn.relu() }, { "a", nn.relu() } } },
      { "sequential: expected a list of modules", nn.sequential },
      { "spectral_norm: expected a layer with a weight", nn.spectral_norm, nn.relu() },
      { "spectral_norm: expected a module for layer, got nil", nn.spectral_norm },
      { "cross_entropy: .* for reduction", nn.cross_entropy, cj.zeros { 1, 2 },
        cj.zeros({ 1 }, "int64"), { reduction = "total" } },
    }
    for _, case in ipairs(wrong) do
      local f, a, b, c, d = unpack(case, 2, 6)
      assert.error_matches(function() f(a, b, c, d) end, case[1])
    end
  end)

  it("drop nothing in evaluation mode, and about p of the elements in training", function()
    cj.seed(1)
    local layer, x = nn.dropout(0.25), cj.ones { 40, 100 }
    assert.equal(x, layer:eval()(x))
    local y = layer:train()(x)
    local zeros = y:eq(0):to("float32"):mean():item()
    assert.near(0.25, zeros, 0.03)
    assert.near(1 / 0.75, y:max():item(), 1e-6)
    assert.not_same(y[1]:table(), layer(x)[1]:table())
  end)

  it("normalise pixels by constants that are no part of the state", function()
    local layer = nn.normalize({ 0.5, 0.25 }, { 0.5, 2 })
    local y = layer(cj.full({ 1, 2, 1, 1 }, 0.75, "float64"))
    assert.same({ { { { 0.5 } }, { { 0.25 } } } }, y:table())
    assert.equal(0, #layer:state_dict())
  end)

  it("with spectral norm have a largest singular value of 1 after enough steps", function()
    cj.seed(2)
    local layer = nn.spectral_norm(nn.linear(6, 4, { bias = false }))
    for _ = 1, 60 do layer(cj.zeros { 1, 6 }) end
    layer:eval()
    local w = layer(cj.eye(6)):detach() -- weight^T
    local v = cj.ones { 6, 1 }
    for _ = 1, 100 do
      v = cj.matmul(w, cj.matmul(w:transpose(1, 2), v))
      v = v / v:square():sum():item() ^ 0.5
    end
    assert.near(1, cj.matmul(w:transpose(1, 2), v):square():sum():item() ^ 0.5, 1e-4)
    assert.is_nil(rawget(layer, "weight"))
    assert.matches("spectral norm", tostring(layer))
  end)

  it("with spectral norm keep their estimate still in evaluation mode", function()
    local layer = nn.spectral_norm(nn.conv2d(2, 3, 3)):eval()
    local before = layer.weight_u:table()
    layer(cj.zeros { 1, 2, 5, 5 })
    assert.same(before, layer.weight_u:table())
    layer:train()(cj.zeros { 1, 2, 5, 5 })
    assert.not_same(before, layer.weight_u:table())
  end)
end)
