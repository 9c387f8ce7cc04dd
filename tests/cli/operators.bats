#!/usr/bin/env bats
# Operators through the whole pipeline: positions, nodes of several outputs, files that are quantized already.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"
# shellcheck source=onnx-text.bash
source "$BATS_TEST_DIRNAME/onnx-text.bash"

setup() {
  private_folders
  cd "$BATS_TEST_TMPDIR" || return 1
}

# bytes NAME TYPE VALUES: a tensor of u8 (2) or i8 (3); one value is a scalar.
bytes() { printf 'initializer { name: "%s" data_type: %d int32_data: [%s] }' "$1" "$2" "$3"; }
scalar() { printf 'initializer { name: "%s" data_type: 1 float_data: [%s] }' "$1" "$2"; }

# x -> QuantizeLinear -> DequantizeLinear -> Relu -> QuantizeLinear -> DequantizeLinear -> y
make_qdq() {
  model 13 "$1" "$(input x -1 3)" "$(scalar s 0.5)" "$(bytes z 2 10)" \
    "$(node QuantizeLinear x,s,z xq)" "$(node DequantizeLinear xq,s,z xd)" "$(node Relu xd h)" \
    "$(node QuantizeLinear h,s,z hq)" "$(node DequantizeLinear hq,s,z y)"
}

@test "a file that is quantized already is computed as it stands, and on integers once q-fuse has been over it" {
  make_qdq qdq.onnx
  edit_model data.h5 <<< 'dataset /x f32 2,3 -1.3 0.3 200 2.8 -9 7'
  q-import -q qdq.onnx -o float.h5
  run -0 --separate-stderr q-fuse float.h5 -o int8.h5
  [ "$stderr" = "q-fuse: integers: 1" ]
  run -0 q-info int8.h5
  [[ $output == *"nodes        3: 0 integer, 1 table, 0 float, 2 conversions"* ]]
  q-run float.h5 --data data.h5 -o a.h5
  q-run int8.h5 --data data.h5 -o b.h5
  # in steps of 0.5 from -5 to 122.5
  [ "$(numbers b.h5 y)" = "0, 0.5, 122.5, 3, 0, 7" ]
  q-compare --exact a.h5 b.h5
}

@test "what a quantized file leaves without a scale stays float and says why" {
  model 13 m.onnx "$(input x -1 3)" "$(scalar s 0.5)" "$(bytes z 2 10)" \
    "$(node QuantizeLinear x,s,z xq)" "$(node DequantizeLinear xq,s,z xd)" "$(node Relu xd y)"
  q-import -q m.onnx -o float.h5
  run -0 --separate-stderr q-fuse float.h5 -o m.h5
  [[ $stderr == *"float island: 1"* ]]
  run -0 q-info m.h5
  [[ $output == *"y is not quantized by all who read it"* ]]
  run -2 q-fuse --strict float.h5 -o strict.h5
  [ ! -e strict.h5 ]
}

@test "positions look rows up, in float and on integers, and one out of range is refused in one line" {
  model 13 m.onnx "input { $(tensor x 7 -1 2) }" "$(node Gather table,x y)" "$(floats table 3,2 1,-1,2,-2,4,-4)"
  edit_model data.h5 <<< 'dataset /x i64 2,2 0 2 1 1'
  q-import -q m.onnx -o float.h5
  q-run float.h5 --data data.h5 -o y.h5
  [ "$(numbers y.h5 y)" = "1, -1, 4, -4, 2, -2, 2, -2" ]
  q-observe -q float.h5 --data data.h5 | q-calibrate -q | q-convert -q -o int8.h5
  q-compare -q float.h5 int8.h5 --data data.h5 --min-sqnr 40
  edit_model bad.h5 <<< 'dataset /x i64 1,2 0 3'
  refused "q-run: *index 3, wanted -3 to 2" q-run float.h5 --data bad.h5 -o "$out/y.h5"
}

@test "every output of a node is observed, converted and compared" {
  model 13 m.onnx "$(input x -1 4)" 'node { op_type: "Split" name: "s" input: "x" output: "a" output: "b" attribute { name: "axis" type: INT i: 1 } }' \
    "$(node Sigmoid a c)" "$(node Mul c,b y)"
  edit_model data.h5 <<< 'dataset /x f32 2,4 -1 2 3 -4 0.5 -0.5 1 2'
  q-import -q m.onnx | q-fuse -q -o float.h5
  q-observe -q float.h5 --data data.h5 | q-calibrate -q | q-convert -q --strict -o int8.h5
  run -0 q-compare -v float.h5 int8.h5 --data data.h5 --explain --min-sqnr 30
  [[ $output == *"a (split)"* && $output == *"b (split)"* ]]
}

@test "--decompose writes an operator out, and refuses one that it cannot" {
  model 13 m.onnx "$(input x -1 4)" "$(node Sigmoid x s)" "$(node Mul s,x y)"
  edit_model data.h5 <<< 'dataset /x f32 2,4 -1 2 3 -4 0.5 -0.5 1 2'
  q-import -q m.onnx -o float.h5
  q-fuse -q float.h5 -o silu.h5
  run -0 --separate-stderr q-fuse float.h5 --decompose silu -o steps.h5
  [[ $stderr == *"decompose: 1"* ]]
  run -0 q-info steps.h5
  [[ $output == *"float    sigmoid"* && $output == *"float    mul"* && $output != *"float    silu"* ]]
  q-compare -q --no-local silu.h5 steps.h5 --data data.h5 --min-sqnr 120
  refused "q-fuse: no way to write out conv2d, wanted one of glu, *" q-fuse float.h5 --decompose conv2d -o "$out/bad.h5"
}
