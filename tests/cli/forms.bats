#!/usr/bin/env bats
# Forms in which exporters write what a model computes: imported, run in float, and run in integers.
# shellcheck disable=SC2154  # bats sets stderr
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"
# shellcheck source=onnx-text.bash
source "$BATS_TEST_DIRNAME/onnx-text.bash"

setup() {
  private_folders
  cd "$BATS_TEST_TMPDIR" || return 1
}

# Of q-calibrate: it warns where a value was the same in all samples, as it is with a few numbers.
warnings=(--strict)

# m.onnx gives the numbers $1 on data.h5 in float, and $2 in integers without any float node, for every batch.
gives() {
  q-import --strict -q m.onnx -o float.h5
  q-run float.h5 --data data.h5 -o y.h5
  [ "$(numbers y.h5 y)" = "$1" ]
  q-fuse -q --strict float.h5 -o fused.h5
  q-run fused.h5 --data data.h5 -o fused-y.h5
  [ "$(numbers fused-y.h5 y)" = "$1" ]
  q-observe -q --strict fused.h5 --data data.h5 | q-calibrate -q "${warnings[@]}" | q-convert -q --strict -o int8.h5
  run -0 q-info int8.h5
  [[ $output != *"  float  "* ]]
  q-run int8.h5 --data data.h5 -o int8-y.h5
  [ "$(numbers int8-y.h5 y)" = "$2" ]
  for model in float int8; do
    q-run "$model.h5" --data data.h5 --batch 1 -o one.h5
    q-run "$model.h5" --data data.h5 --batch 5 -o five.h5
    same_bytes one.h5 five.h5
  done
}

@test "a mean over the spatial axes may leave them out" {
  edit_model data.h5 <<< 'dataset /x f32 3,2,2,2 0 255 85 170 51 51 204 204'
  for opset in 7 13; do
    model $opset m.onnx "$(input x -1 2 2 2)" "$(node Relu x h)" "$(node ReduceMean h y "$(int_list axes 2,3) $(int keepdims 0)")"
    gives "127.5, 127.5, 127.5, 127.5, 127.5, 127.5" "128, 128, 128, 128, 128, 128"
    [ "$(extents y.h5 y)" = "3, 2" ]
  done
}

@test "since opset 18 the axes of a mean are an input" {
  edit_model data.h5 <<< 'dataset /x f32 3,2,2,2 0 255 85 170 51 51 204 204'
  model 18 m.onnx "$(input x -1 2 2 2)" "$(node Relu x h)" "$(node ReduceMean h,axes y "$(int keepdims 0)")" "$(ints axes -1 -2)"
  gives "127.5, 127.5, 127.5, 127.5, 127.5, 127.5" "128, 128, 128, 128, 128, 128"
  model 18 m.onnx "$(input x -1 2 2 2)" "$(node Relu x h)" "$(node ReduceMean h,axes y)" "$(ints axes 2 3)"
  gives "127.5, 127.5, 127.5, 127.5, 127.5, 127.5" "128, 128, 128, 128, 128, 128"
  [ "$(extents y.h5 y)" = "3, 2, 1, 1" ]
}

@test "a classifier goes on from a mean without spatial axes" {
  edit_model data.h5 <<< 'dataset /x f32 2,2,1,2 0 2 4 8'
  model 18 m.onnx "$(input x -1 2 1 2)" "$(node ReduceMean x,axes h "$(int keepdims 0)")" "$(node Gemm h,w y "$(int transB 1)")" \
    "$(ints axes 2 3)" "$(floats w 3,2 1,0,0,1,1,-1)"
  q-import --strict -q m.onnx -o float.h5
  q-run float.h5 --data data.h5 -o y.h5
  [ "$(numbers y.h5 y)" = "1, 6, -5, 1, 6, -5" ]
}

@test "what is divided by a constant is divided, not multiplied by its inverse" {
  edit_model data.h5 <<< 'dataset /x f32 2,3 0 3 255 30 -0.5 7'
  model 13 m.onnx "$(input x -1 3)" "$(node Div x,c y)" "$(floats c '' 3)"
  q-import --strict -q m.onnx -o float.h5
  q-run float.h5 --data data.h5 -o y.h5
  [ "$(numbers y.h5 y)" = "0, 1, 85, 10, -0.166667, 2.33333" ]
  edit_model data.h5 <<< 'dataset /x f32 2,3 0 51 255 102 153 204'
  gives "0, 17, 85, 34, 51, 68" "0, 17, 85, 34, 51, 68"
}

