#!/usr/bin/env bats
# q-convert: makes an integer model of a calibrated one.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  make_stages .
  mkdir tiny
  make_tiny_stages tiny
  make_tiny_island island.h5 island.data.h5
  q-observe -q island.h5 --data island.data.h5 | q-calibrate -q -o island.calibrated.h5
}

setup() {
  private_folders
  cd "$BATS_FILE_TMPDIR" || return 1
}

@test "every node of the bundled model becomes integer" {
  run -0 --separate-stderr q-convert calibrated.h5 -o "$out/int8.h5"
  [ "$stderr" = "q-convert: 13 integer, 1 table, 0 float nodes" ]
  run -0 bash -c "q-info --json '$out/int8.h5' | sed -n '/\"coverage\"/,/}/p' | tr -d ' \n'"
  [ "$output" = '"coverage":{"integer":13,"table":1,"float":0,"conversions":2},' ]
}

@test "inputs and outputs stay float, and keep their names" {
  run -0 q-info int8.h5
  [[ $output == *"inputs       image f32 [N,1,28,28]
outputs      logits f32 [N,10]"* ]]
}

@test "the integer model is right where the float model is" {
  q-compare --no-local fused.h5 int8.h5 --data "$glyphs/test.h5" --samples 0:500 "${normalised[@]}" \
    --min-top1-agreement 0.98 --min-sqnr 15 --max-accuracy-drop 0.01
}

@test "weights take a quarter of the bytes" {
  float=$(q-info --json fused.h5 | json_value bytes)
  integer=$(q-info --json int8.h5 | json_value bytes)
  # biases keep their 32 bits: 206 of the 34,000 parameters
  [ $((integer * 39 / 10)) -le "$float" ]
  [ "$(stat -c %s int8.h5)" -lt "$(($(stat -c %s fused.h5) / 2))" ]
}

@test "the integers of a weight are rint(w / scale), by hand" {
  # the first row is 1 0.5 -1 0.25: its scale is 1 / 127, and 63.5 is tied
  run -0 bash -c "h5dump -y -w 0 -d /constants/w tiny/int8.h5 | sed -n '/DATA {/,/}/p' | sed -n 2p | tr -d ' '"
  [ "$output" = "127,64,-127,32," ]
}

@test "a node without an integer form is a warning, and an error under --strict" {
  run -0 --separate-stderr q-convert island.calibrated.h5 -o "$BATS_TEST_TMPDIR/int8.h5"
  [ "$stderr" = "q-convert: warning: float island: 1: fc: 66000 products per output could overflow int32
q-convert: 0 integer, 1 table, 1 float nodes" ]
  run -0 q-info "$BATS_TEST_TMPDIR/int8.h5"
  [[ $output == *"float    linear             fc -> f32 [N,3]: 66000 products per output could overflow int32"* ]]
  q-compare "$BATS_TEST_TMPDIR/int8.h5" "$BATS_TEST_TMPDIR/int8.h5" --data island.data.h5 --exact
  run -2 --separate-stderr q-convert --strict island.calibrated.h5 -o "$out/int8.h5"
  [ "${stderr_lines[-1]}" = "q-convert: 1 warning under --strict" ]
  nothing_left
}

@test "a model that was not observed, or not calibrated, is refused" {
  refused "q-convert: float.h5: no ranges: run q-observe and q-calibrate first" q-convert float.h5
  refused "q-convert: tiny/observed.h5: /values/x: has no scale: run q-calibrate first" q-convert tiny/observed.h5
  refused "q-convert: standard input: no ranges: run q-observe and q-calibrate first" q-convert < float.h5
}

@test "a model that is integer already is refused" {
  refused "q-convert: int8.h5: *" q-convert int8.h5
}

@test "a bias that would leave int32 gets room, and that is said" {
  cp tiny/tiny.h5 "$BATS_TEST_TMPDIR/model.h5"
  # the scale of a bias is that of x by that of w, about 1e-4: 1e6 is 1e10 steps
  edit_model "$BATS_TEST_TMPDIR/model.h5" <<< 'value /constants/b 1 1e6'
  q-observe -q "$BATS_TEST_TMPDIR/model.h5" --data tiny/data.h5 -o "$BATS_TEST_TMPDIR/observed.h5"
  run -0 --separate-stderr q-calibrate -v --strict "$BATS_TEST_TMPDIR/observed.h5" -o "$BATS_TEST_TMPDIR/calibrated.h5"
  [[ $stderr = *"raised weight scale: fc: 1 channels of w, whose bias would not fit in int32"* ]]
  q-convert --strict "$BATS_TEST_TMPDIR/calibrated.h5" -o "$BATS_TEST_TMPDIR/int8.h5"
  q-run "$BATS_TEST_TMPDIR/int8.h5" --data tiny/data.h5 -o "$BATS_TEST_TMPDIR/y.h5"
  # the channel is its bias but for half a step of y
  [[ $(numbers "$BATS_TEST_TMPDIR/y.h5" y | cut -d, -f2) = *" 1e+06" || $(numbers "$BATS_TEST_TMPDIR/y.h5" y | cut -d, -f2) = *" 999"* ]]
}

@test "the history is that of the whole pipeline" {
  run -0 bash -c "q-info --json int8.h5 | sed -n 's/^ *\"tool\": \"\(.*\)\",/\1/p' | tr '\n' ' '"
  [ "$output" = "q-import q-fuse q-observe q-calibrate q-convert " ]
}
