--- Batches of a set, in order or shuffled.
--
-- The order of an epoch depends on the seed and the epoch's number alone, so that an epoch can be
-- continued at any batch.
-- @module conjugate.data.batches
local augment = require "conjugate.data.augment"
local check = require "conjugate.check"
local core = require "conjugate.core"

local rules = {
  batch = { "integer", 128 },
  shuffle = { "number|boolean", false },
  augment = { "string|table|function" },
  epoch = { "integer", 1 },
  skip = { "integer", 0 },
  seed = { "integer" },
  drop_last = false,
}

local function read_options(opts)
  local o = check.options("batches", opts, rules)
  check.integer("batches", "batch", o.batch, 1)
  check.integer("batches", "epoch", o.epoch, 0)
  check.integer("batches", "skip", o.skip, 0)
  if o.shuffle == true then
    check.fail("batches", "expected a seed (a whole number) or false for shuffle, got true")
  end
  o.seed = o.seed or o.shuffle or 0
  if type(o.augment) ~= "function" and o.augment then o.augment = augment.recipe(o.augment) end
  return o
end

local function augmented(o, x, y, indices)
  if not o.augment then return x end
  if type(o.augment) == "function" then
    return o.augment(x, y, { indices = indices, seed = o.seed, epoch = o.epoch })
  end
  return augment.apply(x, indices, o.augment, o.seed, o.epoch)
end

--- Goes through a set once.
-- @tparam Set set what to go through
-- @tparam[opt] table opts `batch`: size, default 128, the last one may be smaller; `shuffle`: a
--   seed, or false for the set's order; `epoch`: a whole number, default 1, which changes order and
--   moves; `augment`: a recipe of `cj.data.augment`, or function(x, y, about) -> x with
--   `about.indices`, `about.seed`, `about.epoch`; `skip`: number of batches to leave out at the
--   beginning, default 0; `seed`: of the moves, default the one of shuffle; `drop_last`: leave out
--   a smaller last batch
-- @treturn function iterator: x float32 [B, C, H, W], y int64 [B], place of the batch's first
--   sample in the epoch (from 1), the samples' numbers in the set (int64 [B], from 1)
-- @usage for x, y in cj.data.batches(train, { batch = 64, shuffle = 7, epoch = 1 }) do ... end
local function batches(set, opts)
  if type(set) ~= "table" or type(set.size) ~= "function" or type(set.pick) ~= "function" then
    check.fail("batches", "expected a data set for set, got %s", check.describe(set))
  end
  local o = read_options(opts)
  local n = set:size()
  local order = core.io.order(n, o.shuffle or nil, o.epoch)
  local first = o.skip * o.batch + 1
  return function()
    local count = math.min(o.batch, n - first + 1)
    if count < 1 or (o.drop_last and count < o.batch) then return nil end
    local indices = order:narrow(1, first, count)
    local x, y = set:pick(indices)
    first = first + count
    return augmented(o, x, y, indices), y, first - count, indices
  end
end

return batches
