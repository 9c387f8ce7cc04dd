#!/usr/bin/env bats
# q-run: executes a model over samples and writes its outputs.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  make_tiny_stages .
}

setup() {
  private_folders
  cd "$BATS_FILE_TMPDIR" || return 1
}

# The numbers of dataset $2 in file $1, on one line.
numbers() {
  h5dump -y -w 0 -m %g -d "$2" "$1" | sed -n '/DATA {/,/}/p' | sed '1d;$d' | tr -d ' \n'
}

# The tiny model on data of that type and those values gives these two rows.
gives() {
  local wanted=$1
  rm -f "$out"/*
  edit_model "$out/data.h5" <<< "dataset /x $2"
  q-run tiny.h5 --data "$out/data.h5" -o "$out/result.h5"
  echo "$(numbers "$out/result.h5" /y), wanted $wanted"
  [ "$(numbers "$out/result.h5" /y)" = "$wanted" ]
}

@test "the outputs are those computed by hand" {
  # rows of w: 1 0.5 -1 0.25, -0.5 1 0.5 -1, 0.25 -0.5 1 0.5; b: 0.5 -0.5 0; then relu
  gives "0.5,0,0,1.5,0,0.25" "f32 2,4 0 0 0 0 1 0 0 0"
  gives "0.5,0,0,1.25,0.375,0" "f32 2,4 0 0 0 0 0.5 1 0.25 0"
}

@test "data of any number type are the same reals" {
  for type in f32 f64 i64 i32 i8; do gives "5.75,0,8.75,0,0,0" "$type 2,4 7 7 7 7 -7 -7 -7 -7"; done
  gives "2,0,1.25,191.75,0,318.75" "u8 2,4 1 2 1 2 255 255 255 255"
}

@test "a .npy file is as good as HDF5" {
  (npy_head "2, 4" && printf '\1\2\1\2\7\7\7\7') > "$out/data.npy"
  q-run tiny.h5 --data "$out/data.npy" -o "$out/result.h5"
  [ "$(numbers "$out/result.h5" /y)" = "2,0,1.25,5.75,0,8.75" ]
}

@test "data can lie in a group of the file" {
  edit_model "$out/data.h5" <<< $'group /test\ndataset /test/x f32 2,4 1 0 0 0\ndataset /x f32 3,4 0'
  q-run tiny.h5 --data "$out/data.h5:/test" -o "$out/result.h5"
  [ "$(numbers "$out/result.h5" /y)" = "1.5,0,0.25,1.5,0,0.25" ]
}

@test "--samples takes a part of the rows" {
  q-run tiny.h5 --data data.h5 -o "$out/all.h5"
  q-run tiny.h5 --data data.h5 --samples 3:5 -o "$out/part.h5"
  [[ $(numbers "$out/all.h5" /y) == *",$(numbers "$out/part.h5" /y),"* ]]
  run -0 q-info "$out/part.h5"
  [[ $output == *"y f32 [2,3]"* ]]
}

@test "an integer model gives reals close to those of the float model" {
  q-run tiny.h5 --data data.h5 -o "$out/float.h5"
  q-run int8.h5 --data data.h5 -o "$out/int8.h5"
  # half a step of y (2.75 / 255), of h (4.625 / 255), of x and w summed over four products of about one: within 0.04
  run -0 bash -c "q-compare --tsv '$out/float.h5' '$out/int8.h5' | tail -n 1 | cut -f 8"
  awk -v error="$output" 'BEGIN { exit !(error < 0.04) }'
}

@test "--keep writes inner values too, integers with their scale" {
  q-run int8.h5 --data data.h5 --keep h --keep x -o "$out/result.h5"
  run -0 q-info "$out/result.h5"
  [[ $output == *"  h u8 [8,3] scale 0.0181372"*" zero 103
  x f32 [8,4]
  y f32 [8,3]" ]]
}

@test "--keep of what the model does not compute is refused" {
  refused "q-run: --keep nothing: the model computes no such value" q-run tiny.h5 --data data.h5 --keep nothing
  refused "q-run: --keep w: the model computes no such value" q-run tiny.h5 --data data.h5 --keep w
}

@test "--repeat prints the time of a sample, and writes no file" {
  run -0 --separate-stderr q-run int8.h5 --data data.h5 --repeat 3 -o "$out/result.h5"
  [[ $output =~ ^[0-9.]+" ms per sample (batch 8, median of 3 runs, fastest "[0-9.]+", slowest "[0-9.]+")"$ ]]
  [ -z "$stderr" ]
  nothing_left
  run -0 q-run int8.h5 --data data.h5 --repeat 3 --batch 2
  [[ $output == *"(batch 2, "* ]]
  refused "q-run: --repeat -1, wanted at least 1" q-run int8.h5 --data data.h5 --repeat -1
}

@test "without --batch as many samples are computed at a time as the caches hold, at most 8" {
  for side in 200 500 800; do
    edit_model "$BATS_TEST_TMPDIR/$side.h5" << END
attribute / format text q-model
attribute / format_version int 1
group /graph
attribute /graph inputs texts x
attribute /graph outputs texts y
group /graph/act
attribute /graph/act op text relu
attribute /graph/act order int 0
attribute /graph/act inputs texts x
attribute /graph/act outputs texts y
group /values
group /values/x
attribute /values/x order int 0
attribute /values/x dtype text f32
attribute /values/x shape ints -1 3 $side $side
group /values/y
attribute /values/y order int 1
attribute /values/y dtype text f32
attribute /values/y shape ints -1 3 $side $side
END
    npy_head "8, 3, $side, $side" > "$BATS_TEST_TMPDIR/$side.npy"
    truncate -s $((128 + 8 * 3 * side * side)) "$BATS_TEST_TMPDIR/$side.npy"
  done
  # 0.5, 3 and 7.7 MB
  run -0 q-run "$BATS_TEST_TMPDIR/200.h5" --data "$BATS_TEST_TMPDIR/200.npy" --repeat 1
  [[ $output == *"(batch 8, "* ]]
  run -0 q-run "$BATS_TEST_TMPDIR/500.h5" --data "$BATS_TEST_TMPDIR/500.npy" --repeat 1 --batch 0
  [[ $output == *"(batch 4, "* ]]
  run -0 q-run "$BATS_TEST_TMPDIR/800.h5" --data "$BATS_TEST_TMPDIR/800.npy" --repeat 1
  [[ $output == *"(batch 1, "* ]]
}

@test "--profile prints every node with its kernel" {
  run -0 --separate-stderr q-run int8.h5 --data data.h5 --profile
  [[ ${lines[0]} =~ ^" "+"ms  share    GMAC/s  limit  kernel "+"op "+"node"$ ]]
  # the relu is computed by the step of the product before it
  run -0 bash -c "q-run int8.h5 --isa generic --data data.h5 --profile | awk 'NR > 1 { print \$5, \$6, \$7 }' | sort"
  [ "$output" = "convert/generic dequantize y.dequantize
convert/generic quantize x.quantized
int8/generic linear+relu fc" ]
  nothing_left
}

@test "--profile compares the multiply-adds of a node with the most that its kernel reaches" {
  run -0 bash -c "q-run int8.h5 --data data.h5 --profile | awk 'NR > 1 { print \$6, \$3, \$4 }' | sort"
  [ "${lines[0]}" = "dequantize - -" ]
  [[ ${lines[1]} =~ ^"linear+relu "[0-9]+" "[0-9]+%$ ]]
  [ "${lines[2]}" = "quantize - -" ]
}

@test "--profile with -o writes the same tensors as without" {
  q-run int8.h5 --data data.h5 -o "$out/plain.h5"
  q-run int8.h5 --data data.h5 --profile -o "$out/profiled.h5"
  same_bytes "$out/plain.h5" "$out/profiled.h5"
}

@test "all inputs of a model of fixed extents are one sample" {
  cp tiny.h5 "$BATS_TEST_TMPDIR/fixed.h5"
  edit_model "$BATS_TEST_TMPDIR/fixed.h5" << 'COMMANDS'
attribute /values/x shape ints 2 4
attribute /values/h shape ints 2 3
attribute /values/y shape ints 2 3
COMMANDS
  q-run "$BATS_TEST_TMPDIR/fixed.h5" --no-history --data data.h5 -o "$out/fixed.h5"
  q-run tiny.h5 --no-history --data data.h5 -o "$out/free.h5"
  [ "$(extents "$out/fixed.h5" y)" = "4, 2, 3" ]
  [ "$(numbers "$out/fixed.h5" y)" = "$(numbers "$out/free.h5" y)" ]
  q-run "$BATS_TEST_TMPDIR/fixed.h5" --no-history --data data.h5 --samples 1:3 -o "$out/some.h5"
  [ "$(extents "$out/some.h5" y)" = "2, 2, 3" ]
  edit_model "$BATS_TEST_TMPDIR/stacked.h5" <<< 'dataset /x f32 4,2,4 0.5 -1 1 0 2 -0.25 0.75'
  q-run "$BATS_TEST_TMPDIR/fixed.h5" --no-history --data "$BATS_TEST_TMPDIR/stacked.h5" -o "$out/stacked.h5"
  same_bytes "$out/fixed.h5" "$out/stacked.h5"
  rm "$out"/*
  edit_model "$BATS_TEST_TMPDIR/seven.h5" <<< 'dataset /x f32 7,4 0.5'
  refused "q-run: */seven.h5: x: is [[]7,4], model input x wants [[]2,4] for a sample" \
    q-run "$BATS_TEST_TMPDIR/fixed.h5" --data "$BATS_TEST_TMPDIR/seven.h5" -o "$out/result.h5"
}

