std = "luajit"
max_line_length = 100
max_cyclomatic_complexity = 12
exclude_files = { "build*", "runs", "doc" }
files["tests/lua"] = { std = "+busted" }
files[".busted"] = { std = "luajit" }
files["*.rockspec"] = { std = "+rockspec" }
files["scripts/luarocks-luajit.lua"] = { allow_defined_top = true, ignore = { "111", "131" } }
