std = "luajit"
max_line_length = 100
max_cyclomatic_complexity = 12
exclude_files = { "build*", "runs", "doc" }
files["tests/lua"] = { std = "+busted" }
files[".busted"] = { std = "luajit" }
files["*.rockspec"] = { std = "+rockspec" }
