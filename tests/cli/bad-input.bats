#!/usr/bin/env bats
# Files that are damaged, or are something else: one clear line, status 2, nothing written.
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
  bad=$BATS_TEST_TMPDIR/bad.h5
}

# A copy of model $1 with the edit in $2 is $bad.
damage() {
  cp -f "$1" "$bad"
  edit_model "$bad" <<< "$2"
}

# Every tool that reads a model refuses $bad with this pattern behind its name.
no_tool_reads() {
  refused "q-fuse: $bad$1" q-fuse "$bad" -o "$out/result.h5"
  refused "q-observe: $bad$1" q-observe "$bad" --data data.h5 -o "$out/result.h5"
  refused "q-calibrate: $bad$1" q-calibrate "$bad" -o "$out/result.h5"
  refused "q-convert: $bad$1" q-convert "$bad" -o "$out/result.h5"
  refused "q-run: $bad$1" q-run "$bad" --data data.h5 -o "$out/result.h5"
  refused "q-compare: $bad$1" q-compare tiny.h5 "$bad" --data data.h5
  refused "q-info: $bad$1" q-info "$bad"
}

# The tiny model with this edit is refused by every tool with this pattern.
no_tool_reads_with() {
  damage tiny.h5 "$1"
  no_tool_reads "$2"
}

# $bad, made of model $1 by the edit $2, is refused by this tool, run as `tool $bad arguments…`, with pattern $3.
tool_refuses() {
  local model=$1 edit=$2 pattern=$3 tool=$4
  shift 4
  damage "$model" "$edit"
  refused "$tool: $pattern" "$tool" "$bad" "$@" -o "$out/result.h5"
}

# ---- files that are no models ----

@test "text, zeros and other bytes are no HDF5" {
  echo "just some text" > "$bad"
  no_tool_reads ": not an HDF5 file"
  head -c 10000 /dev/zero > "$bad"
  no_tool_reads ": not an HDF5 file"
  cp "$glyphs/glyphs.onnx" "$bad"
  no_tool_reads ": not an HDF5 file"
}

@test "HDF5 of another kind is no model" {
  for tool in q-fuse q-calibrate q-convert; do
    refused "$tool: $glyphs/calib.h5: no attribute \"format\": not a q-tools file" "$tool" "$glyphs/calib.h5"
  done
  damage tiny.h5 'attribute / format text keras'
  no_tool_reads ": format \"keras\", wanted q-model, q-stats or q-tensors"
}

@test "a q-file of another kind is no model" {
  q-observe -q tiny.h5 --data data.h5 --stats-only -o "$BATS_TEST_TMPDIR/stats.h5"
  q-run -q tiny.h5 --data data.h5 -o "$BATS_TEST_TMPDIR/result.h5"
  for tool in q-fuse q-calibrate q-convert; do
    refused "$tool: $BATS_TEST_TMPDIR/stats.h5: is q-stats, wanted q-model" "$tool" "$BATS_TEST_TMPDIR/stats.h5"
    refused "$tool: $BATS_TEST_TMPDIR/result.h5: is q-tensors, wanted q-model" "$tool" "$BATS_TEST_TMPDIR/result.h5"
  done
}

@test "a newer format is refused with a word" {
  no_tool_reads_with 'attribute / format_version int 2' ": format version 2, this version of q-tools reads up to 1"
  no_tool_reads_with 'attribute / format_version int 0' ": format version 0, wanted 1"
  no_tool_reads_with 'attribute / format_version text 1' ": attribute format_version is a string, wanted an integer"
}

@test "a model cut off anywhere is refused" {
  size=$(stat -c %s int8.h5)
  for percent in 1 10 30 60 90 99; do
    head -c $((size * percent / 100)) int8.h5 > "$bad"
    no_tool_reads ": *"
  done
  head -c $((size - 1)) int8.h5 > "$bad"
  no_tool_reads ": *"
}

