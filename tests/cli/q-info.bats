#!/usr/bin/env bats
# q-info: tells what is in a file.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  mkdir tiny
  make_stages .
  make_tiny_stages tiny
  make_tiny_island island.h5 island.data.h5
  q-observe -q island.h5 --data island.data.h5 | q-calibrate -q | q-convert -q -o island.int8.h5
  q-observe -q tiny/tiny.h5 --data tiny/data.h5 --stats-only -o tiny/stats.h5
  q-run -q tiny/int8.h5 --data tiny/data.h5 --keep h -o tiny/result.h5
}

setup() {
  private_folders
  cd "$BATS_FILE_TMPDIR" || return 1
}

@test "a float model: inputs, outputs, constants, multiply-adds and nodes" {
  run -0 --separate-stderr q-info tiny/tiny.h5
  # 15 floats; 3 outputs of 4 products each
  [ "$output" = "format       q-model
inputs       x f32 [N,4]
outputs      y f32 [N,3]
constants    2, 60 bytes
nodes        2, all float
MACs         12 per sample

  float    linear             fc -> f32 [N,3]
  float    relu               act -> f32 [N,3]" ]
  [ -z "$stderr" ]
}

@test "an integer model: how each node is computed, and with which scale" {
  run -0 q-info tiny/int8.h5
  [[ $output == *"constants    2, 24 bytes
nodes        4: 1 integer, 1 table, 0 float, 2 conversions
MACs         12 per sample, 100.0 % integer

  convert  quantize           x.quantized -> u8 [N,4] scale 0.0117647061124444 zero 85
  integer  linear             fc -> u8 [N,3] scale 0.0181372"*" zero 103
  table    relu               act -> u8 [N,3] scale 0.0107843"*" zero 0
  convert  dequantize         y.dequantize -> f32 [N,3]" ]]
}

@test "the multiply-adds of a convolution are counted" {
  # 3x3 on 28x28 makes 16 channels of one; grouped, 16 of one each; 1x1 on 14x14 makes 40 of 16; two of 40x40x9 on 7x7; 5x5 on
  # each of 40; 64 of 40; 10 of 64
  wanted=$((16 * 9 * 784 + 16 * 9 * 196 + 40 * 16 * 196 + 2 * 40 * 40 * 9 * 49 + 40 * 25 * 49 + 64 * 40 * 49 + 10 * 64))
  [ "$(q-info --json fused.h5 | json_value macs)" != "" ]
  run -0 q-info fused.h5
  [[ $output == *"MACs         $wanted per sample"* ]]
}

@test "a float island is named with its reason" {
  run -0 q-info island.int8.h5
  [[ $output == *"nodes        4: 0 integer, 1 table, 1 float, 2 conversions"* ]]
  [[ $output == *"  float    linear             fc -> f32 [N,3]: 66000 products per output could overflow int32"* ]]
}

@test "a record: what each tensor was, over how many samples" {
  run -0 q-info tiny/stats.h5
  [ "${lines[0]}" = "format       q-stats" ]
  [[ $output == *"statistics   3 tensors over 8 samples

  h: histogram, 24 values from -1.875 to 2.75
  x: histogram, 32 values from -1 to 2
  y: histogram, 24 values from 0 to 2.75" ]]
}

@test "files of tensors, ours, plain HDF5 and .npy, are listed by name" {
  run -0 q-info tiny/result.h5
  [[ $output == *"  h u8 [8,3] scale "*"
  y f32 [8,3]" ]]
  run -0 q-info "$glyphs/calib.h5"
  [[ $output == *"  x u8 [500,1,28,28]
  y u8 [500]" ]]
  (npy_head "2, 3" && printf 'abcdef') > "$out/data.npy"
  run -0 q-info "$out/data.npy"
  [[ $output == *"u8 [2,3]" ]]
}

@test "the history is one line per tool" {
  run -0 q-info int8.h5
  [[ ${lines[1]} == "history      q-import "[0-9]* ]]
  [[ ${lines[2]} == "             q-fuse "[0-9]* ]]
  [[ ${lines[3]} =~ ^"             q-observe "[0-9.]+" --samples 0:100 --mean 127.5 --std 127.5 recipe "[0-9a-f]+$ ]]
}

@test "--json is JSON for every kind of file" {
  for file in float.h5 int8.h5 observed.h5 tiny/stats.h5 tiny/result.h5 "$glyphs/calib.h5" island.int8.h5; do
    q-info --json "$file" > "$out/info.json"
    is_json < "$out/info.json"
  done
}

@test "--json tells what the text tells" {
  q-info --json tiny/int8.h5 > "$out/info.json"
  [ "$(json_value format < "$out/info.json")" = '"q-model"' ]
  [ "$(json_value macs < "$out/info.json")" = 12 ]
  [ "$(json_value integer_macs < "$out/info.json")" = 12 ]
  [ "$(grep -c '"form": "integer"' "$out/info.json")" = 1 ]
  [ "$(grep -c '"form": "table"' "$out/info.json")" = 1 ]
  q-info --json island.int8.h5 > "$out/island.json"
  grep -q '"reason": "66000 products per output could overflow int32"' "$out/island.json"
}

@test "--dot is a graph that Graphviz reads" {
  run -0 q-info --dot tiny/int8.h5
  [ "${lines[0]}" = "digraph model {" ]
  [ "$(grep -c ' -> ' <<< "$output")" = 4 ]
  command -v dot || skip "no graphviz"
  q-info --dot int8.h5 | dot -Tplain -o "$out/int8.plain"
  # quantize, 14 nodes, dequantize and the model's input
  [ "$(grep -c '^node ' "$out/int8.plain")" = 17 ]
}

@test "--dot of what is no model is refused" {
  refused "q-info: tiny/stats.h5: is q-stats, --dot wants q-model" q-info --dot tiny/stats.h5
  refused "q-info: tiny/result.h5: is q-tensors, --dot wants q-model" q-info --dot tiny/result.h5
}

@test "--list-ops names every operator of the source, with its form" {
  q-info --list-ops | cut -f 1 > "$out/listed"
  find "$source_dir/libq/ops" -maxdepth 1 -name '*.cc' -exec basename {} .cc \; | LC_ALL=C sort > "$out/wanted"
  LC_ALL=C sort "$out/listed" | diff "$out/wanted" -
  run -0 bash -c "q-info --list-ops | cut -f 3 | sort -u | tr '\n' ' '"
  [ "$output" = "convert float integer table " ]
}

@test "--list-observers names every observer of the source, with its methods" {
  q-info --list-observers | cut -f 1 | LC_ALL=C sort > "$out/listed"
  find "$source_dir/libq/observers" -maxdepth 1 -name '*.cc' -exec basename {} .cc \; | LC_ALL=C sort | diff - "$out/listed"
  run -0 bash -c "q-info --list-observers | sed -n 's/^histogram\t.*\t//p'"
  [ "$output" = "mse minmax percentile entropy" ]
}

@test "what is no file of ours is refused" {
  echo "no model" > "$BATS_TEST_TMPDIR/text"
  refused "q-info: $BATS_TEST_TMPDIR/text: not an HDF5 file" q-info "$BATS_TEST_TMPDIR/text"
  refused "q-info: $glyphs/glyphs.onnx: not an HDF5 file" q-info "$glyphs/glyphs.onnx"
}