@test "each channel may have a divisor of its own, and the data may be the divisor" {
  edit_model data.h5 <<< 'dataset /x f32 2,2,1,2 255 51 102 153'
  model 13 m.onnx "$(input x -1 2 1 2)" "$(node Relu x h)" "$(node Div h,c y)" "$(floats c 1,2,1,1 1,5)"
  gives "255, 51, 20.4, 30.6, 255, 51, 20.4, 30.6" "255, 51, 20, 31, 255, 51, 20, 31"
  edit_model data.h5 <<< 'dataset /x f32 2,2 51 255 102 204'
  model 13 m.onnx "$(input x -1 2)" "$(node Div c,x y)" "$(floats c '' 255)"
  q-import --strict -q m.onnx -o float.h5
  q-run float.h5 --data data.h5 -o y.h5
  [ "$(numbers y.h5 y)" = "5, 1, 2.5, 1.25" ]
  model 13 m.onnx "$(input x -1 2)" "$(input z -1 2)" "$(node Div x,z y)"
  edit_model data.h5 <<< $'dataset /x f32 2,2 51 255 102 0\ndataset /z f32 2,2 51 -1 -255 204'
  q-import --strict -q m.onnx -o float.h5
  q-run float.h5 --data data.h5 -o y.h5
  [ "$(numbers y.h5 y)" = "1, -255, -0.4, 0" ]
}

@test "a division by a constant that is zero is refused" {
  model 13 m.onnx "$(input x -1 2)" "$(node Div x,c y)" "$(floats c 2 3,0)"
  refused "q-import: m.onnx: node y: the divisor holds 0, wanted none" q-import m.onnx -o "$out/m.h5"
}

@test "a division by constants that are too far apart for one scale stays float, and that is said" {
  model 13 m.onnx "$(input x -1 2)" "$(node Relu x h)" "$(node Div h,c y)" "$(floats c 2 3,0.003)"
  edit_model data.h5 <<< 'dataset /x f32 2,2 3 0.003 6 0.006'
  q-import --strict -q m.onnx -o float.h5
  q-run float.h5 --data data.h5 -o y.h5
  [ "$(numbers y.h5 y)" = "1, 1, 2, 2" ]
  run -0 --separate-stderr q-observe float.h5 --data data.h5 -o observed.h5
  [[ $stderr = *"warning: float island: 1: y: c: divides by 0.003 and by 3, too far apart for one scale"* ]]
  q-calibrate -q observed.h5 | q-convert -q -o int8.h5
  q-run int8.h5 --data data.h5 --keep h -o int8-y.h5
  [[ $(numbers int8-y.h5 y) = *", 2, "* ]]  # of 6, the greatest, by 3
}

@test "what is computed is subtracted" {
  edit_model data.h5 <<< 'dataset /x f32 2,3 0 0.2 1 0.4 0.6 0.8'
  model 13 m.onnx "$(input x -1 3)" "$(node Sub one,x y)" "$(floats one '' 1)"
  gives "1, 0.8, 0, 0.6, 0.4, 0.2" "1, 0.8, 0, 0.6, 0.4, 0.2"
  edit_model data.h5 <<< $'dataset /x f32 2,2 255 51 0 204\ndataset /z f32 2,2 51 153 255 204'
  model 13 m.onnx "$(input x -1 2)" "$(input z -1 2)" "$(node Sub x,z d)" "$(node Relu d y)"
  gives "204, 0, 0, 0" "204, 0, 0, 0"
  q-info --json fused.h5 > info.json
  grep -q '"op": "sub"' info.json
  run -1 grep '"op": "relu"' info.json  # it is a limit of the difference
}

@test "a gate and its complement go through the same channels-last image" {
  edit_model data.h5 <<< 'dataset /x f32 2,2,1,2 0 0.2 1 0.4 0.6 0.8'
  model 13 m.onnx "$(input x -1 2 1 2)" "$(node MaxPool x g "$(int_list kernel_shape 1,1)")" "$(node Sub one,g h)" \
    "$(node MaxPool h y "$(int_list kernel_shape 1,1)")" "$(floats one 2,1,1 1,2)"
  q-import --strict -q m.onnx -o float.h5
  q-run float.h5 --data data.h5 -o y.h5
  [ "$(numbers y.h5 y)" = "1, 0.8, 1, 1.6, 0.4, 0.2, 2, 1.8" ]
}

@test "a clip whose lower limit is above the upper one gives the upper one" {
  warnings=()
  edit_model data.h5 <<< 'dataset /x f32 2,3 -5 0 1 2 3 10'
  model 13 m.onnx "$(input x -1 3)" "$(node Clip x,lo,hi y)" "$(floats lo '' 5)" "$(floats hi '' 2)"
  gives "2, 2, 2, 2, 2, 2" "2, 2, 2, 2, 2, 2"
  model 7 m.onnx "$(input x -1 3)" "$(node Clip x y "$(float min 6) $(float max 0)")"
  gives "0, 0, 0, 0, 0, 0" "0, 0, 0, 0, 0, 0"
}

@test "until opset 12 a softmax is over all axes from one on" {
  edit_model data.h5 <<< 'dataset /x f32 3,2,1,2 0'
  for opset in 7 11 12; do
    model $opset m.onnx "$(input x -1 2 1 2)" "$(node MaxPool x h "$(int_list kernel_shape 1,1)")" "$(node Softmax h y "$(int axis 1)")"
    q-import --strict -q m.onnx -o float.h5
    q-run float.h5 --data data.h5 -o y.h5
    [ "$(numbers y.h5 y)" = "0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25" ]
  done
  # 0, ln 3 and twice ln 2 in an image that the node before leaves channels-last
  edit_model data.h5 <<< 'dataset /x f32 2,2,1,2 0 1.0986123 0.6931472 0.6931472'
  gives "0.125, 0.375, 0.25, 0.25, 0.125, 0.375, 0.25, 0.25" "0.125, 0.375, 0.25, 0.25, 0.125, 0.375, 0.25, 0.25"
}

