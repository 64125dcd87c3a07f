--- Sets of labelled pictures.
--
-- Pictures stay bytes; a batch of them becomes floats in [0, 1] (a byte divided by 255).
-- @classmod conjugate.data.set
local check = require "conjugate.check"
local core = require "conjugate.core"

local Set = {}
Set.__index = Set

--- Makes a set.
-- @tparam table fields `images`: uint8 or float32 [N, C, H, W]; `labels`: int64 [N], 0..K-1;
--   `name`: text; `classes`: K; `class_names`: list of K texts; `split`: "train" or "test"
-- @treturn Set with these fields; read them, do not change them
-- @raise "set: expected as many labels as images, got 5 and 6"
function Set.new(fields)
  check.table("set", "fields", fields)
  local images = check.tensor("set", "images", fields.images, nil, 4)
  local labels = check.tensor("set", "labels", fields.labels, "int64", 1)
  if images.dtype ~= "uint8" and images.dtype ~= "float32" then
    check.fail("set", "expected uint8 or float32 images, got %s", images.dtype)
  end
  if labels:size(1) ~= images:size(1) then
    check.fail("set", "expected as many labels as images, got %d and %d", labels:size(1),
      images:size(1))
  end
  local names = {}
  local classes = check.integer("set", "classes", fields.classes or #(fields.class_names or {}), 1)
  for i = 1, classes do
    names[i] = fields.class_names and fields.class_names[i] or tostring(i - 1)
  end
  return setmetatable({
    images = images:contiguous(), labels = labels:contiguous(), name = fields.name or "unnamed",
    classes = classes, class_names = names, split = fields.split,
  }, Set)
end

--- Number of pictures.
-- @treturn number N
function Set:size()
  return self.labels:size(1)
end

--- Some pictures in the set's order.
-- @tparam number from first one, from 1
-- @tparam number count how many
-- @treturn Tensor x, float32 [count, C, H, W] in [0, 1]
-- @treturn Tensor y, int64 [count], labels 0..K-1
-- @raise "batch: expected indices from 1 to 1000, got 1001"
function Set:batch(from, count)
  return core.io.batch(self.images, self.labels, from, count)
end

--- Some pictures by number.
-- @tparam Tensor indices int64 [B], each from 1 to the size
-- @treturn Tensor x, float32 [B, C, H, W] in [0, 1]
-- @treturn Tensor y, int64 [B]
-- @raise "batch: expected indices from 1 to 1000, got 1001"
function Set:pick(indices)
  return core.io.batch(self.images, self.labels, indices)
end

--- A part of the set, sharing its memory.
-- @tparam number from first picture, from 1
-- @tparam number count how many
-- @treturn Set
-- @raise when the part reaches outside
function Set:subset(from, count)
  local n = self:size()
  check.integer("subset", "from", from, 1, n + 1)
  check.integer("subset", "count", count, 0, n - from + 1)
  return setmetatable({
    images = self.images:narrow(1, from, count), labels = self.labels:narrow(1, from, count),
    name = self.name, classes = self.classes, class_names = self.class_names, split = self.split,
  }, Set)
end

--- The first n pictures, or all when there are fewer.
-- @tparam number n how many
-- @treturn Set
function Set:take(n)
  check.integer("take", "n", n, 0)
  return self:subset(1, math.min(n, self:size()))
end

function Set:__tostring()
  local s = self.images.shape
  return ("%s%s: %d pictures %dx%dx%d, %d classes"):format(self.name,
    self.split and " (" .. self.split .. ")" or "", s[1], s[2], s[3], s[4], self.classes)
end

return Set
