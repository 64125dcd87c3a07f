--- What CLEVER scores of images add up to.
-- @module conjugate.metrics.clever.summary
local means = require "conjugate.metrics.mean"

local M = {}

--- Kinds of targets that are reported when all classes were sampled: any class, drawn; the least
-- likely; the likeliest besides the label.
M.kinds = { "random", "least", "second" }

-- Scores of all images; with a kind, those of the class of this kind.
local function scores_of(images, kind)
  local list = {}
  for _, image in ipairs(images) do
    if image.score and not kind then list[#list + 1] = image.score end
    for _, entry in ipairs(kind and image.classes or {}) do
      if entry.class == image.kinds[kind] then list[#list + 1] = entry.score end
    end
  end
  return list
end

local function add_counts(r, image)
  local field = not image.correct and "skipped" or image.flag == "NAN" and "nan" or "used"
  r[field] = r[field] + 1
  for _, entry in ipairs(image.classes or {}) do
    r.fits = r.fits + 1
    local flag = entry.flag and entry.flag:lower()
    if flag then r[flag] = r[flag] + 1 end
  end
end

local function text_of(r)
  local lines = {
    ("CLEVER %s, radius %.6g, %d x %d points: %d of %d images (%d not classified correctly)")
      :format(r.norm, r.radius, r.batches, r.samples, r.used, r.n, r.skipped),
  }
  local function line(name, mean)
    lines[#lines + 1] = ("  %-11s %s"):format(name, means.text(mean))
  end
  line(r.kinds and "untargeted" or "targeted", r.mean and r)
  for _, kind in ipairs(r.kinds and M.kinds or {}) do line(kind, r.kinds[kind]) end
  lines[#lines + 1] = ("  %d fits, of which %d degenerate and %d unbounded"):format(r.fits,
    r.degenerate, r.unbounded)
  return table.concat(lines, "\n")
end

local Printable = { __tostring = text_of }

--- The result of `cj.clever`.
-- @tparam table work options `o`, `images`, `forwards`, `backwards`, `elements`
--   (of an image)
-- @treturn table see `conjugate.metrics.clever`
function M.new(work)
  local o, images = work.o, work.images
  local r = {
    norm = o.norm, radius = o.radius, batches = o.batches, samples = o.samples, seed = o.seed,
    n = #images, used = 0, skipped = 0, nan = 0, fits = 0, degenerate = 0,
    unbounded = 0,
    elements = work.elements, forwards = work.forwards, backwards = work.backwards, images = images,
  }
  for _, image in ipairs(images) do add_counts(r, image) end
  local mean = means.of(scores_of(images)) or {}
  r.mean, r.standard_error, r.interval = mean.mean, mean.standard_error, mean.interval
  r.per_pixel = r.mean and r.mean / work.elements
  if o.goal then return setmetatable(r, Printable) end
  r.kinds = {}
  for _, kind in ipairs(M.kinds) do r.kinds[kind] = means.of(scores_of(images, kind)) end
  return setmetatable(r, Printable)
end

return M
