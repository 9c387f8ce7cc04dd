#!/usr/bin/env bats
# Real models keep their accuracy as integers. They are not part of the project: $Q_MODELS says where they are.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup() {
  models=${Q_MODELS:-$source_dir/../shared/models}
  [ -d "$models" ] || skip "no models in $models: set Q_MODELS"
  private_folders
  cd "$out" || return 1
}

# The model in $1, fused, as float.h5; then calibrated on these data by the default recipe, as int8.h5.
quantize() {
  q-import -q "$1" | q-fuse -q -o float.h5
  shift
  q-observe -q float.h5 "$@" | q-calibrate -q | q-convert --strict -o int8.h5 2> report
}

@test "kws: at least 91.0 % as integers, calibrated on 100 samples" {
  data=$models/kws/kws01.h5
  quantize "$models/kws/kws_ref_model_f32.onnx" --data "$data" --samples 0:100
  grep -q "12 integer, 0 table, 0 float nodes" report
  run -0 q-compare --no-local float.h5 int8.h5 --data "$data" --min-accuracy 0.910
  # the published accuracy of the float model: what was imported is that model
  [[ $output == *"accuracy           91.50 % reference, "* ]]
}

@test "mnist: at least 98.8 % as integers, calibrated on 200 samples" {
  data=$models/mnist/mnist.h5
  quantize "$models/mnist/mnist-8.onnx" --data "$data:/train" --samples 0:200
  grep -q "6 integer, 0 table, 0 float nodes" report
  run -0 q-compare --no-local float.h5 int8.h5 --data "$data:/test" --min-accuracy 0.988
  [[ $output == *"accuracy           98.91 % reference, "* ]]
}

@test "kws: the same bytes from every row of kernels, any threads and any batch" {
  data=$models/kws/kws01.h5
  quantize "$models/kws/kws_ref_model_f32.onnx" --data "$data" --samples 0:100
  q-run int8.h5 --data "$data" --samples 0:100 -o result.h5
  q-run float.h5 --data "$data" --samples 0:100 -o float.result.h5
  q-observe -q float.h5 --data "$data" --samples 0:100 --isa generic -j 1 --batch 13 | q-calibrate -q | q-convert -q -o other.h5
  same_bytes int8.h5 other.h5
  q-run int8.h5 --data "$data" --samples 0:100 --isa generic -j 1 --batch 13 -o other.result.h5
  same_bytes result.h5 other.result.h5
  q-run float.h5 --data "$data" --samples 0:100 --isa generic -j 1 --batch 13 -o other.float.h5
  same_bytes float.result.h5 other.float.h5
}

# quantize_digits MODEL: float.h5 and int8.h5, calibrated on 500 of the training digits.
quantize_digits() {
  data=$models/digits/optdigits.h5
  quantize "$models/digits/$1" --data "$data:/train" --std 16 --samples 0:500
}

@test "digits: a vision transformer, all on integers, keeps its accuracy" {
  quantize_digits digits_vit2x32.onnx
  grep -q " 0 float nodes" report
  run -0 q-compare --no-local float.h5 int8.h5 --data "$data:/test" --std 16 --min-accuracy 0.9625
  [[ $output == *"accuracy           96.55 % reference, "* ]]
}

@test "digits: bidirectional LSTM and GRU, all on integers, keep their accuracy" {
  quantize_digits digits_bilstm.onnx
  grep -q " 0 float nodes" report
  run -0 q-compare --no-local float.h5 int8.h5 --data "$data:/test" --std 16 --min-accuracy 0.956
  [[ $output == *"accuracy           96.10 % reference, "* ]]
  quantize_digits digits_bigru.onnx
  run -0 q-compare --no-local float.h5 int8.h5 --data "$data:/test" --std 16 --min-accuracy 0.947
  [[ $output == *"accuracy           95.21 % reference, "* ]]
}
