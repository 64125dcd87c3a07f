--- Files come back as they were written.
-- @module conjugate.selftest.files
local cj = require "conjugate"
local files = require "conjugate.run.files"
local json = require "conjugate.run.json"

return function(report)
  local path = os.tmpname()
  local x = cj.tensor { { 1.5, -2 }, { 0, 1e-20 } }
  assert(files.write_tensors(path, { { "x", x } }, { note = "é" }))
  local tensors, metadata = files.read_tensors(path)
  os.remove(path)
  report("a tensor read back from safetensors differs by", (tensors.x - x):abs():max():item(), 0)
  report("metadata read back from safetensors", metadata.note, "é")
  report("1/3 read back from JSON", json.decode(json.encode { 1 / 3 })[1], 1 / 3)
end
