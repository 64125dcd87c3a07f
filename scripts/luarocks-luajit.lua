-- Configuration for luarocks (LUAROCKS_CONFIG): wrappers run LuaJIT, and Debian's lua-argparse and
-- lua-dkjson count as installed, so that nothing is fetched.
lua_version = "5.1"
lua_interpreter = "luajit"
variables = {
  LUA = "/usr/bin/luajit",
  LUA_BINDIR = "/usr/bin",
  LUA_INCDIR = "/usr/include/luajit-2.1",
}
rocks_provided = { argparse = "0.7.1-1", dkjson = "2.6-1" }
