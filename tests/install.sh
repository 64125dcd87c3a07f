#!/usr/bin/env bash
# Installs with luarocks from a copy of the sources, deletes the copy, and uses what was installed from
# another folder: the self-test, the data set that comes with the package, the first example of the
# README. Exit 77: no luarocks here (a skipped test).
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v luarocks > /dev/null; then
  echo "skipped: installing with luarocks, which is not here" | tee -a "${CJ_BUILD:-build}/skipped.txt"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=$work/source tree=$work/tree elsewhere=$work/elsewhere
mkdir "$source" "$elsewhere"
cp -r CMakeLists.txt cmake csrc lua scripts LICENSE README.md conjugate-scm-1.rockspec "$source"
luarocks --lua-version=5.1 lint conjugate-scm-1.rockspec
awk '/^```/ { if (inside) exit; inside = $0 == "```lua"; next } inside' README.md > "$elsewhere/first.lua"
[[ -s $elsewhere/first.lua ]] || { echo "no Lua example in README.md"; exit 1; }

# The cache of the compiler makes a second run fast although the copy lies elsewhere every time.
if command -v ccache > /dev/null; then
  export CMAKE_C_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR=$source CCACHE_NOHASHDIR=1
fi
cd "$source"
LUAROCKS_CONFIG=$source/scripts/luarocks-luajit.lua MAKEFLAGS=-j$(nproc) \
  luarocks --lua-version=5.1 make --tree "$tree" > "$work/make.log" 2>&1 ||
  { tail -n 40 "$work/make.log"; exit 1; }

# From here on nothing of the tree is left to be found.
cd "$elsewhere"
rm -rf "$source"
unset LUA_PATH LUA_CPATH CJ_BUILD CONJUGATE_DATA
export HOME=$elsewhere XDG_CACHE_HOME=$elsewhere XDG_DATA_HOME=$elsewhere

echo "== conjugate selftest"
"$tree/bin/conjugate" selftest
echo "== the first example of README.md"
eval "$(luarocks --lua-version=5.1 --tree "$tree" path)"
found=$(luajit -e 'print(package.searchpath("conjugate", package.path))')
[[ $found == "$tree"/* ]] || { echo "the module was found at $found"; exit 1; }
luajit first.lua | tee first.txt
grep -q '^TA .*%' first.txt || { echo "the example printed no accuracy"; exit 1; }
echo "== conjugate run"
echo 'print(#require("conjugate").data.load "mini".images)' > mini.lua
env -u LUA_PATH -u LUA_CPATH "$tree/bin/conjugate" run mini.lua | tee mini.txt
[[ $(cat mini.txt) == 6000 ]] || { echo "mini was not found"; exit 1; }
