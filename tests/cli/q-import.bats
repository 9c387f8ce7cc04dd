#!/usr/bin/env bats
# q-import reads ONNX files, says what it did to them, and refuses in one line what it cannot express.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup() {
  private_folders
  cd "$BATS_TEST_TMPDIR" || return 1
}

# model OPSET TEXT…: x f32 [N,3] to y; the text gives nodes and initializers.
model() {
  printf 'ir_version: 7 opset_import { version: %s }\n' "$1"
  shift
  printf 'graph { name: "g" input { %s } output { %s } %s }\n' "$(tensor x 1 -1 3)" "$(tensor y 1 -1 3)" "$*"
}

# The elements of the constant w in a model file $1.
weights() { numbers "$1" /constants/w; }

relu='node { op_type: "Relu" name: "act" input: "x" output: "y" }'
sum='node { op_type: "Add" name: "sum" input: "x" input: "w" output: "y" }'

@test "a model keeps its names, shapes and weights" {
  model 13 "$sum" 'initializer { name: "w" dims: 3 data_type: 1 float_data: [1, -2, 0.5] }' | encode m.onnx
  q-import m.onnx -o m.h5
  run -0 q-info m.h5
  [[ $output = *"x f32 [N,3]"*"y f32 [N,3]"*"add"*"sum -> "* ]]
  [ "$(weights m.h5)" = "1, -2, 0.5" ]
}

@test "the bundled model imports without a word" {
  run -0 --separate-stderr q-import "$glyphs/glyphs.onnx" -o "$out/glyphs.h5"
  [ -z "$output" ]
  [ -z "$stderr" ]
  run -0 q-info "$out/glyphs.h5"
  [[ $output = *"image f32 [N,1,28,28]"*"logits f32 [N,10]"* ]]
}

@test "a model can be piped in and out" {
  q-import "$glyphs/glyphs.onnx" -o file.h5
  # shellcheck disable=SC2002  # a pipe it shall be
  cat "$glyphs/glyphs.onnx" | q-import > pipe.h5
  same_bytes file.h5 pipe.h5
}

@test "a batch of one is made free, and that is said" {
  model 13 "$relu" | sed 's/dim { dim_param: "?" }/dim { dim_value: 1 }/g' | encode one.onnx
  run -0 --separate-stderr q-import one.onnx -o one.h5
  [ "$stderr" = "q-import: free batch: 1" ]
  run -0 --separate-stderr q-import -v one.onnx -o one.h5
  [[ $stderr = *"x"*"the model's batch of 1 may be any"* ]]
  run -0 q-info one.h5
  [[ $output = *"x f32 [N,3]"* ]]
}

@test "a batch that must stay is a warning, and an error under --strict" {
  model 13 'node { op_type: "Squeeze" name: "drop" input: "x" input: "w" output: "y" }' \
    'initializer { name: "w" dims: 1 data_type: 7 int64_data: 0 }' |
    sed 's/dim { dim_param: "?" }/dim { dim_value: 1 }/g' | encode fixed.onnx
  run -0 --separate-stderr q-import -v fixed.onnx -o fixed.h5
  [[ $stderr = *"batch kept at 1: node drop: mixes samples: axis 0 left out"* ]]
  run -0 q-info fixed.h5
  [[ $output = *"x f32 [1,3]"* ]]
  run -2 q-import --strict fixed.onnx -o "$out/strict.h5"
  nothing_left
}

@test "a node that no output needs is removed, and that is said" {
  model 13 "$relu" 'node { op_type: "Sin" name: "probe" input: "x" output: "seen" }' | encode m.onnx
  run -0 --separate-stderr q-import m.onnx -o m.h5
  [ "$stderr" = "q-import: unused: 1" ]
}

@test "weights can lie in a file beside the model" {
  model 13 "$sum" 'initializer { name: "w" dims: 3 data_type: 1 data_location: EXTERNAL' \
    'external_data { key: "location" value: "w.bin" } external_data { key: "offset" value: "4" } }' | encode m.onnx
  refused "q-import: m.onnx: initializer w: external file w.bin: no such file" q-import m.onnx -o "$out/m.h5"
  printf 'skip\0\0\x80\x3f\0\0\0\xc0\0\0' > w.bin
  refused "q-import: m.onnx: initializer w: external file w.bin: 10 bytes from 4 on, wanted 12" q-import m.onnx
  printf 'skip\0\0\x80\x3f\0\0\0\xc0\0\0\0\x3f' > w.bin
  q-import m.onnx -o m.h5
  [ "$(weights m.h5)" = "1, -2, 0.5" ]
  refused "q-import: standard input: initializer w: *, wanted a model given by its path" q-import - < m.onnx
  sed 's/w[.]bin/..\/ww/' m.onnx > outside.onnx
  refused 'q-import: outside.onnx: initializer w: external file "../ww", wanted one in the folder of the model' q-import outside.onnx
}

