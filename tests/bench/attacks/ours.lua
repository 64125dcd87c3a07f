-- Our side of `scripts/bench attacks`: each cell's x_adv goes to a file, which rivals.py judges.
--
--     luajit ours.lua CELLS.json MODEL.safetensors FOLDER [--n N] [--threads N] [--only WORDS]
local cj = require "conjugate"
local check = require "conjugate.run.checkpoint"
local json = require "conjugate.run.json"
local parser = require "argparse" ("ours.lua", "Our attacks on the cells of a comparison.")

parser:argument "cells"
parser:argument "model"
parser:argument "folder"
parser:option("--n", "Test images."):default "1000":convert(tonumber)
parser:option("--threads", "Threads."):default "1":convert(tonumber)
parser:option("--seed", "Seed of random numbers."):default "1":convert(tonumber)
parser:option("--only", "Cells whose name holds one of these, with commas."):default ""

-- What is not an option of the attack.
local about = { name = true, attack = true, rivals = true, radii = true, note = true }

local function wanted(name, words)
  if words == "" then return true end
  for word in words:gmatch "[^,]+" do
    if name:find(word, 1, true) then return true end
  end
  return false
end

local function attack_of(cell, seed)
  local o = { seed = seed, quiet = true }
  for key, value in pairs(cell) do
    if not about[key] then o[key] = value end
  end
  return cj.attacks[cell.attack](o)
end

local function run(cell, net, set, o)
  local x, y = set:batch(1, o.n)
  local began = os.clock() -- processor time, of all threads
  local result = attack_of(cell, o.seed)(net, x, y)
  local seconds = os.clock() - began
  local file = ("%s/%s.safetensors"):format(o.folder, cell.name:gsub("%W+", "-"))
  assert(cj.io.save_tensors(file, { { "x_adv", result.x_adv } }))
  print(("%s: %.1f s"):format(cell.name, seconds))
  return { file = file, seconds = seconds, threads = o.threads, seed = o.seed }
end

local function read_json(path)
  local file = io.open(path)
  if not file then return nil end
  local value = assert(json.decode(file:read "*a"))
  file:close()
  return value
end

local function main()
  local o = parser:parse(arg)
  cj.threads(o.threads)
  local net = assert(check.load(o.model))
  local _, test = assert(cj.data.load "mnist")
  local list = o.folder .. "/ours.json"
  local done = read_json(list) or {}
  for _, cell in ipairs(read_json(o.cells)) do
    if wanted(cell.name, o.only) then
      done[cell.name] = run(cell, net, test, o)
      assert(cj.io.write_file(list, json.encode(done, { indent = true })))
    end
  end
end

main()