@test "a weight that its file does not hold to the end is refused" {
  # a file that ends in the weight, and one byte less, of which the head of the file knows
  damage tiny.h5 $'attribute /values/x shape ints -1 66000\ndataset /constants/w f32 3,66000 0.5 -0.5 1'
  size=$(($(stat -c %s "$bad") - 1))
  truncate -s "$size" "$bad"
  no_tool_reads ": is cut off"
  head=$(printf '\\x%02x' $((size & 255)) $((size >> 8 & 255)) $((size >> 16 & 255)) $((size >> 24 & 255)))
  printf '%b' "$head" | dd of="$bad" bs=1 seek=40 conv=notrunc status=none
  no_tool_reads ": /constants/w: promises 792000 bytes, the file has 791999"
}

@test "flipped bytes are refused or harmless, never a crash" {
  size=$(stat -c %s int8.h5)
  read -ra positions <<< "$(awk -v size="$size" 'BEGIN { srand(7); for (i = 0; i < 60; ++i) printf "%d ", rand() * size }')"
  for position in "${positions[@]}"; do
    cp -f int8.h5 "$bad"
    printf '\xa5' | dd of="$bad" bs=1 seek="$position" conv=notrunc status=none
    status=0
    q-run "$bad" --data data.h5 > /dev/null 2> "$BATS_TEST_TMPDIR/stderr" || status=$?
    echo "byte $position: status $status: $(cat "$BATS_TEST_TMPDIR/stderr")"
    [ "$status" = 0 ] || [ "$status" = 2 ]
    [ "$(wc -l < "$BATS_TEST_TMPDIR/stderr")" = $((status / 2)) ]
    nothing_left
  done
}

@test "an ONNX file cut off or flipped is refused or harmless, never a crash" {
  size=$(stat -c %s "$glyphs/glyphs.onnx")
  for percent in 1 10 50 90 99; do
    head -c $((size * percent / 100)) "$glyphs/glyphs.onnx" > "$BATS_TEST_TMPDIR/bad.onnx"
    refused "q-import: $BATS_TEST_TMPDIR/bad.onnx: *" q-import "$BATS_TEST_TMPDIR/bad.onnx" -o "$out/result.h5"
  done
  for input in tiny.h5 "$glyphs/calib.h5"; do refused "q-import: $input: *" q-import "$input" -o "$out/result.h5"; done
}

# ---- parts of a model ----

@test "a missing group is named" {
  no_tool_reads_with 'delete /graph' ": no group /graph"
  no_tool_reads_with 'delete /values' ": no group /values"
  no_tool_reads_with 'delete /constants' ": /values/b: no attribute dtype"
  no_tool_reads_with 'delete /values/h' ": /graph/act: an input is h, which is not in /values"
}

@test "something else in the place of a group or dataset is named" {
  no_tool_reads_with $'delete /graph/fc\ndataset /graph/fc f32 1 1' ": /graph/fc: is something else, wanted a group"
  no_tool_reads_with $'delete /constants/w\ngroup /constants/w' ": /constants/w: is something else, wanted a dataset"
  no_tool_reads_with 'dataset /constants/z f32 3 1' ": /constants/z: no group /values/z"
}

@test "a missing attribute is named" {
  no_tool_reads_with 'delete /graph inputs' ": /graph: no attribute inputs"
  for name in op order inputs outputs; do no_tool_reads_with "delete /graph/fc $name" ": /graph/fc: no attribute $name"; done
  for name in order shape dtype; do no_tool_reads_with "delete /values/h $name" ": /values/h: no attribute $name"; done
}

@test "an attribute of the wrong type is named with what was wanted" {
  no_tool_reads_with 'attribute /graph/fc op int 3' ": /graph/fc: attribute op is an integer, wanted a string"
  no_tool_reads_with 'attribute /graph/fc inputs ints 1 2 3' ": /graph/fc: attribute inputs is integers, wanted strings"
  no_tool_reads_with 'attribute /graph/fc order text first' ": /graph/fc: attribute order is a string, wanted an integer"
  no_tool_reads_with 'attribute /graph/fc min text low' ": /graph/fc (linear): attribute min is a string, wanted a number"
  no_tool_reads_with 'attribute /values/x shape floats 1 4' ": /values/x: attribute shape is numbers, wanted integers"
  no_tool_reads_with 'attribute /values/x shape text large' ": /values/x: attribute shape is a string, wanted integers"
  no_tool_reads_with 'attribute /graph outputs none' ": /graph: attribute outputs is empty"
}

