--- Per-sample records of an evaluation, written as .jsonl or .csv.
-- @module conjugate.metrics.records
local json = require "conjugate.run.json"
local files = require "conjugate.run.files"

local M = {}

--- Columns in the order they are written. Distances are in pixel units. `by` is the attack that
-- broke the sample, where an attack is made of others; else it is missing, or empty in .csv.
M.columns = {
  "attack", "index", "label", "pred_clean", "pred_adv", "status", "iters", "forwards", "backwards",
  "l0", "l1", "l2", "linf", "loss_first", "loss_best", "by",
}

local function csv_field(value)
  if value == nil then return "" end
  if type(value) == "number" then
    local text = json.number(value)
    return text == "null" and "nan" or text
  end
  local text = tostring(value)
  if text:find '[",\n]' then text = '"' .. text:gsub('"', '""') .. '"' end
  return text
end

local function as_csv(records)
  local lines = { table.concat(M.columns, ",") }
  for _, record in ipairs(records) do
    local fields = {}
    for i, column in ipairs(M.columns) do fields[i] = csv_field(record[column]) end
    lines[#lines + 1] = table.concat(fields, ",")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function as_jsonl(records)
  local lines = {}
  for i, record in ipairs(records) do
    lines[i] = json.encode(record, { order = M.columns }) .. "\n"
  end
  return table.concat(lines)
end

--- Writes records; the end of the file name chooses the form.
-- @tparam string path file name ending in .jsonl or .csv
-- @tparam {table,...} records one table a sample with the fields of `columns`
-- @treturn boolean true, or nil and a message
-- @raise "records: expected a file name ending in .jsonl or .csv, got x.txt"
function M.write(path, records)
  if path:find "%.csv$" then return files.write(path, as_csv(records)) end
  if path:find "%.jsonl$" then return files.write(path, as_jsonl(records)) end
  error(("records: expected a file name ending in .jsonl or .csv, got %s"):format(path), 2)
end

return M
