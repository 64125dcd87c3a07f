--- The data set that comes with the package, and the networks' sizes.
-- @module conjugate.selftest.data
local cj = require "conjugate"

local function least_and_most(set)
  local counts = {}
  for _, label in ipairs(set.labels:table()) do counts[label] = (counts[label] or 0) + 1 end
  local least, most = math.huge, 0
  for k = 0, set.classes - 1 do
    least, most = math.min(least, counts[k] or 0), math.max(most, counts[k] or 0)
  end
  return least, most
end

return function(report)
  local train, test = cj.data.load "mini"
  assert(train, test)
  report("training images of mini", train:size(), 6000)
  report("test images of mini", test:size(), 1000)
  local least, most = least_and_most(train)
  report("fewest training images of a class", least, 600)
  report("most training images of a class", most, 600)
  least, most = least_and_most(test)
  report("fewest test images of a class", least, 100)
  report("most test images of a class", most, 100)
  local x = train:batch(1, 100)
  report("pixels begin at", x:min():item(), 0)
  report("pixels end at", x:max():item(), 1)
  report("parameters of ConvNet on 1x28x28", cj.models.convnet { data = train }:num_parameters(),
    44426)
end
