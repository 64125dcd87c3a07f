--- `conjugate data fetch NAME`: downloads a data set from its official home.
-- @module conjugate.cli.data
local M = {}

M.summary = "fetch a data set"
M.description = "Downloads the files of a data set from their official home into the cache "
  .. "folder, or into --out, and checks their sha256."
M.examples = {
  { "data fetch mnist", "puts MNIST where conjugate.data.load finds it" },
  { "data fetch cifar10 --out /data", "puts it under /data; set CONJUGATE_DATA=/data then" },
}
M.out = "Folder that gets the folder NAME; the default is the cache folder."

function M.define(parser)
  parser:argument("action", "What to do."):choices { "fetch" }
  parser:argument("name", "Name of the data set."):argname "NAME"
end

function M.run(options)
  local folder, message = require("conjugate").data.fetch(options.name,
    { into = options.out, quiet = options.quiet or options.json })
  if not folder then return nil, message end
  return { name = options.name, folder = folder }, ("%s is in %s"):format(options.name, folder)
end

return M