@test "an operator, or an attribute of one, that is not known is named" {
  no_tool_reads_with 'attribute /graph/fc op text gelu9000' ": /graph/fc (gelu9000): no operator is called gelu9000"
  no_tool_reads_with 'attribute /graph/act slope float 1' ": /graph/act (relu): unknown attribute slope"
}

@test "an attribute outside of what the operator takes is named" {
  no_tool_reads_with 'attribute /graph/fc min float nan' ": /graph/fc (linear): *min*"
  no_tool_reads_with $'attribute /graph/fc min float 3\nattribute /graph/fc max float 1' \
    ": /graph/fc (linear): min is 3, max is 1, wanted min <= max"
}

# ---- the graph ----

@test "a dangling input is named" {
  no_tool_reads_with 'attribute /graph/fc inputs texts x w nothing' ": /graph/fc: an input is nothing, which is not in /values"
  no_tool_reads_with 'attribute /graph inputs texts nothing' ": /graph: a model input is nothing, which is not in /values"
  no_tool_reads_with 'attribute /graph outputs texts nothing' ": /graph: a model output is nothing, which is not in /values"
}

@test "a value that nothing makes is named" {
  no_tool_reads_with 'attribute /graph/fc outputs texts y' ": *"
  no_tool_reads_with 'delete /graph/fc' ": /values/h: neither computed, nor constant, nor a model input"
}

@test "a cycle is named by a node in it" {
  no_tool_reads_with $'attribute /values/x shape ints -1 3\ndataset /constants/w f32 3,3 1\nattribute /graph/fc inputs texts y w b' \
    ": /graph/fc (linear): waits for its own output: the graph has a cycle"
}

@test "two nodes that make one value are named" {
  no_tool_reads_with 'attribute /graph/act outputs texts h' ": /graph/act (relu): output h is also made by fc"
}

@test "too few and too many inputs are counted" {
  no_tool_reads_with 'attribute /graph/fc inputs texts x' ": /graph/fc (linear): 1 inputs, wanted 2 to 3"
  no_tool_reads_with 'attribute /graph/act inputs texts h h' ": /graph/act (relu): 2 inputs, wanted 1"
}

@test "a model without outputs is refused" {
  no_tool_reads_with 'attribute /graph outputs texts' ": /graph: no outputs"
}

# ---- shapes and types ----

@test "a shape that is not the one computed is named with it" {
  no_tool_reads_with 'attribute /values/y shape ints -1 4' ": /graph/act (relu): output y is [[]N,4], wanted [[]N,3]"
  no_tool_reads_with 'dataset /constants/w f32 4,3 1' ": /graph/fc (linear): weight is [[]4,3], input is [[]N,4], wanted a last extent of 3"
  no_tool_reads_with 'dataset /constants/b f32 4 1' ": /graph/fc (linear): bias is [[]4], *"
}

@test "a dimension of zero, or less, is refused" {
  no_tool_reads_with 'attribute /values/x shape ints 0 4' ": /values/x: shape [[]0,4], wanted extents of 1 to 2147483647"
  no_tool_reads_with 'attribute /values/x shape ints -1 -4' ": /values/x: shape [[]N,4N] of a model input, wanted only the first extent free, and N"
  no_tool_reads_with 'attribute /values/x shape ints -3 4' ": /values/x: shape [[]3N,4] of a model input, wanted only the first extent free, and N"
  no_tool_reads_with 'dataset /constants/w f32 0,4' ": /values/w: shape [[]0,4], wanted extents of 1 to 2147483647"
}

@test "a model that mixes the samples of a free batch is refused" {
  no_tool_reads_with $'attribute /graph/act op text softmax\nattribute /graph/act axis int 0' ": /graph/act (softmax): mixes samples: softmax over axis 0"
}

@test "a model output whose samples do not come first is refused" {
  no_tool_reads_with $'attribute /graph/act op text transpose\nattribute /graph/act perm ints 1 0\nattribute /values/y shape ints 3 -1' \
    ": /values/y: shape [[]3,N] of a model output, wanted the samples first"
}

