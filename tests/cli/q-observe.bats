#!/usr/bin/env bats
# q-observe: runs the float model over samples and records what values every tensor takes.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  make_tiny_stages .
  q-import -q "$glyphs/glyphs.onnx" | q-fuse -q -o fused.h5
  q-calibrate -q observed.h5 --no-history -o plain.h5
}

setup() {
  private_folders
  cd "$BATS_FILE_TMPDIR" || return 1
}

# What was recorded of the tiny model in $1, a line per tensor.
record() {
  q-info "$1" | sed -n '/^statistics/,$p'
}


@test "every activation is recorded, over all samples" {
  run -0 record observed.h5
  [ "$output" = "statistics   3 tensors over 8 samples

  h: histogram, 24 values from -1.875 to 2.75
  x: histogram, 32 values from -1 to 2
  y: histogram, 24 values from 0 to 2.75" ]
}

@test "the report tells how many tensors and samples" {
  run -0 --separate-stderr q-observe tiny.h5 --data data.h5 -o "$out/observed.h5"
  [ "$stderr" = "q-observe: observed 3 tensors over 8 samples" ]
  run -0 --separate-stderr q-observe -q tiny.h5 --data data.h5 -o "$out/observed.h5"
  [ -z "$stderr" ]
}

@test "--stats-only writes the record without the model" {
  q-observe -q fused.h5 --data "$glyphs/calib.h5" --samples 0:20 "${normalised[@]}" -o "$out/whole.h5"
  q-observe -q fused.h5 --data "$glyphs/calib.h5" --samples 0:20 "${normalised[@]}" --stats-only -o "$out/stats.h5"
  run -0 bash -c "q-info --json '$out/stats.h5' | head -n 2"
  [ "${lines[1]}" = '  "format": "q-stats",' ]
  [ "$(record "$out/whole.h5")" = "$(record "$out/stats.h5")" ]
  [ "$(stat -c %s "$out/whole.h5")" -gt $(($(stat -c %s "$out/stats.h5") + 100000)) ]  # the weights are 130 kB
}

@test "--samples takes a part, and either end may be left out" {
  q-observe -q tiny.h5 --data data.h5 --samples 0:4 -o "$out/both.h5"
  q-observe -q tiny.h5 --data data.h5 --samples :4 -o "$out/end.h5"
  [ "$(record "$out/both.h5")" = "$(record "$out/end.h5")" ]
  [[ $(record "$out/end.h5") == *"over 4 samples"* ]]
  q-observe -q tiny.h5 --data data.h5 --samples 5: -o "$out/first.h5"
  [[ $(record "$out/first.h5") == *"over 3 samples"* ]]
}

@test "--samples that is no range, or outside of the data, is refused" {
  for words in 3 a:b -1:4 1:2:3; do
    refused "q-observe: --samples \"$words\", wanted FIRST:END" q-observe tiny.h5 --data data.h5 --samples "$words"
  done
  for words in 4:4 5:3 0:9 8:9; do
    refused "q-observe: --samples \"$words\": the data set has 8 samples, wanted some of them" \
      q-observe tiny.h5 --data data.h5 --samples "$words"
  done
}

@test "--shard takes contiguous parts that together are the whole" {
  for part in 0 1 2; do
    q-observe -q tiny.h5 --data data.h5 --stats-only --shard "$part/3" -o "$out/$part.h5"
  done
  [[ $(record "$out/0.h5") == *"over 2 samples"* ]]
  [[ $(record "$out/1.h5") == *"over 3 samples"* ]]
  [[ $(record "$out/2.h5") == *"over 3 samples"* ]]
  q-calibrate -q tiny.h5 "$out"/[012].h5 --no-history -o "$out/merged.h5"
  same_bytes plain.h5 "$out/merged.h5"
}

@test "more shards than samples leave some empty, and merge all the same" {
  for part in 0 1 2 3 4 5 6 7 8 9 10; do
    q-observe -q tiny.h5 --data data.h5 --stats-only --shard "$part/11" -o "$out/$part.h5"
  done
  [[ $(record "$out/0.h5") == *"over 0 samples"* ]]
  q-calibrate -q tiny.h5 "$out"/*.h5 --no-history -o "$out/merged"
  same_bytes plain.h5 "$out/merged"
}

@test "--shard that is none is refused" {
  for words in 2/2 a/b 0/0 -1/2 1 1/ /2 0/2x; do
    refused "q-observe: --shard \"$words\", wanted I/N with 0 <= I < N" q-observe tiny.h5 --data data.h5 --shard "$words"
  done
}

@test "--mean and --std normalise, one number for all or one per channel" {
  edit_model "$out/bytes.h5" <<< 'dataset /x u8 2,4 0 10 20 30 40'
  q-observe -q tiny.h5 --data "$out/bytes.h5" --mean 20 --std 10 -o "$out/one.h5"
  [[ $(record "$out/one.h5") == *"x: histogram, 8 values from -2 to 2"* ]]
  q-observe -q tiny.h5 --data "$out/bytes.h5" --mean 0,10,20,30 --std 1,1,1,0.5 -o "$out/four.h5"
  # samples 0 10 20 30 and 40 0 10 20
  [[ $(record "$out/four.h5") == *"x: histogram, 8 values from -20 to 40"* ]]
  q-observe -q tiny.h5 --data "$out/bytes.h5" --mean -1 -o "$out/negative.h5"
  [[ $(record "$out/negative.h5") == *"x: histogram, 8 values from 1 to 41"* ]]
}

@test "the recipe can say how data are normalised, and the command line overrides it" {
  printf 'extends: int8\ninput: {mean: [20], std: [10]}\n' > "$BATS_TEST_TMPDIR/recipe.yaml"
  edit_model "$BATS_TEST_TMPDIR/bytes.h5" <<< 'dataset /x u8 2,4 0 10 20 30 40'
  q-observe -q tiny.h5 --data "$BATS_TEST_TMPDIR/bytes.h5" --recipe "$BATS_TEST_TMPDIR/recipe.yaml" -o "$out/recipe.h5"
  [[ $(record "$out/recipe.h5") == *"x: histogram, 8 values from -2 to 2"* ]]
  q-observe -q tiny.h5 --data "$BATS_TEST_TMPDIR/bytes.h5" --recipe "$BATS_TEST_TMPDIR/recipe.yaml" --mean 0 -o "$out/both.h5"
  [[ $(record "$out/both.h5") == *"x: histogram, 8 values from 0 to 4"* ]]
}

@test "a normalisation that fits no model, or means nothing, is refused" {
  refused "q-observe: *2 *mean*wanted 1 or 4*" q-observe tiny.h5 --data data.h5 --mean 1,2
  refused "q-observe: *std is 0*" q-observe tiny.h5 --data data.h5 --std 0
  refused "q-observe: *std is nan*" q-observe tiny.h5 --data data.h5 --std nan
  refused "q-observe: --mean \"a\", wanted numbers separated by commas" q-observe tiny.h5 --data data.h5 --mean a
}

@test "a batch that is no number of samples is refused" {
  refused "q-observe: *batch*-1*wanted at least 1*" q-observe tiny.h5 --data data.h5 --batch -1
  refused "q-observe: *--batch*8.5*" q-observe tiny.h5 --data data.h5 --batch 8.5
}

@test "NaN and infinity in the data are an error that names the samples and the tensor" {
  edit_model "$BATS_TEST_TMPDIR/nan.h5" <<< $'dataset /x f32 8,4 1\nvalue /x 20 nan'
  refused "q-observe: $BATS_TEST_TMPDIR/nan.h5: samples 4 to 5: x has 1 values that are NaN or infinite" \
    q-observe tiny.h5 --data "$BATS_TEST_TMPDIR/nan.h5" --batch 2
  edit_model "$BATS_TEST_TMPDIR/inf.h5" <<< $'dataset /x f32 8,4 1\nvalue /x 20 -inf'
  refused "q-observe: $BATS_TEST_TMPDIR/inf.h5: samples 0 to 7: x has 1 values that are NaN or infinite" \
    q-observe tiny.h5 --data "$BATS_TEST_TMPDIR/inf.h5" --batch 8
}

@test "--non-finite count goes on, and the count is kept" {
  edit_model "$BATS_TEST_TMPDIR/nan.h5" <<< $'dataset /x f32 8,4 1\nvalue /x 20 nan'
  q-observe -q --non-finite count tiny.h5 --data "$BATS_TEST_TMPDIR/nan.h5" -o "$out/observed.h5"
  [[ $(record "$out/observed.h5") == *"x: histogram, 31 values from 1 to 1, 1 not finite"* ]]
  run -0 --separate-stderr q-calibrate "$out/observed.h5" -o "$out/calibrated.h5"
  [[ $stderr == *"warning: not finite: 3, the first: "* ]]
  run -2 q-calibrate -q --strict "$out/observed.h5" -o "$out/strict.h5"
  [ ! -e "$out/strict.h5" ]
}

@test "recipes are found by name, by path and along Q_RECIPE_PATH" {
  cp "$source_dir/recipes/int8-minmax.yaml" "$BATS_TEST_TMPDIR/mine.yaml"
  q-observe -q tiny.h5 --data data.h5 --recipe int8-minmax -o "$out/name.h5"
  [[ $(record "$out/name.h5") == *"x: minmax, 32 values from -1 to 2"* ]]
  q-observe -q tiny.h5 --data data.h5 --recipe int8-minmax.yaml -o "$out/yaml.h5"
  q-observe -q tiny.h5 --data data.h5 --recipe "$source_dir/recipes/int8-minmax.yaml" -o "$out/path.h5"
  Q_RECIPE_PATH=/no/folder:$BATS_TEST_TMPDIR q-observe -q tiny.h5 --data data.h5 --recipe mine -o "$out/found.h5"
  for result in yaml path found; do same_bytes "$out/name.h5" "$out/$result.h5"; done
}

@test "the default recipe is int8" {
  q-observe -q tiny.h5 --data data.h5 --recipe int8 -o "$out/int8.h5"
  same_bytes observed.h5 "$out/int8.h5"
}

@test "of several recipes the later overrides, field by field" {
  echo 'activations: {observer: minmax, method: minmax}' > "$BATS_TEST_TMPDIR/patch.yaml"
  q-observe -q tiny.h5 --data data.h5 --recipe int8 --recipe "$BATS_TEST_TMPDIR/patch.yaml" -o "$out/patched.h5"
  q-observe -q tiny.h5 --data data.h5 --recipe int8-minmax -o "$out/minmax.h5"
  [ "$(record "$out/patched.h5")" = "$(record "$out/minmax.h5")" ]
}

@test "recipes that cannot be found or understood are refused, with the place" {
  refused "q-observe: recipe nowhere: not found*" q-observe tiny.h5 --data data.h5 --recipe nowhere
  refused "q-observe: ./nowhere.yaml: *" q-observe tiny.h5 --data data.h5 --recipe ./nowhere.yaml
  printf 'extends: int8\nactivation: {}\n' > "$BATS_TEST_TMPDIR/key.yaml"
  refused "q-observe: $BATS_TEST_TMPDIR/key.yaml:2:1: *activation*" \
    q-observe tiny.h5 --data data.h5 --recipe "$BATS_TEST_TMPDIR/key.yaml"
  printf 'extends: int8\nrules:\n  - {op: linear, quantize: perhaps}\n' > "$BATS_TEST_TMPDIR/type.yaml"
  refused "q-observe: $BATS_TEST_TMPDIR/type.yaml:3:*" q-observe tiny.h5 --data data.h5 --recipe "$BATS_TEST_TMPDIR/type.yaml"
  printf 'extends: int8\nrules:\n  - {op: conv2d, quantize: false}\n' > "$BATS_TEST_TMPDIR/idle.yaml"
  refused "q-observe: $BATS_TEST_TMPDIR/idle.yaml:3:5: the rule matches no node of the model" \
    q-observe tiny.h5 --data data.h5 --recipe "$BATS_TEST_TMPDIR/idle.yaml"
}

@test "a rule matches by operator, by name and by pattern, and the last that matches wins" {
  printf 'extends: int8\nrules:\n  - {name: "f*", quantize: false}\n' > "$BATS_TEST_TMPDIR/off.yaml"
  run -0 --separate-stderr q-observe -v tiny.h5 --data data.h5 --recipe "$BATS_TEST_TMPDIR/off.yaml" -o "$out/off.h5"
  [ "${stderr_lines[0]}" = "q-observe: kept float: fc: the recipe says so" ]
  printf 'extends: int8\nrules:\n  - {op: linear, quantize: false}\n  - {name: fc, quantize: true}\n' > "$BATS_TEST_TMPDIR/on.yaml"
  q-observe -q tiny.h5 --data data.h5 --recipe "$BATS_TEST_TMPDIR/on.yaml" -o "$out/on.h5"
  [ "$(record observed.h5)" = "$(record "$out/on.h5")" ]
}

@test "what the recipe keeps float is counted, and is no warning" {
  printf 'extends: int8\nrules:\n  - {op: linear, quantize: false}\n' > "$BATS_TEST_TMPDIR/off.yaml"
  run -0 --separate-stderr q-observe --strict tiny.h5 --data data.h5 --recipe "$BATS_TEST_TMPDIR/off.yaml" -o "$out/off.h5"
  [ "$stderr" = "q-observe: kept float: 1
q-observe: observed 2 tensors over 8 samples" ]
}

@test "a node without an integer form is a warning, and an error under --strict" {
  island=("$BATS_TEST_TMPDIR/island.h5" --data "$BATS_TEST_TMPDIR/data.h5")
  make_tiny_island "${island[0]}" "${island[2]}"
  run -0 --separate-stderr q-observe "${island[@]}" -o "$BATS_TEST_TMPDIR/observed.h5"
  [ "${stderr_lines[0]}" = "q-observe: warning: float island: 1: fc: 66000 products per output could overflow int32" ]
  run -2 --separate-stderr q-observe --strict "${island[@]}" -o "$out/observed.h5"
  [ "${stderr_lines[-1]}" = "q-observe: 1 warning under --strict" ]
  nothing_left
}

@test "the history tells the recipe and what changes the result, and nothing else" {
  cp data.h5 "$BATS_TEST_TMPDIR/elsewhere.h5"
  q-observe -q -j 1 --isa generic --batch 3 --progress never tiny.h5 --data "$BATS_TEST_TMPDIR/elsewhere.h5" --samples 0:8 --mean 0 \
    -o "$out/observed.h5"
  run -0 q-info "$out/observed.h5"
  [[ ${lines[1]} =~ ^"history      q-observe "[0-9.]+" --samples 0:8 --mean 0 recipe "[0-9a-f]+$ ]]
}

@test "no data, and data that are not there, are refused" {
  refused "q-observe: no data: wanted --data FILE" q-observe tiny.h5
  refused "q-observe: nowhere.h5: No such file or directory" q-observe tiny.h5 --data nowhere.h5
}

@test "a model that is quantized already is refused" {
  refused "q-observe: int8.h5: is quantized already, wanted a float model" q-observe int8.h5 --data data.h5
}

@test "observing a calibrated model starts anew" {
  q-observe -q --no-history calibrated.h5 --data data.h5 -o "$out/again.h5"
  q-observe -q --no-history tiny.h5 --data data.h5 -o "$out/first.h5"
  same_bytes "$out/first.h5" "$out/again.h5"
}
