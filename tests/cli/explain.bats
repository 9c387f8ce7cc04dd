#!/usr/bin/env bats
# q-compare --explain and --suggest: the cause of a loss is named, and the recipe that is suggested mends it.
# shellcheck disable=SC2154  # bats sets output
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"
# shellcheck source=onnx-text.bash
source "$BATS_TEST_DIRNAME/onnx-text.bash"

setup() {
  private_folders
  cd "$BATS_TEST_TMPDIR" || return 1
  edit_model data.h5 <<< "dataset /x f32 100,1,4,4 $(spread 1600 -1 1)"
}

# spread COUNT LO HI: numbers between, in no order.
spread() {
  awk -v n="$1" -v lo="$2" -v hi="$3" 'BEGIN { for (x = 1; n-- > 0; x = x * 16807 % 2147483647) printf "%.5f ", lo + (hi - lo) * x / 2147483647 }'
}

# m.onnx through all stages under the recipes: float.h5 and int8.h5.
quantize() {
  local recipes=() recipe
  for recipe in "$@"; do recipes+=(--recipe "$recipe"); done
  q-import -q m.onnx -o float.h5
  q-fuse -q float.h5 | q-observe -q --data data.h5 "${recipes[@]}" -o observed.h5
  q-calibrate -q "${recipes[@]}" observed.h5 | q-convert -q -o int8.h5
}

# The SQNR of the tensor $1.
sqnr() { q-compare --no-local --tsv float.h5 int8.h5 --data data.h5 | awk -F '\t' -v name="$1" '$1 == name { print $5 }'; }

# explains NODE CAUSE RULES TENSOR GAIN: --explain gives the node the cause, a pattern; --suggest the rules, a line each; quantized
# once more with them after the recipes that made it, the tensor gains so many dB.
explains() {
  local node=$1 cause=$2 rules=$3 tensor=$4 gain=$5 before found
  shift 5
  found=$(q-compare --explain --tsv float.h5 int8.h5 --data data.h5 | awk -F '\t' -v node="$node" '$2 == node { print $10 ": " $12 }')
  # shellcheck disable=SC2053  # a pattern it is
  [[ $found == $cause ]] || { echo "found: $found"; return 1; }
  q-compare --suggest 1 float.h5 int8.h5 --data data.h5 > patch.yaml
  [ "$(grep '^  - ' patch.yaml)" = "$rules" ] || { cat patch.yaml; return 1; }
  before=$(sqnr "$tensor")
  quantize "$@" patch.yaml
  echo "before $before dB, after $(sqnr "$tensor") dB"
  awk -v before="$before" -v after="$(sqnr "$tensor")" -v gain="$gain" 'BEGIN { exit !(after >= before + gain) }'
}

@test "values outside of the range are a cause, and minmax mends it" {
  model 13 m.onnx "$(input x -1 1 4 4)" "$(node Relu x h)" "$(node Sigmoid h y)"
  echo "activations: {method: percentile, percentile: 60}" > recipe.yaml
  quantize recipe.yaml
  explains h 'output: clipped: 39.9* % of the values, 0 to 1, lie outside 0 to 0.18*' \
    "  - {name: 'h', activations: {method: minmax}}" h 20 recipe.yaml
}

@test "the range of what hands its input's on is mended where it is decided" {
  model 13 m.onnx "$(input x -1 1 4 4)" "$(node Relu x h)" "$(node MaxPool h p "$(int_list kernel_shape 2,2)")" "$(node Sigmoid p y)"
  echo "activations: {method: percentile, percentile: 60}" > recipe.yaml
  quantize recipe.yaml
  q-compare --suggest 9 float.h5 int8.h5 --data data.h5 > patch.yaml
  [ "$(grep -c '^  - ' patch.yaml)" = 1 ]
  grep -qxF "  - {name: 'h', activations: {method: minmax}}" patch.yaml
}

@test "a range that a cat shares out is a cause, and requantizing there mends it" {
  model 13 m.onnx "$(input x -1 1 4 4)" "$(node Mul x,hundred large)" "$(node Relu large wide)" "$(node Relu x small)" \
    "$(node Concat small,wide c "$(int axis 1)")" "$(node Sigmoid small s)" "$(node GlobalAveragePool c m)" "$(node Mul m,s y)" \
    "$(floats hundred '' 100)"
  echo "activations: {concat: share}" > recipe.yaml
  quantize recipe.yaml
  explains s 'input small: shared range: 0 to 9* of c for values from 0 to 1' \
    "  - {name: 'c', activations: {concat: requantize}}" small 20 recipe.yaml
}

