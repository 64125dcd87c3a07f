-- CLEVER scores of ours, then the points they were sampled at: clever_oracle.py reads both.
--
--     luajit clever.lua MODEL.safetensors IMAGES BATCHES SAMPLES SEED NORM RADIUS UNBOUNDED
--
-- A line of JSON, then for each image BATCHES * SAMPLES * 784 floats.
local cj = require "conjugate"
local checkpoint = require "conjugate.run.checkpoint"
local json = require "conjugate.run.json"

local model, images, batches, samples, seed, norm, radius, unbounded = unpack(arg)
local o = {
  batches = tonumber(batches), samples = tonumber(samples), seed = tonumber(seed),
  norm = norm, radius = tonumber(radius), unbounded = unbounded, quiet = true,
}
local net = assert(checkpoint.load(model))
local _, test = assert(cj.data.load "mnist")
local set = test:take(tonumber(images))

cj.threads(1)
local r = cj.clever(net, set, o)
local list = {}
for i, image in ipairs(r.images) do
  local classes = {}
  for k, entry in ipairs(image.classes or {}) do
    classes[k] = { class = entry.class, score = entry.score, lipschitz = entry.lipschitz }
  end
  list[i] = {
    label = image.label, correct = image.correct, score = image.score,
    classes = json.array(classes),
  }
end
print(json.encode { images = json.array(list), seconds = r.seconds, options = o })
local x = set:batch(1, set:size())
for i = 1, set:size() do
  for b = 0, o.batches - 1 do
    local points = cj.metrics.clever_points(x:narrow(1, i, 1):reshape { 1, 28, 28 }, o, i - 1, b)
    io.write(points:bytes())
  end
end
