#!/usr/bin/env bats
# Which axis holds the samples is proved, and what is not proved is one sample: results never depend on the batch size.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup() {
  private_folders
  cd "$BATS_TEST_TMPDIR" || return 1
}

# model FILE INPUTS TEXT…: an ONNX model with output y; INPUTS are fields of the graph, as the text is.
model() {
  local file=$1
  shift
  printf 'ir_version: 7 opset_import { version: 13 } graph { name: "g" %s output { name: "y" type { tensor_type { elem_type: 1 } } } }' "$*" |
    encode "$file"
}

# input NAME EXTENT…: a float input
input() { printf 'input { %s }' "$(tensor "$1" 1 "${@:2}")"; }
ints() { printf 'initializer { name: "%s" dims: %d data_type: 7 int64_data: [%s] }' "$1" $(($# - 1)) "$(IFS=,; echo "${*:2}")"; }
# node TYPE INPUTS OUTPUT [ATTRIBUTES]: inputs separated by commas
node() { printf 'node { op_type: "%s" name: "%s" input: ["%s"] output: ["%s"] %s }' "$1" "$3.$1" "${2//,/\", \"}" "$3" "${4-}"; }
attribute() { printf 'attribute { name: "%s" type: INTS ints: [%s] }' "$1" "$2"; }

# x [N,2] → [2,N] → [1,2,N] → a convolution along N with a window of three → [N,1]: what a TDNN does to its frames.
tdnn() {
  model "$1" "$(input x "${@:2}")" "$(node Transpose x a "$(attribute perm 1,0)")" "$(node Unsqueeze a,zero b)" \
    "$(node Conv b,w c "$(attribute pads 1,1)")" "$(node Squeeze c,zero d)" "$(node Transpose d y "$(attribute perm 1,0)")" \
    "$(ints zero 0)" 'initializer { name: "w" dims: [1, 2, 3] data_type: 1 float_data: [1, 10, 100, 0, 1, 0] }'
}

# Every batch size gives the bytes of $out/y.h5, and those of the same run with other options.
same_for_every_batch() {  # arguments of q-run
  rm -f "$out/y.h5"
  q-run "$@" -o "$out/y.h5"
  for batch in 1 2 3 5 100; do
    q-run "$@" --batch "$batch" -o "$out/batch.h5"
    same_bytes "$out/y.h5" "$out/batch.h5"
  done
}

# The same of what q-observe records of a model, and of what q-calibrate makes of it in three shards.
same_record_for_every_batch() {  # model data
  q-observe -q "$1" --data "$2" -o "$out/observed.h5"
  for batch in 1 2 3 100; do
    q-observe -q "$1" --data "$2" --batch "$batch" -o "$out/batch.h5"
    same_bytes "$out/observed.h5" "$out/batch.h5"
  done
  q-calibrate -q "$out/observed.h5" -o "$out/whole.h5"
  for shard in 0 1 2; do q-observe -q "$1" --data "$2" --shard "$shard/3" --stats-only -o "$out/shard$shard.h5"; done
  q-calibrate -q "$1" "$out"/shard?.h5 -o "$out/shards.h5"
  same_bytes "$out/whole.h5" "$out/shards.h5"
}

@test "a window that slides over a free extent makes it no batch" {
  tdnn m.onnx -1 2
  refused "q-import: m.onnx: input x: extent 0 (?) is open and cannot count samples, wanted a shape or data that give it: node c.Conv: mixes samples: a window over axis 2" \
    q-import m.onnx -o "$out/m.h5"
}

@test "with the extent given, all frames are one sample, and several samples are stacked" {
  tdnn m.onnx -1 2
  run -0 --separate-stderr q-import --strict -v m.onnx --shape x=4,2 -o m.h5
  [ "${stderr_lines[0]}" = "q-import: fixed batch: x: batch kept at 4: node c.Conv: mixes samples: a window over axis 2" ]
  edit_model one.h5 <<< 'dataset /x f32 4,2 1 5 2 6 3 7 4 8'
  same_for_every_batch m.h5 --data one.h5
  [ "$(extents "$out/y.h5" y)" = "1, 4, 1" ]
  # 10 * x[i] + 100 * x[i + 1] + x[i - 1] of the first column, and the second
  [ "$(numbers "$out/y.h5" y)" = "215, 327, 439, 51" ]
  edit_model three.h5 <<< 'dataset /x f32 3,4,2 1 5 2 6 3 7 4 8'
  same_for_every_batch m.h5 --data three.h5
  [ "$(extents "$out/y.h5" y)" = "3, 4, 1" ]
  [ "$(numbers "$out/y.h5" y)" = "215, 327, 439, 51, 215, 327, 439, 51, 215, 327, 439, 51" ]
  cp "$out/y.h5" stacked.h5
  edit_model rows.h5 <<< 'dataset /x f32 12,2 1 5 2 6 3 7 4 8'
  q-run m.h5 --data rows.h5 -o "$out/y.h5"
  same_bytes stacked.h5 "$out/y.h5"
  edit_model wrong.h5 <<< 'dataset /x f32 5,2 1'
  rm "$out"/*
  refused "q-run: wrong.h5: x: is [[]5,2], model input x wants [[]4,2] for a sample" q-run m.h5 --data wrong.h5 -o "$out/y.h5"
}

@test "the data can give the extent too" {
  tdnn m.onnx -1 2
  q-import -q m.onnx --shape x=4,2 --no-history -o shape.h5
  edit_model one.h5 <<< 'dataset /x f32 4,2 1'
  edit_model three.h5 <<< 'dataset /frames f32 3,4,2 1'
  for data in one.h5 three.h5; do
    q-import -q m.onnx --data "$data" --no-history -o data.h5
    same_bytes shape.h5 data.h5
  done
  edit_model flat.h5 <<< 'dataset /x f32 8 1'
  refused "q-import: m.onnx: input x: is [[]N,2], its data are [[]8]" q-import m.onnx --data flat.h5 -o "$out/m.h5"
}

@test "a batch that a window slides over is kept with a warning, an error under --strict" {
  model m.onnx "$(input x 1 2 3)" "$(node Transpose x a "$(attribute perm 1,2,0)")" \
    "$(node AveragePool a b "$(attribute kernel_shape 3)$(attribute pads 1,1)")" "$(node Transpose b y "$(attribute perm 2,0,1)")"
  run -0 --separate-stderr q-import m.onnx -o m.h5
  [ "$stderr" = "q-import: warning: fixed batch: 1: x: batch kept at 1: node b.AveragePool: mixes samples: a window over axis 2" ]
  edit_model data.h5 <<< 'dataset /x f32 5,2,3 1 2 3 4 5 6 7'
  same_for_every_batch m.h5 --data data.h5
  [ "$(extents "$out/y.h5" y)" = "5, 2, 3" ]
  [ "$(numbers "$out/y.h5" y)" = "$(numbers data.h5 x)" ]
  rm "$out"/*
  run -2 q-import --strict m.onnx -o "$out/m.h5"
  nothing_left
  q-import --strict -q m.onnx --shape x=1,2,3 -o "$out/m.h5"
}

@test "Squeeze without axes leaves the samples alone, whatever their number" {
  model m.onnx "$(input x -1 1 3)" "$(node Squeeze x y)"
  run -0 --separate-stderr q-import --strict m.onnx -o m.h5
  [ -z "$stderr" ]
  for samples in 1 2 9; do
    edit_model data.h5 <<< "dataset /x f32 $samples,1,3 1 2 3 4 5"
    same_for_every_batch m.h5 --data data.h5
    [ "$(extents "$out/y.h5" y)" = "$samples, 3" ]
    [ "$(numbers "$out/y.h5" y)" = "$(numbers data.h5 x)" ]
  done
}

@test "Squeeze without axes of a single sample leaves out its axis too, as the file says" {
  model m.onnx "$(input x 1 1 3)" "$(node Squeeze x y)"
  run -0 --separate-stderr q-import m.onnx -o m.h5
  [[ $stderr = *"batch kept at 1: node y.Squeeze: mixes samples: axis 0 left out" ]]
  run -0 q-info m.h5
  [[ $output = *$'samples      one at a time: all inputs together\n'*"y f32 [3]"* ]]
  q-info --json m.h5 > info.json
  [ "$(json_value any_batch < info.json)" = false ]
  edit_model data.h5 <<< "dataset /x f32 4,1,3 1 2 3 4 5"
  same_for_every_batch m.h5 --data data.h5
  [ "$(extents "$out/y.h5" y)" = "4, 3" ]
  [ "$(numbers "$out/y.h5" y)" = "$(numbers data.h5 x)" ]
}

@test "outputs whose first axis is not the samples' are stacked along a new one" {
  model m.onnx "$(input x 2 3 2)" "$(node Transpose x y "$(attribute perm 1,0,2)")"
  run -0 --separate-stderr q-import m.onnx -o m.h5
  [[ $stderr = *"batch kept at 2: output y: is [3,N,2], wanted the samples first" ]]
  edit_model data.h5 <<< 'dataset /x f32 4,3,2 0 1 2 3 4 5 6 7 8 9 10 11'
  same_for_every_batch m.h5 --data data.h5
  [ "$(extents "$out/y.h5" y)" = "2, 3, 2, 2" ]
  sample="0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11"
  [ "$(numbers "$out/y.h5" y)" = "$sample, $sample" ]
}

@test "samples that are broadcast into another axis are no batch" {
  for axis in 0 1; do
    model m.onnx "$(input x -1 1)" "$(node Unsqueeze x,axes a)" "$(node Add a,x y)" "$(ints axes "$axis")"
    case $axis in
      0) reason="output y: is [[]1,N,1], wanted the samples first" ;;
      1) reason="node y.Add: mixes samples: their number is more than one extent of [[]N,N,1]" ;;
    esac
    refused "q-import: m.onnx: input x: extent 0 (?) is open and cannot count samples, wanted a shape or data that give it: $reason" \
      q-import m.onnx -o "$out/m.h5"
    q-import -q m.onnx --shape x=2,1 -o m.h5
    edit_model data.h5 <<< 'dataset /x f32 3,2,1 1 10'
    same_for_every_batch m.h5 --data data.h5
    case $axis in
      0) sample="2, 20" extents="3, 2, 1" ;;
      1) sample="2, 11, 11, 20" extents="3, 2, 2, 1" ;;
    esac
    [ "$(extents "$out/y.h5" y)" = "$extents" ]
    [ "$(numbers "$out/y.h5" y)" = "$sample, $sample, $sample" ]
    rm "$out"/*
  done
}

@test "a batch of any size is made free where its samples are independent" {
  model m.onnx "$(input x 9 2)" "$(node Reshape x,list h)" "$(node Softmax h y)" "$(ints list 18 1)"
  run -0 --separate-stderr q-import m.onnx -o m.h5
  [ "$stderr" = "q-import: free batch: 1" ]
  run -0 q-info m.h5
  [[ $output = *"x f32 [N,2]"*"y f32 [2N,1]"* ]]
  edit_model data.h5 <<< 'dataset /x f32 7,2 1 2 3'
  same_for_every_batch m.h5 --data data.h5
  [ "$(extents "$out/y.h5" y)" = "14, 1" ]
}

@test "several rows for each sample become one sample again" {
  # as torch exports x.view(-1, 3) … .view(n, 2, 3): n is taken from the shape
  model m.onnx "$(input x -1 2 3)" "$(node Reshape x,rows h)" "$(node Softmax h s)" "$(node Shape x shape)" \
    "$(node Gather shape,zero n)" "$(node Concat n,rest list "attribute { name: \"axis\" type: INT i: 0 }")" \
    "$(node Reshape s,list y)" "$(ints rows -1 3)" "$(ints zero 0)" "$(ints rest 2 3)"
  run -0 --separate-stderr q-import --strict m.onnx -o m.h5
  [ -z "$stderr" ]
  run -0 q-info m.h5
  [[ $output = *"softmax"*"[2N,3]"*"y.Reshape -> f32 [N,2,3]"* ]]
  edit_model data.h5 <<< 'dataset /x f32 7,2,3 0.5 0.25 -1 2 3'
  same_for_every_batch m.h5 --data data.h5
  same_record_for_every_batch m.h5 data.h5
}

# x [N,3] → [3,N] → relu → [N,3]: inside, the samples lie along the second axis.
turned() {
  model "$1" "$(input x -1 3)" "$(node Transpose x a "$(attribute perm 1,0)")" "$(node Relu a b)" \
    "$(node Transpose b y "$(attribute perm 1,0)")"
}

@test "inner values whose samples lie along another axis are observed and written sample by sample" {
  turned m.onnx
  q-import --strict m.onnx -o m.h5
  edit_model data.h5 <<< 'dataset /x f32 7,3 1 -2 3 4 5'
  same_record_for_every_batch m.h5 data.h5
  same_for_every_batch m.h5 --data data.h5 --keep a
  [ "$(extents "$out/y.h5" a)" = "7, 3, 1" ]
  [ "$(numbers "$out/y.h5" a)" = "$(numbers data.h5 x)" ]
}

@test "a comparison does not depend on the batch size" {
  turned m.onnx
  q-import m.onnx -o m.h5
  edit_model data.h5 <<< 'dataset /x f32 7,3 1 -2 0.3 4.1 5.7 0.001 0.7'
  q-observe -q m.h5 --data data.h5 | q-calibrate -q | q-convert -q -o int8.h5
  q-compare m.h5 int8.h5 --data data.h5 --json > "$out/reference.json"
  for batch in 1 2 3 100; do
    q-compare m.h5 int8.h5 --data data.h5 --json --batch "$batch" > "$out/batch.json"
    same_bytes "$out/reference.json" "$out/batch.json"
  done
}

@test "an input of fixed extents beside a free one is the same for all samples" {
  model m.onnx "$(input x -1 3)" "$(input b 3)" "$(node Relu b h)" "$(node Add x,h y)"
  q-import --strict m.onnx -o m.h5
  edit_model data.h5 <<< $'dataset /x f32 4,3 1 2 3 4\ndataset /b f32 3 10 -1 30'
  same_for_every_batch m.h5 --data data.h5 --keep h
  [ "$(numbers "$out/y.h5" y)" = "11, 2, 33, 14, 1, 32, 13, 4, 31, 12, 3, 34" ]
  [ "$(extents "$out/y.h5" h)" = "4, 3" ]
  same_record_for_every_batch m.h5 data.h5
  edit_model data.h5 <<< 'dataset /b f32 4,3 1'
  rm "$out"/*
  refused "q-run: data.h5: b: is [[]4,3], model input b wants [[]3] for all samples" q-run m.h5 --data data.h5 -o "$out/y.h5"
}

@test "inputs whose first extents differ are one sample together, weights and scalars among them" {
  model m.onnx "$(input x 1 1 3 3)" "$(input w 2 1 2 2)" "$(input b 2)" "$(input s)" "$(node Conv x,w,b h)" "$(node Mul h,s y)"
  run -0 --separate-stderr q-import m.onnx -o m.h5
  [[ $stderr = *"all inputs are one sample: their first extents differ, x [1,1,3,3], w [2,1,2,2], b [2], s []" ]]
  edit_model data.h5 << 'END'
dataset /x f32 1,1,3,3 1 2 3 4 5 6 7 8 9
dataset /w f32 2,1,2,2 1 0 0 0 0 0 0 2
dataset /b f32 2 0.5 100
dataset /s f32 1 2
END
  same_for_every_batch m.h5 --data data.h5
  # the upper left and twice the lower right of every window, with the bias, times two
  [ "$(extents "$out/y.h5" y)" = "1, 2, 2, 2" ]
  [ "$(numbers "$out/y.h5" y)" = "3, 5, 9, 11, 220, 224, 232, 236" ]
  # three samples with weights that are the same for all
  edit_model data.h5 <<< 'dataset /x f32 3,1,1,3,3 1 2 3 4 5 6 7 8 9'
  same_for_every_batch m.h5 --data data.h5
  [ "$(extents "$out/y.h5" y)" = "3, 2, 2, 2" ]
  [[ $(numbers "$out/y.h5" y) = "3, 5, 9, 11, 220, 224, 232, 236, 3, 5, "* ]]
  q-observe -q m.h5 --data data.h5 | q-calibrate -q | q-convert -o int8.h5
  q-run int8.h5 --data data.h5 -o "$out/int8.h5"
  edit_model data.h5 <<< 'dataset /b f32 2,2 1'
  rm "$out"/*
  refused "q-run: data.h5: b: 2 samples, x has 3" q-run m.h5 --data data.h5 -o "$out/y.h5"
}

@test "a batch normalization whose scale is computed is computed" {
  model m.onnx "$(input x -1 2)" "$(input s 2)" "$(node BatchNormalization x,s,c,c,v y)" \
    'initializer { name: "c" dims: 2 data_type: 1 float_data: [0, 1] } initializer { name: "v" dims: 2 data_type: 1 float_data: [3.99999, 3.99999] }'
  q-import --strict m.onnx -o m.h5
  edit_model data.h5 <<< $'dataset /x f32 3,2 2 3 4 5 6 7\ndataset /s f32 2 10 100'
  same_for_every_batch m.h5 --data data.h5
  [ "$(numbers "$out/y.h5" y)" = "10, 101, 20, 201, 30, 301" ]
}

@test "a shape is for an input that there is, and fits what the file says" {
  tdnn m.onnx 4 2
  refused "q-import: m.onnx: a shape for z, wanted an input of the model: x [[]4,2]" q-import m.onnx --shape z=1,2
  refused "q-import: m.onnx: input x: is [[]4,2], given [[]5,2]" q-import m.onnx --shape x=5,2
  refused "q-import: m.onnx: input x: is [[]4,2], given [[]4]" q-import m.onnx --shape x=4
  for words in x 'x=1,' x=,1 x=0,1 x=1,N x=a =1 x=1,99999999999; do
    refused "q-import: --shape \"$words\", wanted NAME=EXTENT,... with numbers, or N for the first" q-import m.onnx --shape "$words"
  done
  refused "q-import: --shape x is given twice" q-import m.onnx --shape x=4,2 --shape x=4,2
}

@test "extents behind the first can be given, the batch staying free" {
  model m.onnx "$(input x -1 2 -1)" "$(node Relu x y)"
  q-import --strict m.onnx --shape x=N,2,5 -o m.h5
  run -0 q-info m.h5
  [[ $output = *"x f32 [N,2,5]"* ]]
  edit_model data.h5 <<< 'dataset /x f32 4,2,5 1'
  q-import --strict m.onnx --data data.h5 -o data-m.h5
  run -0 q-info data-m.h5
  [[ $output = *"x f32 [N,2,5]"* ]]
}