@test "rank 9 is refused" {
  no_tool_reads_with 'attribute /values/x shape ints 1 1 1 1 1 1 1 1 4' ": /values/x: *rank 9, wanted at most 8"
  no_tool_reads_with 'dataset /constants/w f32 3,4,1,1,1,1,1,1,1 1' ": /constants/w: rank 9, wanted at most 8"
}

@test "a type that is not known is named" {
  no_tool_reads_with 'attribute /values/x dtype text f33' ": /values/x: attribute dtype is f33, wanted f32 or another of q-model(5)"
  no_tool_reads_with 'dataset /constants/w text 3,4 a' ": /constants/w: holds strings, wanted f32, i8 or another type of q-model(5)"
}

@test "a weight of a type that the operator does not take is refused where it is used" {
  tool_refuses tiny.h5 'dataset /constants/w i32 3,4 1' "*/graph/fc (linear): weight is i32, wanted f32" q-run --data data.h5
  tool_refuses tiny.h5 'dataset /constants/w i32 3,4 1' "*/graph/fc (linear): weight is i32, wanted f32" q-observe -q --data data.h5
}

# ---- numbers ----

@test "NaN and infinity in a weight are refused where it is used" {
  for number in nan inf -inf; do
    for name in w b; do
      edit="value /constants/$name 1 $number"
      tool_refuses tiny.h5 "$edit" "*$bad: /constants/$name: holds NaN or infinity" q-fuse -q
      tool_refuses tiny.h5 "$edit" "*$bad: /constants/$name: holds NaN or infinity" q-run --data data.h5
      tool_refuses tiny.h5 "$edit" "*$bad: /constants/$name: holds NaN or infinity" q-observe --data data.h5
      tool_refuses calibrated.h5 "$edit" "*$bad: /constants/$name: holds NaN or infinity" q-convert -q
    done
  done
}

@test "a scale that is not positive and finite is refused" {
  for scale in -1 0 nan inf 1e300 1e-300; do
    damage int8.h5 "attribute /values/h scale floats $scale"
    no_tool_reads ": /values/h: scale *, wanted a positive number whose reciprocal is finite"
  done
  damage int8.h5 "attribute /constants/w scale floats 1 1 -1"
  no_tool_reads ": /values/w: scale -1, wanted a positive number whose reciprocal is finite"
  damage calibrated.h5 "attribute /values/h scale floats -1"
  no_tool_reads ": /values/h: scale -1, wanted a positive number whose reciprocal is finite"
}

@test "quantization parameters that do not fit are refused" {
  for edit in 'zero_point ints 256' 'zero_point ints -1' 'scale floats 0.1 0.2' 'quant_max int 300' 'quant_min int 120' 'scheme text magic' \
    'scale texts one' 'zero_point floats 0.5'; do
    damage int8.h5 "attribute /values/h $edit"
    no_tool_reads ": /values/h: *"
  done
  damage int8.h5 'attribute /constants/w axis int 7'
  no_tool_reads ": /values/w: channel axis 7, wanted 0 to 1"
  damage int8.h5 'delete /constants/w scale'
  no_tool_reads ": /constants/w: no attribute scale"
}

@test "integers without a scale are refused where they are used" {
  tool_refuses int8.h5 'delete /constants/w scheme' "*/graph/fc (linear): weight has no scale, *" q-run --data data.h5
  tool_refuses int8.h5 'delete /values/h scheme' "*/graph/fc (linear): output has 0 scales, wanted 1" q-run --data data.h5
}

# ---- observation and records ----

@test "an observation that cannot be carried out is refused" {
  for edit in 'observer text magic' 'method text magic' 'percentile float 200' 'dtype text f32' 'quant_max int 256' 'eps float -1'; do
    damage observed.h5 "attribute /values/h/observation $edit"
    no_tool_reads ": /values/h/observation: *"
  done
  tool_refuses observed.h5 'attribute /values/h/observation shares text nothing' "*/values/h: shares with nothing, *" q-calibrate
}