@test "what is no ONNX model is refused" {
  head -c 5000 "$glyphs/glyphs.onnx" > truncated.onnx
  echo "a text" > text.onnx
  refused "q-import: truncated.onnx: truncated or no ONNX model" q-import truncated.onnx -o "$out/m.h5"
  refused "q-import: text.onnx: *no ONNX model" q-import text.onnx -o "$out/m.h5"
  refused "q-import: $glyphs/calib.h5: *no ONNX model" q-import "$glyphs/calib.h5" -o "$out/m.h5"
  refused "q-import: none.onnx: No such file or directory" q-import none.onnx -o "$out/m.h5"
  : > empty.onnx
  refused "q-import: empty.onnx: *" q-import empty.onnx -o "$out/m.h5"
}

@test "opsets from 1 to 21 are taken, the old ones upgraded with a word, others refused" {
  for opset in 7 17 18 21; do
    model $opset "$relu" | encode m.onnx
    run -0 --separate-stderr q-import m.onnx -o m.h5
    [ -z "$stderr" ]
  done
  for opset in 1 6; do
    model $opset "$relu" | encode old.onnx
    run -0 --separate-stderr q-import -v old.onnx -o old.h5
    [[ ${stderr_lines[0]} = "q-import: old opset: "*"upgraded from $opset to 7" ]]
    same_bytes m.h5 old.h5
  done
  model 22 "$relu" | encode new.onnx
  refused "q-import: new.onnx: opset 22, wanted 1 to 21" q-import new.onnx -o "$out/m.h5"
}

@test "what opset 6 calls broadcasting along an axis is upgraded" {
  model 6 'node { op_type: "Add" name: "sum" input: "x" input: "w" output: "y"' \
    'attribute { name: "broadcast" type: INT i: 1 } attribute { name: "axis" type: INT i: 1 } }' \
    'initializer { name: "w" dims: 3 data_type: 1 float_data: [1, -2, 0.5] }' | encode old.onnx
  q-import -q old.onnx -o old.h5
  edit_model data.h5 <<< 'dataset /x f32 2,3 10'
  q-run old.h5 --data data.h5 -o y.h5
  [ "$(numbers y.h5 y)" = "11, 8, 10.5, 11, 8, 10.5" ]
}

@test "operators that are not there are named and counted" {
  model 13 'node { op_type: "Det" name: "a" input: "x" output: "b" } node { op_type: "NonZero" input: "b" output: "y" }' | encode m.onnx
  refused "q-import: m.onnx: node a: operator Det (opset 13) is not supported, nor is 1 more node: 1 NonZero" q-import m.onnx
  model 13 'node { op_type: "FusedConv" domain: "com.microsoft" name: "f" input: "x" output: "y" }' | encode other.onnx
  refused "q-import: other.onnx: node f: operator com.microsoft.FusedConv is not supported" q-import other.onnx
}

@test "inputs of other real types are read as float32, and that is said" {
  for type in 10 11; do
    model 13 "$relu" | sed "s/elem_type: 1 /elem_type: $type /" | encode real.onnx
    run -0 --separate-stderr q-import real.onnx -o real.h5
    [ "$stderr" = "q-import: as float32: 1" ]
  done
  edit_model data.h5 <<< 'dataset /x f64 1,3 -1 0.5 2'
  q-run real.h5 --data data.h5 -o y.h5
  [ "$(numbers y.h5 y)" = "0, 0.5, 2" ]
  edit_model data.h5 <<< 'dataset /x f64 1,3 -1 0.5 1e39'
  refused "q-run: data.h5: x: holds 1e+39, wanted what float32 holds" q-run real.h5 --data data.h5 -o "$out/y.h5"
}

@test "inputs of integers are taken where they are cast to reals" {
  for type in 2 3 5 6 7 9; do
    model 13 'node { op_type: "Cast" name: "reals" input: "x" output: "h" attribute { name: "to" type: INT i: 1 } }' \
      'node { op_type: "Relu" name: "act" input: "h" output: "y" }' | sed "s/elem_type: 1 /elem_type: $type /" | encode m.onnx
    q-import m.onnx -o m.h5
    edit_model data.h5 <<< 'dataset /x u8 2,3 1 0 1'
    q-run m.h5 --data data.h5 -o y.h5
    [ "$(numbers y.h5 y)" = "1, 0, 1, 1, 0, 1" ]
  done
  edit_model data.h5 <<< 'dataset /x f32 2,3 1 0 0.5'
  refused "q-run: data.h5: x: holds f32, model input x wants bool" q-run m.h5 --data data.h5 -o "$out/y.h5"
}

