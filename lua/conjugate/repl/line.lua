--- Reads lines: with editing, history and completion where there are libedit and a terminal,
-- plainly where there are not.
-- @module conjugate.repl.line
local ffi = require "ffi"

-- Callbacks from C into compiled code fail ("bad callback"), so this module is interpreted.
if jit then jit.off(true, true) end

local M = {}

ffi.cdef [[
typedef char **conjugate_completer(const char *text, int from, int to);
char *readline(const char *prompt);
int add_history(const char *line);
int read_history(const char *path);
int write_history(const char *path);
void stifle_history(int most);
typedef char *conjugate_generator(const char *text, int state);
char **rl_completion_matches(const char *text, conjugate_generator *next);
extern char *rl_line_buffer;
extern char *rl_readline_name;
extern const char *rl_basic_word_break_characters;
extern char *rl_completer_word_break_characters;
extern conjugate_completer *rl_attempted_completion_function;
extern int rl_attempted_completion_over;
extern int rl_completion_append_character;
char *strdup(const char *text);
void free(void *block);
int isatty(int fd);
]]

local HISTORY_LINES = 2000
local WORD_BREAKS = " \t\n\"\\'`@$><=;|&{(+-*/%^,#[]~"

--- Is file descriptor fd a terminal?
-- @tparam number fd 0 input, 1 output, 2 errors
-- @treturn boolean
function M.is_terminal(fd)
  return ffi.C.isatty(fd) == 1
end

--- Is libedit there?
-- @treturn ?cdata the library, or nil
function M.find_libedit()
  for _, name in ipairs { "libedit.so.2", "libedit.so.0", "edit" } do
    local found, library = pcall(ffi.load, name)
    if found then return library end
  end
  return nil
end

local function plain_reader()
  local reader = { editing = false }
  function reader.read(prompt)
    io.stdout:write(prompt)
    io.stdout:flush()
    return io.stdin:read "*l"
  end
  function reader.remember() end
  function reader.close() end
  return reader
end

-- The anchors keep C strings and callbacks alive as long as the library may use them.
local function install_completion(edit, complete, anchors)
  local matches, position
  anchors.generator = ffi.cast("conjugate_generator *", function()
    position = position + 1
    local match = matches[position]
    return match and ffi.C.strdup(match) or nil
  end)
  anchors.completer = ffi.cast("conjugate_completer *", function(text)
    edit.rl_attempted_completion_over = 1
    edit.rl_completion_append_character = 0
    local ok, found = pcall(complete, ffi.string(text))
    matches, position = ok and found or {}, 0
    if #matches == 0 then return nil end
    return edit.rl_completion_matches(text, anchors.generator)
  end)
  edit.rl_attempted_completion_function = anchors.completer
  anchors.breaks = ffi.C.strdup(WORD_BREAKS)
  edit.rl_basic_word_break_characters = anchors.breaks
  edit.rl_completer_word_break_characters = anchors.breaks
end

local function editing_reader(edit, options)
  local reader, anchors = { editing = true }, {}
  anchors.name = ffi.C.strdup "conjugate"
  edit.rl_readline_name = anchors.name
  install_completion(edit, options.complete, anchors)
  if options.history then edit.read_history(options.history) end
  edit.stifle_history(HISTORY_LINES)
  local last
  function reader.read(prompt)
    local line = edit.readline(prompt)
    if line == nil then return nil end
    local text = ffi.string(line)
    ffi.C.free(line)
    return text
  end
  function reader.remember(text)
    if text == "" or text == last then return end
    last = text
    edit.add_history((text:gsub("\n", " ")))
    if options.history then edit.write_history(options.history) end
  end
  function reader.close()
    edit.rl_attempted_completion_function = nil
    anchors.completer:free()
    anchors.generator:free()
  end
  return reader
end

--- A source of lines.
-- @tparam table options complete: function(text) giving a list of whole words; history: path or
--   nil; plain: true never uses libedit
-- @treturn table reader with read(prompt) (a line, or nil at the end of input), remember(text),
--   close(), and the field editing
function M.open(options)
  local edit = not options.plain and M.is_terminal(0) and M.is_terminal(1) and M.find_libedit()
  if not edit then return plain_reader() end
  return editing_reader(edit, options)
end

return M
