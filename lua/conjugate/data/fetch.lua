--- Downloading data sets: curl fetches, sha256sum checks, both as programs.
--
-- Sums are those of the uncompressed files, so that it does not matter who compressed them. A file
-- gets its name only when its sum is right.
-- @module conjugate.data.fetch
local check = require "conjugate.check"
local core = require "conjugate.core"
local find = require "conjugate.data.find"

local M = {}

-- sha256 of the uncompressed files.
local sums = {
  mnist = {
    ["train-images-idx3-ubyte"] =
      "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ["train-labels-idx1-ubyte"] =
      "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ["t10k-images-idx3-ubyte"] =
      "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ["t10k-labels-idx1-ubyte"] =
      "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
  },
  fashion_mnist = {
    ["train-images-idx3-ubyte"] =
      "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ["train-labels-idx1-ubyte"] =
      "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ["t10k-images-idx3-ubyte"] =
      "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ["t10k-labels-idx1-ubyte"] =
      "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
  },
  cifar10 = {
    ["data_batch_1.bin"] = "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    ["data_batch_2.bin"] = "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    ["data_batch_3.bin"] = "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    ["data_batch_4.bin"] = "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    ["data_batch_5.bin"] = "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    ["test_batch.bin"] = "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
  },
}

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- LuaJIT gives the wait status, 0 for success.
local function run(command)
  local status = os.execute(command)
  return status == 0 or status == true
end

-- First word of what a command prints, or nil.
local function word_of(command)
  local pipe = io.popen(command)
  local line = pipe and pipe:read "*l"
  if pipe then pipe:close() end
  return line and line:match "^(%S+)"
end

local function have(program)
  return run("command -v " .. program .. " >/dev/null 2>&1")
end

--- sha256 of a file's content, unpacked first when the name ends in .gz.
-- @tparam string path file name
-- @treturn string 64 hexadecimal digits, or nil
function M.sum(path)
  local from = path:match "%.gz$" and "gzip -dc " .. quote(path) or "cat " .. quote(path)
  local sum = word_of(from .. " 2>/dev/null | sha256sum")
  return sum and #sum == 64 and sum or nil
end

local function right(path, expected)
  local found = M.sum(path)
  if found == expected then return true end
  return nil, ("%s: sha256: expected %s, found %s"):format(path, expected, found or "none")
end

local function download(url, path, quiet)
  local bar = quiet and "--silent" or "--progress-bar"
  return run(("curl --fail --location --connect-timeout 20 --speed-time 60 --speed-limit 1000 %s "
    .. "--output %s %s"):format(bar, quote(path), quote(url)))
end

local function exists(path)
  local f = io.open(path, "rb")
  if f then f:close() end
  return f ~= nil
end

-- A file that is already there and right is kept.
local function present(job, file, ending)
  local path = job.folder .. "/" .. file
  for _, candidate in ipairs { path .. ending, path, path .. ".gz" } do
    if exists(candidate) and right(candidate, job.sums[file]) then return true end
  end
  return false
end

-- One file from the first home that has it.
local function fetch_file(job, file)
  local ending = job.source.ending or ""
  if present(job, file, ending) then return true end
  local path = job.folder .. "/" .. file .. ending
  local part = job.folder .. "/part-" .. file .. ending
  local why
  for _, home in ipairs(job.source.homes) do
    local ok
    ok, why = download(home .. file .. ending, part, job.quiet), "no answer from " .. home
    if ok then ok, why = right(part, job.sums[file]) end
    if ok then return os.rename(part, path) end
    os.remove(part)
  end
  return nil, why
end

-- All files inside one archive: only those named are unpacked, and each is checked.
local function unpack_archive(job, archive, inside)
  local members = {}
  for i, file in ipairs(job.source.files) do members[i] = quote(inside .. "/" .. file) end
  if not run(("tar -xzf %s -C %s %s"):format(quote(archive), quote(job.folder),
    table.concat(members, " "))) then
    return nil, archive .. ": it cannot be unpacked"
  end
  for _, file in ipairs(job.source.files) do
    local from = job.folder .. "/" .. inside .. "/" .. file
    local ok, why = right(from, job.sums[file])
    if ok then ok, why = os.rename(from, job.folder .. "/" .. file) end
    if not ok then return nil, why end
  end
  return true
end

local function fetch_archive(job)
  local source = job.source
  local part = job.folder .. "/part-" .. source.archive
  local why
  for _, home in ipairs(source.homes) do
    local ok
    ok, why = download(home .. source.archive, part, job.quiet), "no answer from " .. home
    if ok then ok, why = unpack_archive(job, part, source.archive_folder) end
    run("rm -rf " .. quote(part) .. " " .. quote(job.folder .. "/" .. source.archive_folder))
    if ok then return true end
  end
  return nil, why
end

local function all_present(job)
  for _, file in ipairs(job.source.files) do
    if not present(job, file, job.source.ending or "") then return false end
  end
  return true
end

local function fetch_all(job)
  if all_present(job) then return true end
  if not have "curl" then return nil, "the program curl is missing" end
  if job.source.archive then return fetch_archive(job) end
  for _, file in ipairs(job.source.files) do
    local ok, why = fetch_file(job, file)
    if not ok then return nil, why end
  end
  return true
end

--- Downloads one data set.
-- @tparam table source its description
-- @tparam[opt] table opts `into`: folder that gets the folder NAME, default the cache folder;
--   `quiet`: no progress; `homes`: other addresses to try instead of the official ones
-- @treturn string the folder with the files; or nil and a message
function M.fetch(source, opts)
  local o = check.options("fetch", opts,
    { into = { "string" }, quiet = false, homes = { "table", source.homes } })
  if not source.homes then
    return nil, source.name .. ": this data set has no home to fetch it from"
  end
  if not have "sha256sum" then return nil, "fetch: the program sha256sum is missing" end
  local job = {
    source = setmetatable({ homes = o.homes }, { __index = source }),
    folder = (o.into or find.cache()) .. "/" .. source.name, sums = sums[source.name],
    quiet = o.quiet or os.getenv "CONJUGATE_QUIET" == "1",
  }
  local ok, why = core.make_folder(job.folder)
  if not ok then return nil, why end
  ok, why = fetch_all(job)
  if ok then return job.folder end
  return nil, ("%s: could not be fetched (%s). Put the files %s (plain or with .gz) into %s")
    :format(source.name, why, table.concat(source.files, ", "), job.folder)
end

return M