@test "a model with two inputs takes them by name" {
  cp tiny.h5 "$BATS_TEST_TMPDIR/two.h5"
  edit_model "$BATS_TEST_TMPDIR/two.h5" << 'COMMANDS'
attribute /graph inputs texts x z
attribute /graph/act op text add
attribute /graph/act inputs texts h z
group /values/z
attribute /values/z order int 9
attribute /values/z shape ints -1 3
attribute /values/z dtype text f32
COMMANDS
  edit_model "$BATS_TEST_TMPDIR/data.h5" <<< $'dataset /x f32 1,4 1 0 0 0\ndataset /z f32 1,3 100 200 300'
  q-run "$BATS_TEST_TMPDIR/two.h5" --data "$BATS_TEST_TMPDIR/data.h5" -o "$out/result.h5"
  [ "$(numbers "$out/result.h5" /y)" = "101.5,199,300.25" ]
  rm "$out/result.h5"
  edit_model "$BATS_TEST_TMPDIR/data.h5" <<< 'dataset /z f32 2,3 100 200 300'
  refused "q-run: $BATS_TEST_TMPDIR/data.h5: *2 samples*" \
    q-run "$BATS_TEST_TMPDIR/two.h5" --data "$BATS_TEST_TMPDIR/data.h5" -o "$out/result.h5"
  edit_model "$BATS_TEST_TMPDIR/data.h5" <<< 'delete /z'
  refused "q-run: $BATS_TEST_TMPDIR/data.h5: no dataset \"z\", found x" \
    q-run "$BATS_TEST_TMPDIR/two.h5" --data "$BATS_TEST_TMPDIR/data.h5" -o "$out/result.h5"
}

@test "NaN and infinity pass through a float model as IEEE arithmetic has it" {
  # 0 times infinity is NaN, and so is what is made of it; infinity times 1, 0.5, -0.5 and 0.25 stays infinite
  edit_model "$out/data.h5" <<< 'dataset /x f32 2,4 nan 0 0 0 inf 1 1 1'
  q-run tiny.h5 --data "$out/data.h5" -o "$out/result.h5"
  [ "$(numbers "$out/result.h5" /y | sed 's/-nan/nan/g')" = "nan,nan,nan,inf,0,inf" ]
}

@test "the history is the model's, and q-run itself" {
  q-run int8.h5 --data data.h5 --samples 0:4 -o "$out/result.h5"
  run -0 bash -c "h5dump -a /history '$out/result.h5' | grep -c '\"q-'"
  [ "$output" = 4 ]
  run -0 bash -c "h5dump -a /history '$out/result.h5' | grep -c -- '\"--samples 0:4\"'"
  [ "$output" = 1 ]
  q-run int8.h5 --data data.h5 --no-history -o "$out/result.h5"
  run ! h5dump -a /history "$out/result.h5"
}
