--- Models: `cj.models`. Classifiers give logits; pixels go in as they are, in [0, 1].
--
--     local net = cj.models.convnet { data = train }
--     local same = cj.models.build(net.config)          -- same layers, new weights
--
-- @module conjugate.models
local check = require "conjugate.check"
local known = require("conjugate.models.define").known
local pix2pix = require "conjugate.models.pix2pix"
local resnet = require "conjugate.models.resnet"

local M = {
  convnet = require "conjugate.models.convnet",
  ygcnn = require "conjugate.models.ygcnn",
  resnet = resnet.resnet,
  resnet18 = resnet.resnet18,
  googlenet = require "conjugate.models.googlenet",
  pix2pix_generator = pix2pix.pix2pix_generator,
  pix2pix_discriminator = pix2pix.pix2pix_discriminator,
}

local order = {
  "convnet", "ygcnn", "resnet", "resnet18", "googlenet", "pix2pix_generator",
  "pix2pix_discriminator",
}

--- Builds a network again from its `config`; the weights are new.
-- @tparam table config `model`, a name of `list`, and the options of that model
-- @treturn Module
-- @raise an unknown model, wrong options
function M.build(config)
  check.table("build", "config", config)
  check.string("build", "config.model", config.model)
  local make = known[config.model] and M[config.model]
  if not make then
    check.fail("build", "there is no model %q%s", tostring(config.model),
      check.suggest(tostring(config.model), known))
  end
  local options = {}
  for name, value in pairs(config) do
    if name ~= "model" then options[name] = value end
  end
  return make(options)
end

--- The models there are.
-- @treturn table list of { name =, what =, source =, classifier =, counts = }; counts is a list of
--  { options, number of parameters }
function M.list()
  local found = {}
  for i, name in ipairs(order) do
    local model = known[name]
    found[i] = {
      name = name, what = model.what, source = model.source, classifier = model.classifier == true,
      counts = model.counts,
    }
  end
  return found
end

return M