@test "a cast of integers is no float island" {
  model 13 'node { op_type: "Cast" name: "reals" input: "x" output: "h" attribute { name: "to" type: INT i: 1 } }' \
    'node { op_type: "Relu" name: "act" input: "h" output: "y" }' | sed "s/elem_type: 1 /elem_type: 2 /" | encode m.onnx
  q-import m.onnx -o m.h5
  edit_model data.h5 <<< 'dataset /x u8 2,3 1 0 255 7 8 9'
  q-observe --strict -q m.h5 --data data.h5 | q-calibrate -q | q-convert --strict -o int8.h5
  q-run int8.h5 --data data.h5 -o y.h5
  [ "$(numbers y.h5 y)" = "1, 0, 255, 7, 8, 9" ]
}

@test "inputs that cannot be fed are refused" {
  model 13 "$relu" | sed 's/elem_type: 1 /elem_type: 8 /' | encode words.onnx
  refused "q-import: words.onnx: input x: type string, wanted floats, bool or integers other than uint64" q-import words.onnx
  model 13 "$relu" | sed 's/elem_type: 1 /elem_type: 13 /' | encode whole.onnx
  refused "q-import: whole.onnx: input x: type uint64, wanted floats, bool or integers other than uint64" q-import whole.onnx
  model 13 "$relu" | sed 's/dim { dim_value: 3 }/dim { dim_param: "width" }/' | encode open.onnx
  refused "q-import: open.onnx: input x: extent 1 (width) is open, wanted a shape or data that give it" q-import open.onnx
}

@test "an output that is not computed is told what it is" {
  model 13 "$relu" 'output { name: "x" }' | encode m.onnx
  refused "q-import: m.onnx: output x: is an input of the model, wanted one that is computed from the inputs" q-import m.onnx
  model 13 "$relu" 'output { name: "w" } initializer { name: "w" dims: 3 data_type: 1 float_data: [1, -2, 0.5] }' | encode m.onnx
  run -0 --separate-stderr q-import m.onnx -o m.h5
  [ "$stderr" = "q-import: warning: constant output: 1: w: left out: it is the same for all inputs" ]
  run -2 q-import --strict m.onnx -o strict.h5
  [ ! -e strict.h5 ]
  model 13 'node { op_type: "Dropout" name: "drop" input: "x" output: "y" output: "mask" } output { name: "mask" }' | encode m.onnx
  refused "q-import: m.onnx: output mask: is output 2 of node drop, a Dropout, of which only the first is computed, *" q-import m.onnx
}

@test "a node that no operator takes is told which others it could have been" {
  model 13 'node { op_type: "Cast" name: "whole" input: "x" output: "y" attribute { name: "to" type: INT i: 8 } }' | encode m.onnx
  refused "q-import: m.onnx: node whole: operator Cast to string (opset 13) of f32 [[]N,3] is not supported; others become cast, identity, to_bool, trunc" \
    q-import m.onnx
  model 13 'node { op_type: "Conv" name: "deep" input: "x" input: "w" output: "y" } initializer { name: "w" dims: 3 data_type: 1 float_data: [1, -2, 0.5] }' | encode m.onnx
  refused "q-import: m.onnx: node deep: operator Conv (opset 13) of f32 [[]N,3], constant f32 [[]3] is not supported; others become conv1d, conv2d, conv3d" \
    q-import m.onnx
}

@test "a graph that is no network is refused" {
  model 13 'node { op_type: "Add" name: "a" input: "x" input: "q" output: "y" } node { op_type: "Relu" input: "y" output: "q" }' |
    encode cycle.onnx
  refused "q-import: cycle.onnx: /graph/a (Add): *cycle" q-import cycle.onnx
  model 13 "$sum" | encode dangling.onnx
  refused "q-import: dangling.onnx: node sum: input w: made by no node, *" q-import dangling.onnx
  model 13 "$sum" 'initializer { name: "w" dims: 3 data_type: 1 float_data: [1, nan, 1] }' | encode nan.onnx
  refused "q-import: nan.onnx: initializer w: element 1 is NaN, wanted a number" q-import nan.onnx
  model 13 'node { op_type: "Mul" name: "square" input: "w" input: "w" output: "s" } node { op_type: "Add" input: "x" input: "s" output: "y" }' \
    'initializer { name: "w" dims: 3 data_type: 1 float_data: [1, 1e30, 1] }' | encode large.onnx
  refused "q-import: large.onnx: node Add_1: input s, computed by node square: holds NaN or infinity" q-import large.onnx -o "$out/large.h5"
}