@test "the border of a pad is a cause" {
  model 13 m.onnx "$(input x -1 1 4 4)" "$(node Relu x h)" "$(node Pad h,pads,value p)" \
    "$(node AveragePool p y "$(int_list kernel_shape 3,3)")" "$(ints pads 0 0 1 1 0 0 1 1)" "$(floats value '' -50)"
  quantize
  explains h 'output: pad value: the range -50 to * holds the border of -50' \
    "  - {name: 'p', quantize: false}
  - {name: 'y', quantize: false}" y 10
}

@test "a range far from zero is a cause" {
  edit_model data.h5 <<< "dataset /x f32 100,1,4,4 $(spread 1600 99.7 100.3)"
  model 13 m.onnx "$(input x -1 1 4 4)" "$(node Relu x h)" "$(node MaxPool h y "$(int_list kernel_shape 2,2)")"
  quantize
  explains h 'output: range far from zero: 99.7 to 100.3 takes 2 of 255 steps' "  - {name: 'h', quantize: false}" h 100
}

@test "one weight scale for unequal channels is a cause" {
  model 13 m.onnx "$(input x -1 4)" "$(node Gemm x,w y "$(int transB 1)")" "$(floats w 2,4 1,-1,1,1,0.03,-0.02,0.03,0.01)"
  edit_model data.h5 <<< "dataset /x f32 400,4 $(spread 1600 -1 1)"
  printf 'weights: {scheme: per_tensor_symmetric, quant_min: -15, quant_max: 15}' > recipe.yaml
  quantize recipe.yaml
  explains y 'weights: one weight scale: 1 of 2 channels have less than 8 steps of it' \
    "  - {name: 'y', weights: {scheme: per_channel_symmetric, observer: per_channel_minmax, method: minmax}}" y 5 recipe.yaml
}

@test "too few levels of the weights are a cause" {
  model 13 m.onnx "$(input x -1 4)" "$(node Gemm x,w y "$(int transB 1)")" "$(floats w 2,4 3,-4,5,4.5,1,-2,3,1.5)"
  edit_model data.h5 <<< "dataset /x f32 400,4 $(spread 1600 -1 1)"
  printf 'weights: {quant_min: -4, quant_max: 3}' > recipe.yaml
  quantize recipe.yaml
  explains y 'weights: coarse weights: 2 of 2 channels have less than 8 steps' "  - {name: 'y', quantize: false}" y 50 recipe.yaml
}

@test "a saturated bias and dead channels are causes" {
  model 13 m.onnx "$(input x -1 4)" "$(node Gemm x,w,b y "$(int transB 1)")" "$(floats w 2,4 3,-4,5,4.5,1,-2,3,1.5)" "$(floats b 2 1,-2)"
  edit_model data.h5 <<< "dataset /x f32 400,4 $(spread 1600 -1 1)"
  quantize
  cp int8.h5 sound.h5
  b=$(h5ls sound.h5/constants | awk '/\{2\}/ { print $1 }') w=$(h5ls sound.h5/constants | awk '/\{2, 4\}/ { print $1 }')
  edit_model int8.h5 <<< "value /constants/$b 1 -2147483648"
  run -0 q-compare --explain float.h5 int8.h5 --data data.h5
  [[ $output == *" dB from its weights alone; saturated bias: of 1 channels, which does not fit in int32"* ]]
  cp sound.h5 int8.h5
  for i in 4 5 6 7; do edit_model int8.h5 <<< "value /constants/$w $i 0"; done
  run -0 q-compare --explain float.h5 int8.h5 --data data.h5
  [[ $output == *" dB from its weights alone; dead channels: 1 of 2 channels have no weights but 0"* ]]
}

@test "what is left is rounding, and the report does not depend on the batch" {
  model 13 m.onnx "$(input x -1 1 4 4)" "$(node Relu x h)" "$(node Sigmoid h y)"
  quantize
  q-compare --explain float.h5 int8.h5 --data data.h5 > report

  grep -q '^          [0-9.]* dB from its output alone; rounding: steps of 0.003906 for values of root mean square 0\.5635' report
  for batch in 1 7; do
    q-compare --explain float.h5 int8.h5 --data data.h5 --batch $batch > again
    same_bytes report again
  done
  [ "$(q-compare --explain --tsv float.h5 int8.h5 --data data.h5 | cut -f 10,12 | sed -n '1p;2s/:.*//p')" = "$(printf 'part\tcause\ninput x\trounding')" ]
}

@test "--explain that has nothing to go by is refused" {
  model 13 m.onnx "$(input x -1 1 4 4)" "$(node Relu x h)" "$(node Sigmoid h y)"
  q-import -q m.onnx -o m.h5
  refused "q-compare: --explain: wanted two models, --data, and no --no-local" q-compare --explain --no-local m.h5 m.h5 --data data.h5
}
