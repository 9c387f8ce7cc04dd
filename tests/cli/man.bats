#!/usr/bin/env bats
# The manual is whole, clean, and true: its examples are run.
# shellcheck disable=SC2154  # common.bash sets source_dir and build
bats_require_minimum_version 1.5.0
load common

setup() {
  man_dir=$build/man
}

@test "every tool has a manual page" {
  for tool in "$source_dir"/tools/q-*.cc; do
    [ -s "$man_dir/$(basename "$tool" .cc).1" ]
  done
}

@test "every manual page passes mandoc's lint" {
  run -0 mandoc -T lint -W warning "$man_dir"/*.[157]
  [ -z "$output" ]
}

@test "every page that a page refers to exists" {
  others='cmp(1) dot(1) h5dump(1) make(1)'
  while read -r name section; do
    [[ " $others " == *" $name($section) "* ]] || [ -s "$man_dir/$name.$section" ] || { echo "$name($section)"; false; }
  done < <(sed -n 's/^\(\.It \)\{0,1\}\.\{0,1\}Xr \([^ ]*\) \([1-9]\).*/\2 \3/p' "$man_dir"/*.[157] | sort -u)
}

@test "the page of a tool lists each of its options" {
  for tool in "$source_dir"/tools/q-*.cc; do
    tool=$(basename "$tool" .cc)
    while IFS=$'\t' read -r flags _; do
      for flag in ${flags//,/ }; do
        grep -qE "^\.It .*Fl ${flag#-}( |\$)" "$man_dir/$tool.1" || { echo "$tool $flag"; false; }
      done
    done < <("$tool" --describe)
  done
}

@test "the examples in the manual print what the manual says" {
  failed=0
  for page in "$man_dir"/*.[157]; do
    folder=$BATS_TEST_TMPDIR/$(basename "$page")
    mkdir "$folder"
    cp "$source_dir"/examples/glyphs/*.{onnx,h5,yaml} "$folder"
    (cd "$folder" && TMPDIR=$folder "$source_dir/tests/cli/manual-examples.sh" "$page") || failed=1
  done
  [ $failed = 0 ]
}
