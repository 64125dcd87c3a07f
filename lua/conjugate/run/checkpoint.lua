--- Checkpoints: a network with what is needed to rebuild it, in one .safetensors file.
--
-- Tensors are named like a PyTorch state dict. The metadata are texts: `conjugate` (version),
-- `model` (the network's config), `data`, `seed`, `training` (the configuration of the run),
-- `history` and `generator`, all but the first and the seed as JSON. There are no times in it:
-- equal runs give equal bytes.
-- @module conjugate.run.checkpoint
local check = require "conjugate.check"
local files = require "conjugate.run.files"
local json = require "conjugate.run.json"

local M = {}

--- What a data set is, for records.
-- @tparam DataSet set a data set
-- @treturn table name, classes and number of images
function M.describe_data(set)
  return { name = set.name, classes = set.classes, n = set:size(), split = set.split }
end

--- Metadata as a checkpoint holds them.
-- @tparam table about `model`, `data`, `training`, `history`, `generator` (tables), `seed`
-- (integer)
-- @treturn table texts by name
function M.metadata(about)
  local meta = { conjugate = require("conjugate")._VERSION }
  for _, key in ipairs { "model", "data", "training", "history", "generator" } do
    if about[key] ~= nil then meta[key] = json.encode(about[key]) end
  end
  if about.seed ~= nil then meta.seed = json.number(about.seed) end
  return meta
end

--- Reads metadata back.
-- @tparam table meta texts by name
-- @treturn table the same names with values; texts that are no JSON stay texts
function M.about(meta)
  local about = {}
  for key, text in pairs(meta) do
    local value
    if key ~= "conjugate" then value = json.decode(text) end
    if value == nil then value = text end
    about[key] = value
  end
  return about
end

--- Writes a network as a checkpoint.
-- @tparam string path file name, by habit ending in .safetensors
-- @tparam Module net the network
-- @tparam[opt] table about see `metadata`; `model` is the network's own config unless given
-- @treturn boolean true, or nil and a message
function M.save(path, net, about)
  local all = {}
  for key, value in pairs(about or {}) do all[key] = value end
  all.model = all.model or net.config
  return files.write_tensors(path, net:state_dict(), M.metadata(all))
end

--- Rebuilds a network from a checkpoint, in evaluation mode.
-- @tparam string path file name
-- @treturn Module the network; or nil and a message
-- @treturn table what the checkpoint says about itself, see `metadata`
function M.load(path)
  local tensors, meta = files.read_tensors(path)
  if not tensors then return nil, meta end
  local about = M.about(meta)
  if type(about.model) ~= "table" then
    return nil, path .. ": has no description of its model, so give one (model in the metadata)"
  end
  local ok, net = pcall(require("conjugate").models.build, about.model)
  if not ok then return nil, ("%s: %s"):format(path, check.without_place(net)) end
  local fits, message = pcall(net.load_state_dict, net, tensors)
  if not fits then return nil, ("%s: %s"):format(path, check.without_place(message)) end
  return net:eval(), about
end

return M
