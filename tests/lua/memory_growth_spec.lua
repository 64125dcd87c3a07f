-- Resident memory of whole processes over long loops: at the prompt and in training.
local assert = require "luassert"
local folder = require "support.folder"

-- Given to both: level() is the resident memory in kB; watch() notes the highest level seen.
local RESIDENT = [[
function level()
  for line in io.lines "/proc/self/status" do
    local kilobytes = line:match "^VmRSS:%s+(%d+)"
    if kilobytes then return tonumber(kilobytes) end
  end
end

function watch(step)
  if step % 100 == 0 then highest = math.max(highest or 0, level()) end
end

function report(warm) print(("warm %d highest %d end %d"):format(warm, highest, level())) end
]]

local PROMPT = RESIDENT .. [[
function step(i)
  local x = cj.rand { 16, 1, 28, 28 }
  local y = (x * 2 + i):relu()
  kept = y[1]:clone()
  watch(i)
end

for i = 1, 2000 do step(i) end
warm, highest = level(), 0
for i = 1, 20000 do step(i) end
report(warm)
]]

local TRAINING = RESIDENT .. [[
cj = require "conjugate"
local nn = cj.nn
local net = nn.sequential {
  nn.conv2d(1, 4, 3, { stride = 2 }), nn.batch_norm2d(4), nn.relu(), nn.max_pool2d(2), nn.flatten(),
  nn.dropout(0.1), nn.linear(4 * 6 * 6, 10),
}
local train = cj.data.load "mini"
local optimizer = cj.optim.adam(net:parameters(), { lr = 1e-3 })
local steps, warm = 0, nil
while steps < 2200 do
  for x, y in cj.data.batches(train:take(3200), { batch = 64, shuffle = 1, epoch = steps }) do
    optimizer:zero_grad()
    local loss = cj.cross_entropy(net(x), y)
    loss:backward()
    optimizer:step()
    steps = steps + 1
    watch(steps)
    if steps == 200 then warm, highest = level(), 0 end
  end
end
report(warm)
]]

describe("resident memory", function()
  local dir
  setup(function() dir = folder.make() end)
  teardown(function() folder.remove(dir) end)

  -- Runs a command that reads `text` from standard input; its report must stay within 10 %.
  local function stays(command, text)
    if os.getenv "CJ_SANITIZED" then pending "the sanitizer keeps what was freed for a while" end
    local input, output = dir .. "/input", dir .. "/output"
    folder.write(input, text)
    os.execute(("%s < %s > %s 2>&1"):format(command, input, output))
    local said = folder.read(output)
    local warm, highest, last = said:match "warm (%d+) highest (%d+) end (%d+)"
    assert(warm, said)
    assert(tonumber(highest) <= 1.1 * warm and tonumber(last) <= 1.1 * warm, said)
  end

  it("stays the same over 20,000 steps at the prompt", function()
    stays("luajit scripts/conjugate", PROMPT)
  end)

  it("stays the same over 2,000 steps of training", function()
    stays("luajit -", TRAINING)
  end)
end)
