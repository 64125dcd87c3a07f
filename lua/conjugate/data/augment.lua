--- Random moves of training pictures.
--
-- Each sample's move depends on seed, epoch and the sample's number alone: batch size, order and
-- threads change nothing.
-- @module conjugate.data.augment
local check = require "conjugate.check"
local core = require "conjugate.core"

local M = {}

--- Known recipes. `ygcnn`: shifts of 0.1, zoom 0.1, rotation 10 degrees, bilinear, border pixels
-- repeated (the YGCNN source's ImageDataGenerator). `cifar`: pad 4 with zeros, crop, flip
-- (He et al., CVPR 2016).
M.recipes = {
  ygcnn = { shift = 0.1, zoom = 0.1, rotation = 10 },
  cifar = { crop = 4, flip = 0.5, border = "zero" },
}

local borders = { nearest = 0, zero = 1 }
local rules = {
  shift = 0, zoom = 0, rotation = 0, crop = { "integer", 0 }, flip = 0, border = "nearest",
}

--- Checks a recipe.
-- @tparam string|table recipe a name of `recipes`, or a table: `shift` (part of height and width,
--   0..1), `zoom` (part, 0..0.9), `rotation` (degrees, 0..180), `crop` (whole pixels), `flip`
--   (probability of a mirror image, 0..1), `border` ("nearest" or "zero")
-- @treturn table with all fields
-- @raise 'augment: expected one of "cifar", "ygcnn" for recipe, got the text "x"'
function M.recipe(recipe)
  if type(recipe) == "string" then
    check.one_of("augment", "recipe", recipe, { "cifar", "ygcnn" })
    recipe = M.recipes[recipe]
  end
  local moves = check.options("augment", recipe, rules)
  check.one_of("augment", "border", moves.border, { "nearest", "zero" })
  return moves
end

--- The matrices that move samples.
-- @tparam Tensor indices int64 [B], the samples' numbers in the set, from 1
-- @tparam string|table recipe see `recipe`
-- @tparam number height of the pictures, pixels
-- @tparam number width of the pictures, pixels
-- @tparam number seed whole, 0 or more
-- @tparam number epoch whole, 0..2^24 - 1
-- @treturn Tensor float32 [B, 2, 3] for `cj.affine_sample`: the point (row, column, from 0) that an
--   output pixel is read from is the matrix times (row, column, 1)
function M.matrices(indices, recipe, height, width, seed, epoch)
  return core.io.moves(indices, M.recipe(recipe), height, width, seed, epoch)
end

--- Moves a batch.
-- @tparam Tensor x float32 [B, C, H, W]
-- @tparam Tensor indices int64 [B], the samples' numbers in the set, from 1
-- @tparam string|table recipe see `recipe`
-- @tparam number seed whole, 0 or more
-- @tparam number epoch whole, 0..2^24 - 1
-- @treturn Tensor float32 [B, C, H, W]
-- @usage x = cj.data.augment.apply(x, indices, "cifar", 7, 1)
function M.apply(x, indices, recipe, seed, epoch)
  local moves = M.recipe(recipe)
  check.tensor("augment", "x", x, "float32", 4)
  local matrices = core.io.moves(indices, moves, x:size(3), x:size(4), seed, epoch)
  return core.apply("affine_sample", x, matrices, borders[moves.border])
end

return M