@test "a damaged record is refused" {
  damage observed.h5 'attribute /stats/h observer text magic'
  no_tool_reads ": /stats/h: no observer is called magic"
  damage observed.h5 'attribute /stats samples int -1'
  no_tool_reads ": /stats: attribute samples is -1, wanted no negative number"
  for edit in 'dataset /stats/h/counts i64 5 -1' 'dataset /stats/h/range f32 2 nan' 'dataset /stats/h/bins i64 4 -1' \
    'dataset /stats/h/bins i64 0' 'delete /stats/h/bins' 'dataset /stats/h/exponent f32 1 1' 'dataset /stats/h/exponent i64 1 100000'; do
    damage observed.h5 "$edit"
    no_tool_reads ": *"
  done
  tool_refuses observed.h5 'delete /stats/h' "*/values/h: was never observed: *" q-calibrate
}

# ---- data ----

# Data made by this edit are refused by every tool that runs models, with this pattern.
data_refused() {
  rm -f "$bad"
  edit_model "$bad" <<< "$1"
  for tool in q-observe q-run; do refused "$tool: $bad$2" "$tool" tiny.h5 --data "$bad" -o "$out/result.h5"; done
  refused "q-compare: $bad$2" q-compare tiny.h5 int8.h5 --data "$bad"
}

@test "data of another shape are refused" {
  data_refused 'dataset /x f32 8,5 1' ": x: samples are [[]5], model input x wants [[]4]"
  data_refused 'dataset /x f32 8,2,2 1' ": x: samples are [[]2,2], model input x wants [[]4]"
  data_refused 'dataset /x f32 8 1' ": x: samples are *, model input x wants [[]4]"
}

@test "data without samples are refused" {
  data_refused 'dataset /x f32 0,4' ": x: no samples"
}

@test "data of another type are refused" {
  data_refused 'dataset /x text 2,4 a' ": x: holds strings, wanted integers or floats"
}

@test "data without the input's dataset are refused, with what there is" {
  data_refused $'dataset /a f32 2,4 1\ndataset /b f32 2,4 1' ": no dataset \"x\", found a, b"
  data_refused 'group /x' ": *"
}

@test "a group of the data that is not there is named" {
  refused "q-run: data.h5: no group /train" q-run tiny.h5 --data data.h5:/train -o "$out/result.h5"
}

@test "data cut off, empty, or no data at all are refused" {
  head -c 1000 data.h5 > "$bad"
  for tool in q-observe q-run; do
    refused "$tool: $bad: *" "$tool" tiny.h5 --data "$bad" -o "$out/result.h5"
    refused "$tool: *: is a folder, wanted a file" "$tool" tiny.h5 --data . -o "$out/result.h5"
  done
  : > "$bad"
  refused "q-run: $bad: *" q-run tiny.h5 --data "$bad" -o "$out/result.h5"
  echo "1,2,3,4" > "$bad"
  refused "q-run: $bad: *" q-run tiny.h5 --data "$bad" -o "$out/result.h5"
}

@test "labels that are not integers, or too few, are refused" {
  edit_model "$bad" <<< $'dataset /x f32 4,4 1\ndataset /y f32 4 0.5'
  refused "q-compare: $bad: y: *" q-compare tiny.h5 int8.h5 --data "$bad"
  edit_model "$bad" <<< 'dataset /y i64 3 1'
  refused "q-compare: $bad: *" q-compare tiny.h5 int8.h5 --data "$bad"
}

@test "a .npy file that promises more than it has, or is of another type, is refused" {
  array=$BATS_TEST_TMPDIR/bad.npy
  (npy_head "3, 4" && printf 'abcdefgh') > "$array"
  refused "q-run: $array: *" q-run tiny.h5 --data "$array" -o "$out/result.h5"
  (npy_head "3, 4" | sed 's/|u1/<c8/' && head -c 96 /dev/zero) > "$array"
  refused "q-run: $array: *" q-run tiny.h5 --data "$array" -o "$out/result.h5"
  (npy_head "4611686018427387904, 4" && printf 'abcdefgh') > "$array"
  refused "q-run: $array: *" q-run tiny.h5 --data "$array" -o "$out/result.h5"
  npy_head "3, 4" | head -c 40 > "$array"
  refused "q-run: $array: *" q-run tiny.h5 --data "$array" -o "$out/result.h5"
}

