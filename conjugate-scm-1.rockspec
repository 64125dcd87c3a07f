rockspec_format = "3.0"
package = "conjugate"
version = "scm-1"
source = {
  url = "git+file://.", -- replaced by the address of the repository at a release
}
description = {
  summary = "A workbench for accuracy against robustness in neural networks",
  detailed = [[
Why are accurate neural networks fragile, and what happens when you move along a given direction in
input space? Tensors, autograd, networks, attacks, the opposite-FGSM (IFA) pipeline and
measurements, with a C core and Lua on top.]],
  license = "MIT",
}
dependencies = {
  "lua >= 5.1, < 5.2",
  "argparse >= 0.7",
  "dkjson >= 2.5",
}
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    INST_LUADIR = "$(LUADIR)",
    INST_LIBDIR = "$(LIBDIR)",
  },
  install = { bin = { conjugate = "scripts/conjugate" } },
}
test = { type = "command", command = "scripts/test" }
