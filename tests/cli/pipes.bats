#!/usr/bin/env bats
# Tools joined by pipes: the same result as with files, and a failure anywhere is seen at the end.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup_file() {
  mkdir "$BATS_FILE_TMPDIR/stages"
  make_stages "$BATS_FILE_TMPDIR/stages"
}

setup() {
  private_folders
  set -o pipefail
  stages=$BATS_FILE_TMPDIR/stages
}

@test "the whole pipeline gives the model that its stages give with files" {
  q-import -q "$glyphs/glyphs.onnx" | q-fuse -q |
    q-observe -q --data "$glyphs/calib.h5" --samples 0:100 "${normalised[@]}" --recipe int8.yaml | q-calibrate -q |
    q-convert -q -o "$out/int8.h5"
  same_bytes "$stages/int8.h5" "$out/int8.h5"
  [ -z "$(ls -A "$TMPDIR")" ]
}

@test "a stage that fails makes every later stage fail, and nothing is written" {
  set +o pipefail
  run -0 --separate-stderr bash -c "
    q-import -q '$glyphs/calib.h5' | q-fuse -q | q-observe -q --data '$glyphs/calib.h5' | q-calibrate -q | q-convert -q -o '$out/int8.h5'
    echo \"\${PIPESTATUS[*]}\""
  [ "$output" = "2 2 2 2 2" ]
  [ "${#stderr_lines[@]}" = 5 ]
  for tool in q-fuse q-observe q-calibrate q-convert; do
    grep -qx "$tool: standard input is empty: did the command before it fail?" <<< "$stderr"
  done
  nothing_left
}

@test "a stage that fails in the middle leaves those before it alone" {
  set +o pipefail
  run -0 --separate-stderr bash -c "
    q-fuse -q '$stages/float.h5' | q-convert -q | q-info > '$BATS_TEST_TMPDIR/info.txt'
    echo \"\${PIPESTATUS[*]}\""
  [ "$output" = "0 2 2" ]
  [ ! -s "$BATS_TEST_TMPDIR/info.txt" ]
  nothing_left
}

@test "a model cut off on its way is refused" {
  refused "q-fuse: standard input: *" q-fuse < <(head -c 60000 "$stages/float.h5")
  refused "q-info: standard input: *" q-info < <(head -c 60000 "$stages/float.h5")
}

@test "text can be read from a pipe of models" {
  q-convert -q "$stages/calibrated.h5" | q-info --json | json_value format > "$out/format"
  [ "$(cat "$out/format")" = '"q-model"' ]
}

@test "results can be compared without a file between" {
  q-run "$stages/int8.h5" --data "$glyphs/test.h5" --samples 0:20 "${normalised[@]}" -o "$BATS_TEST_TMPDIR/result.h5"
  q-run "$stages/int8.h5" --data "$glyphs/test.h5" --samples 0:20 "${normalised[@]}" |
    q-compare --exact - "$BATS_TEST_TMPDIR/result.h5"
}