# ---- what data may be made of ----

# The tools that read data refuse $bad with this pattern behind its name.
no_tool_takes() {
  refused "q-observe: $bad: $1" q-observe tiny.h5 --data "$bad" -o "$out/result.h5"
  refused "q-run: $bad: $1" q-run tiny.h5 --data "$bad" -o "$out/result.h5"
  refused "q-compare: $bad: $1" q-compare tiny.h5 int8.h5 --data "$bad"
}

@test "data whose values lie in another file are refused" {
  head -c 160 /dev/zero > "$BATS_TEST_TMPDIR/raw"
  for source in "external $BATS_TEST_TMPDIR/raw" "external /etc/passwd" "external $BATS_TEST_TMPDIR/none" \
    "virtual $PWD/data.h5 /x" "virtual none.h5 /x"; do
    rm -f "$bad"
    edit_model "$bad" <<< "${source%% *} /x f32 8,4 ${source#* }"
    no_tool_takes "/x: has values in another file, wanted them in this one"
    refused "q-info: $bad: /x: has values in another file, wanted them in this one" q-info "$bad"
  done
}

@test "data made of other datasets of the file are taken, if these are there" {
  edit_model "$bad" << 'END'
dataset /y f32 8,4 0.5 -1 1 0 2 -0.25 0.75
virtual /x f32 8,4 . /y
END
  q-run -q tiny.h5 --data data.h5 --no-history -o "$out/plain.h5"
  q-run -q tiny.h5 --data "$bad" --no-history -o "$out/virtual.h5"
  same_bytes "$out/plain.h5" "$out/virtual.h5"
  rm "$out"/*
  edit_model "$bad" <<< 'delete /y'
  no_tool_takes "/x: is made of /y, which is not there"
  edit_model "$bad" <<< 'virtual /x f32 8,4 . /x'
  no_tool_takes "/x: is made of /x, which is made of others, wanted values"
  edit_model "$bad" << 'END'
sparse /y f32 8,4 8,4
virtual /x f32 8,4 . /y
END
  no_tool_takes "/y: promises 128 bytes, the file holds 0"
}

@test "data that promise more samples than the file holds are refused" {
  for extents in 8,4 1099511627776,4; do
    rm -f "$bad"
    edit_model "$bad" <<< "sparse /x f32 $extents 8,4"
    no_tool_takes "/x: promises * bytes, the file holds 0"
  done
}

@test "the size of a chunk is bounded" {
  edit_model "$bad" <<< "sparse /x f32 500000000,4 500000000,1"
  no_tool_takes "/x: has chunks of 2000000000 bytes, wanted at most 1073741824"
}

@test "a file in which HDF5 faults or loops is a line and status 2" {
  [ -d "$source_dir/../shared/cases/hostile" ] || skip "no such files"
  local started=()
  for file in "$source_dir"/../shared/cases/hostile/badv0_*.h5; do  # all at once: a loop is ended after 20 s
    (
      BATS_TEST_TMPDIR=$(mktemp -d -p "$BATS_TEST_TMPDIR")
      refused "q-info: $file: *" q-info "$file"
    ) &
    started+=($!)
  done
  for each in "${started[@]}"; do wait "$each"; done
}

@test "NaN and infinities in the data are a counted warning, and an error under --strict" {
  edit_model "$bad" <<< 'dataset /x f32 8,4 0.5 -1 1 0 2 -0.25 0.75'
  edit_model "$bad" <<< 'value /x 3 nan'
  edit_model "$bad" <<< 'value /x 9 -inf'
  for command in "q-run tiny.h5 -o $out/y.h5" "q-compare tiny.h5 int8.h5"; do
    for batch in 1 8; do
      # shellcheck disable=SC2086  # several words
      run -0 --separate-stderr $command --data "$bad" --batch $batch
      [ "$stderr" = "${command%% *}: warning: not finite: 1: $bad: 2 numbers of input 1 are NaN or infinite" ]
    done
    rm -f "$out/y.h5"
    # shellcheck disable=SC2086
    run -2 $command --data "$bad" --strict
    [ ! -e "$out/y.h5" ]
  done
}
