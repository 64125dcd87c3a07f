--- Data sets: loading, fetching, batches, augmentation.
--
-- `mini` comes with the package. The others are found in `$CONJUGATE_DATA/NAME/`, then in
-- `$XDG_CACHE_HOME/conjugate/NAME/` (or `~/.cache/conjugate/NAME/`), plain or with .gz.
-- @module conjugate.data
-- @usage local train, test = assert(cj.data.load "mini")
-- for x, y in cj.data.batches(train, { batch = 128, shuffle = 7 }) do ... end
local augment = require "conjugate.data.augment"
local batches = require "conjugate.data.batches"
local check = require "conjugate.check"
local Set = require "conjugate.data.set"

local M = { augment = augment, batches = batches, set = Set.new }

local names = { "mini", "mnist", "fashion_mnist", "cifar10" }
local sources = {} -- those that users registered, by name

-- The description of a set; raises for names that nobody knows.
local function source_of(fn, name)
  check.string(fn, "name", name)
  if sources[name] then return sources[name] end
  for _, known in ipairs(names) do
    if known == name then return require("conjugate.data." .. name) end
  end
  local all = {}
  for _, known in ipairs(names) do all[known] = true end
  return check.fail(fn, "there is no data set \"%s\"%s; there are %s", name,
    check.suggest(name, all), table.concat(names, ", "))
end

--- The names of all data sets.
-- @treturn {string,...} a new list
function M.names()
  local list = {}
  for i, name in ipairs(names) do list[i] = name end
  return list
end

--- What a data set is.
-- @tparam string name one of `names`
-- @treturn table `name`, `title`, `class_names`, `files` and other fields; do not change it
function M.about(name)
  return source_of("about", name)
end

--- Loads a data set.
-- @tparam string name one of `names`
-- @treturn Set training set; or nil and a message: for a missing set both ways to get it, for a
--   damaged file its name, the field, what was expected and found
-- @treturn Set test set
-- @raise 'load: there is no data set "cifar" (did you mean "cifar10"?); there are ...'
function M.load(name)
  return source_of("load", name).load()
end

--- Downloads a data set from its official home and checks its sha256.
-- @tparam string name one of `names` that has a home
-- @tparam[opt] table opts `into`: folder that gets the folder NAME, default the cache folder;
--   `quiet`: no progress
-- @treturn string the folder; or nil and a message that says what to put where
-- @raise 'fetch: there is no data set "x"; there are ...'
function M.fetch(name, opts)
  local source = source_of("fetch", name)
  return require("conjugate.data.fetch").fetch(source, opts)
end

--- Makes a data set known by name.
-- @tparam table source `name`; `load`: function() -> train, test, or nil and a message; optional
--   `title` and `class_names`
-- @raise "register: there is already a data set mnist"
function M.register(source)
  check.table("register", "source", source)
  check.string("register", "name", source.name)
  check.func("register", "load", source.load)
  for _, known in ipairs(names) do
    if known == source.name then
      check.fail("register", "there is already a data set %s", known)
    end
  end
  names[#names + 1] = source.name
  sources[source.name] = source
end

return M
