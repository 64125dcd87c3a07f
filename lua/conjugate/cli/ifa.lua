--- `conjugate ifa`: the IFA pipeline, from a classifier to the table CL against ACL.
-- @module conjugate.cli.ifa
local cli = require "conjugate.cli"

local M = {
  summary = "follow IFA, train the generator, compare CL and ACL",
  description = "Runs the IFA pipeline: trains a classifier or loads one, follows opposite FGSM "
    .. "on the training set, trains a Pix2Pix generator on what came out, and compares the "
    .. "classifier with (ACL) and without it (CL). A run that was stopped goes on with the same "
    .. "command.",
  out = "Run directory.",
  examples = {
    { "ifa --data mini --model convnet --epochs 3 --out runs/ifa", "the whole pipeline on mini" },
    { "ifa --data mnist --epochs 1,30,50 --out runs/table", "one row of the table per epoch" },
    { "ifa --checkpoint runs/a/model.safetensors --data mnist --out runs/b", "a trained network" },
  },
  order = {
    "seed", "threads", "seconds", "data", "model", "epochs", "ta", "ra_paper", "ra_worst",
    "ta_interval", "ra_interval", "n", "ifa", "acl", "hfr",
  },
}

-- "1,30,50" to { 1, 30, 50 }.
local function epoch_list(text)
  local list = {}
  for word in text:gmatch "[^,]+" do
    local n = tonumber(word)
    if not n or n < 1 or n ~= math.floor(n) then
      return nil, ("expected whole numbers such as 1,30,50, got %s"):format(text)
    end
    list[#list + 1] = n
  end
  return list
end

function M.define(parser)
  local function number(name, text, default)
    local option = parser:option(name, text):argname("<x>"):convert(cli.number)
    if default then option:default(default) end
  end
  local function integer(name, text, low, default)
    local option = parser:option(name, text):argname("<n>"):convert(cli.integer(low))
    if default then option:default(default) end
  end
  parser:option("--model", "Model to train; conjugate list models names them."):argname "<name>"
    :default "convnet"
  parser:option("--data", "Data set; by default the one of the checkpoint, or mini.")
    :argname "<name>"
  integer("--limit", "Use only the first images of the training set.", 1)
  parser:option("--epochs", "Epochs after which the pipeline runs, such as 1,30,50.")
    :argname("<list>"):convert(epoch_list)
  parser:option("--checkpoint", "Take the network of this file instead of training one.")
    :argname "<file>"
  integer("--batch", "Images per training step of the classifier.", 1)
  number("--lr", "Learning rate of the classifier.")
  parser:option("--schedule", "cosine, step or plateau, for the classifier."):argname "<name>"
  number("--eps", "Step of IFA and radius of PGD, in pixel units (default 0.1 or 8/255).")
  integer("--steps", "Steps of IFA.", 0, "200")
  parser:option("--clip", "Keep X_n in [0, 1] (box) or not (none)."):choices { "none", "box" }
    :default "none"
  number("--ra-share", "Part of the training set on which RA of X_n is measured.", "1")
  integer("--chunk", "Images followed at a time.", 1, "500")
  integer("--gan-epochs", "Epochs of the generator's training.", 0, "10")
  integer("--gan-batch", "Images per step of the generator's training.", 1, "16")
  integer("--gan-width", "Channels of the generator's first block.", 1, "16")
  number("--gan-lr", "Learning rate of generator and discriminator.", "2e-4")
  number("--gan-l1", "Weight of the absolute error.", "100")
  parser:flag("--checks", "Also attack ACL with PGD-20, restarts and transfer.")
  integer("--check-samples", "Images these attacks are run on.", 1, "500")
  parser:flag("--no-pictures", "Draw no charts and grids.")
end

-- The model and its data: from a checkpoint, or the names of what is to be trained.
local function subject_of(options)
  local subject = { model = options.model, epochs = options.epochs, data = options.data or "mini" }
  if options.checkpoint then
    local net, about = require("conjugate.run.checkpoint").load(options.checkpoint)
    if not net then return nil, about end
    subject.model, subject.epochs = net, nil
    subject.trained = type(about.history) == "table" and #about.history or nil
    subject.data = options.data or type(about.data) == "table" and about.data.name or "mini"
  end
  local load_data = require("conjugate.cli.train").load_data
  subject.train, subject.test = load_data(subject.data, options.limit)
  if not subject.train then return nil, subject.test end
  return subject
end

local function about_ra(ifa)
  return ("RA(X_n): PGD that starts at X_n, pixels %s; %d of %d images"):format(
    ifa.ra_clip_box and "kept in [0, 1]" or "free to leave [0, 1]", ifa.ra_samples, ifa.samples)
end

local function text_of(result)
  local lines = { result.table, "", result.sketch, about_ra(result.ifa), "" }
  local hfr = type(result.hfr) == "number" and ("%.4f"):format(result.hfr) or "undefined"
  lines[#lines + 1] = ("High-frequency ratio of Delta_1: %s"):format(hfr)
  local zeros = result.acl.zero_gradients or 0
  if zeros >= 1 then
    lines[#lines + 1] = ("ACL gave PGD zero gradients in %.1f %% of the steps: its RA says less "
      .. "than it seems"):format(zeros)
  end
  local checks = result.acl.checks
  if checks then
    lines[#lines + 1] = ("ACL under PGD-20 with %d restarts: RA %.2f %%; CL's attack carried over: "
      .. "RA %.2f %% (%d images)"):format(checks.pgd20_restarts, checks.pgd20_ra_worst,
      checks.transfer_ra, checks.n)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = ("Files in %s:"):format(result.out)
  lines[#lines + 1] = "  summary.json  metrics.jsonl  table.csv  table.txt"
  for _, path in ipairs(result.figures or {}) do
    lines[#lines + 1] = "  " .. (path:gsub("^" .. result.out:gsub("%p", "%%%0") .. "/", ""))
  end
  if result.message then lines[#lines + 1] = "Charts: " .. result.message end
  lines[#lines + 1] = ("%.1f s with %d threads"):format(result.seconds, result.threads)
  return table.concat(lines, "\n")
end

function M.run(options)
  local cj = require "conjugate"
  local subject, why = subject_of(options)
  if not subject then return nil, why end
  local result = cj.ifa.run {
    model = subject.model, epochs = subject.epochs, trained = subject.trained,
    train = subject.train, test = subject.test, out = options.out or "runs/ifa",
    fit = { batch = options.batch, lr = options.lr, schedule = options.schedule },
    eps = options.eps, steps = options.steps, clip = options.clip, ra_share = options.ra_share,
    chunk = options.chunk,
    gan = {
      epochs = options.gan_epochs, batch = options.gan_batch, width = options.gan_width,
      lr = options.gan_lr, l1 = options.gan_l1,
    },
    checks = options.checks, check_samples = options.check_samples,
    pictures = not options.no_pictures, seed = options.seed, quiet = options.quiet,
  }
  local text = text_of(result)
  result.table, result.sketch = nil, nil
  return result, text
end

return M