@test "a softmax over the samples is of a fixed batch" {
  model 11 m.onnx "$(input x 1 2 2)" "$(node Softmax x y "$(int axis 0)")"
  run -0 --separate-stderr q-import m.onnx -o m.h5
  [[ $stderr = *"batch kept at 1: node y: mixes samples: softmax over axes 0 to 2" ]]
}

@test "since opset 18 pads may be of some axes only" {
  edit_model data.h5 <<< 'dataset /x f32 2,1,2 3 255'
  model 18 m.onnx "$(input x -1 1 2)" "$(node Relu x h)" "$(node Pad h,pads,,axes y)" "$(ints pads 1 2)" "$(ints axes -1)"
  gives "0, 3, 255, 0, 0, 0, 3, 255, 0, 0" "0, 3, 255, 0, 0, 0, 3, 255, 0, 0"
}

@test "opset 21 is read with what it adds to a node" {
  edit_model data.h5 <<< 'dataset /x f32 2,1,2 3 255'
  model 21 m.onnx "$(input x -1 1 2)" "$(node Cast x a "$(int to 1) $(int saturate 1)")" \
    "$(node Relu a h)" "$(node AveragePool h y "$(int_list kernel_shape 2) $(int_list dilations 1)")"
  gives "129, 129" "129, 129"
  model 21 m.onnx "$(input x -1 1 2)" "$(node Relu x h)" \
    "$(node AveragePool h y "$(int_list kernel_shape 2) $(int_list dilations 2) $(int_list pads 1,1)")"
  gives "255, 3, 255, 3" "255, 3, 255, 3"
  model 21 m.onnx "$(input x -1 1 2)" "$(node Pad x,p,,p,p y)" "$(ints p 1 2)"
  refused "q-import: m.onnx: node y: *" q-import m.onnx -o "$out/m.h5"
}

@test "a constant of one sample is joined to every sample" {
  edit_model data.h5 <<< 'dataset /x f32 3,1,2 0 255 51 102 204 153'
  for batch in 1 -1; do
    model 13 m.onnx "$(input x $batch 1 2)" "$(node Concat c,x y "$(int axis 1)")" "$(floats c 1,1,2 255,51)"
    gives "255, 51, 0, 255, 255, 51, 51, 102, 255, 51, 204, 153" "255, 51, 0, 255, 255, 51, 51, 102, 255, 51, 204, 153"
  done
}

@test "a constant output is left out, and that is said" {
  edit_model data.h5 <<< 'dataset /x f32 2,2 0 255 51 102'
  model 13 m.onnx "$(input x -1 2)" "$(node Relu x y)" "$(node Relu c k)" 'output { name: "k" type { tensor_type { elem_type: 1 } } }' \
    "$(floats c 3 1,-2,3)"
  run -0 --separate-stderr q-import m.onnx -o m.h5
  [[ $stderr == *"q-import: warning: constant output: 1: k: left out: it is the same for all inputs"* ]]
  q-fuse -q m.h5 | q-observe -q --data data.h5 | q-calibrate -q | q-convert -q -o int8.h5
  q-run int8.h5 --data data.h5 -o y.h5
  [ "$(numbers y.h5 y)" = "0, 255, 51, 102" ]
  model 13 m.onnx "$(input x -1 2)" "$(node Relu c y)" "$(floats c 3 1,-2,3)"
  refused "q-import: m.onnx: all outputs are constants" q-import m.onnx -o "$out/m.h5"
}

@test "a model of float16 is computed in float32, and in integers" {
  # 1, -1; 0.5, 0.25 and biases 2, -3 as the bits of float16
  edit_model data.h5 <<< 'dataset /x f32 3,2 0 255 51 102 204 153'
  half="$(printf 'initializer { name: "w" dims: [2, 2] data_type: 10 int32_data: [15360, 48128, 14336, 13312] } initializer { name: "b" dims: 2 data_type: 10 int32_data: [16384, 49664] }')"
  model 13 m.onnx "$(input x -1 2)" "$(node Cast x xh "$(int to 10)")" "$(node Gemm xh,w,b h "$(int transB 1)")" "$(node Cast h y "$(int to 1)")" "$half"
  run -0 --separate-stderr q-import m.onnx -o float.h5
  [[ $stderr == "q-import: as float32: 1"$'\n'* ]]
  q-run float.h5 --data data.h5 -o y.h5
  [ "$(numbers y.h5 y)" = "-253, 60.75, -49, 48, 53, 137.25" ]
  q-fuse -q float.h5 | q-observe -q --data data.h5 | q-calibrate -q | q-convert -q -o int8.h5
  q-compare -q float.h5 int8.h5 --data data.h5 --min-sqnr 35
}
