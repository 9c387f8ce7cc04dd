#!/usr/bin/env bats
# What `make install` puts on a machine is whole, can be moved, and others can build on it.
bats_require_minimum_version 1.5.0

setup_file() {
  source_dir=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=${Q_BUILD_DIR:-$source_dir/build/release}
  export source_dir prefix="$BATS_FILE_TMPDIR/moved"
  sanitized=$(sed -n 's/^Q_SANITIZE:STRING=//p' "$build/CMakeCache.txt")
  export sanitized
  [ -z "$sanitized" ] || return 0
  DESTDIR='' cmake --install "$build" --prefix "$BATS_FILE_TMPDIR/first" > "$BATS_FILE_TMPDIR/install.log"
  mv "$BATS_FILE_TMPDIR/first" "$prefix"
}

setup() {
  [ -z "$sanitized" ] || skip "a build with sanitizers is not for installing"
}

@test "every tool is installed and runs from a moved folder" {
  for tool in "$source_dir"/tools/q-*.cc; do
    "$prefix/bin/$(basename "$tool" .cc)" --version
  done
}

@test "every tool has its manual page and its bash and fish completions installed" {
  for tool in "$source_dir"/tools/q-*.cc; do
    tool=$(basename "$tool" .cc)
    [ -s "$prefix/share/man/man1/$tool.1" ]
    [ -s "$prefix/share/bash-completion/completions/$tool" ]
    [ -s "$prefix/share/fish/vendor_completions.d/$tool.fish" ]
  done
  [ -s "$prefix/share/zsh/site-functions/_q" ]
}

@test "every recipe is installed" {
  diff -r "$source_dir/recipes" "$prefix/share/q/recipes"
}

@test "every installed header compiles alone" {
  for header in "$prefix"/include/q/*.h; do
    "${CXX:-c++}" -std=c++20 -fsyntax-only -Wall -Wextra -Werror -I "$prefix/include" -include "$header" -x c++ /dev/null
  done
}

@test "a CMake project finds the package and quantizes with it" {
  cmake -S "$source_dir/tests/install" -B "$BATS_TEST_TMPDIR/build" -G Ninja -D CMAKE_PREFIX_PATH="$prefix"
  cmake --build "$BATS_TEST_TMPDIR/build"
  run -0 "$BATS_TEST_TMPDIR/build/consumer"
  [ "$output" = $'0\n100\n255\nrefused' ]
  run -0 "$BATS_TEST_TMPDIR/build/importer"
  [ "$output" = refused ]
}

@test "pkg-config gives the flags to build the same program" {
  export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
  read -ra flags <<< "$(pkg-config --cflags --libs q)"
  "${CXX:-c++}" "$source_dir/tests/install/main.cc" "${flags[@]}" -o "$BATS_TEST_TMPDIR/consumer"
  LD_LIBRARY_PATH=$prefix/lib run -0 "$BATS_TEST_TMPDIR/consumer"
  [ "$output" = $'0\n100\n255\nrefused' ]
}
