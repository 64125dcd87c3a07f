--- Small made-up sets for tests.
local cj = require "conjugate"

local M = {}

--- n pictures [C, H, W], pixel k of picture i being (7 i + k) % 256, label (i - 1) % classes.
function M.counted(n, channels, height, width, classes)
  local each = channels * height * width
  local pixels, labels = {}, {}
  for i = 1, n do
    labels[i] = (i - 1) % classes
    for k = 0, each - 1 do pixels[#pixels + 1] = (7 * i + k) % 256 end
  end
  local images = cj.tensor(pixels, "uint8"):reshape { n, channels, height, width }
  return cj.data.set {
    images = images, labels = cj.tensor(labels, "int64"), name = "counted", classes = classes,
  }
end

--- Samples' numbers, in a table, of everything an iterator of batches gives.
function M.numbers(iterator)
  local list = {}
  for _, _, _, indices in iterator do
    for i = 1, indices:size(1) do list[#list + 1] = indices[i] end
  end
  return list
end

return M
