#!/usr/bin/env bats
# q-calibrate: merges records of observation and chooses scale and zero point of every tensor.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  make_tiny_stages .
  # one value of 8000 is 100, the others lie in [-1, 1]
  edit_model outlier.h5 <<< $'dataset /x f32 2000,4 0 0.25 0.5 0.75 -1 1 -0.5 -0.25\nvalue /x 3 100'
  q-observe -q tiny.h5 --data outlier.h5 -o outlier.observed.h5
  q-observe -q tiny.h5 --data data.h5 --stats-only --shard 0/2 -o s0.h5
  q-observe -q tiny.h5 --data data.h5 --stats-only --shard 1/2 -o s1.h5
  q-observe -q tiny.h5 --data data.h5 --stats-only --recipe int8-minmax -o minmax.h5
}

setup() {
  private_folders
  cd "$BATS_FILE_TMPDIR" || return 1
}

# Scale and zero point of the model input in $1.
input_scale() {
  q-info --json "$1" | sed '/"outputs"/q' | tr -d ' \n' | sed 's/.*"scales":\[\([^]]*\)\],"zero_points":\[\([^]]*\)\].*/\1 \2/'
}

@test "minmax takes the whole range seen: scale (max - min) / 255, and zero is exact" {
  q-calibrate -q --method minmax observed.h5 -o "$out/calibrated.h5"
  # x from -1 to 2: f32(3 / 255), and -1 is 85 steps below zero
  [ "$(input_scale "$out/calibrated.h5")" = "0.0117647061124444 85" ]
}

@test "percentile leaves out so many of the values" {
  # 99 per cent of the values lie in [-1, 1]: the scale is 2 / 255, and less than a bin (a 2048th) of [-1, 1] more
  q-calibrate -q --method percentile --percentile 99 outlier.observed.h5 -o "$out/calibrated.h5"
  read -r scale zero <<< "$(input_scale "$out/calibrated.h5")"
  awk -v scale="$scale" 'BEGIN { exit !(scale >= 2 / 255 - 1e-9 && scale < 2 / 255 * 1.05) }'
  [ "$zero" -ge 120 ]
  # the one value of 8000 that lies outside is inside of 100 per cent
  q-calibrate -q --method percentile --percentile 100 outlier.observed.h5 -o "$out/calibrated.h5"
  [[ $(input_scale "$out/calibrated.h5") == "0.39607843"*" 3" ]]
}

@test "every method keeps the bundled model right" {
  make_stages "$BATS_TEST_TMPDIR"
  for method in minmax percentile mse entropy; do
    q-calibrate -q --method "$method" "$BATS_TEST_TMPDIR/observed.h5" | q-convert -q -o "$out/int8.h5"
    run -0 q-compare -v --no-local --min-top1-agreement 0.95 "$BATS_TEST_TMPDIR/fused.h5" "$out/int8.h5" \
      --data "$glyphs/test.h5" --samples 0:300 "${normalised[@]}"
  done
}

@test "the recipe's method is what is used when none is given" {
  q-calibrate -q --no-history observed.h5 -o "$out/recipe.h5"
  q-calibrate -q --no-history --method mse observed.h5 -o "$out/mse.h5"
  same_bytes "$out/recipe.h5" "$out/mse.h5"
}

@test "a method that the observer does not offer is refused" {
  q-observe -q tiny.h5 --data data.h5 --recipe int8-minmax -o "$BATS_TEST_TMPDIR/observed.h5"
  refused "q-calibrate: /values/x: minmax does not offer the method mse" q-calibrate --method mse "$BATS_TEST_TMPDIR/observed.h5"
  refused "q-calibrate: --method: \"l2\", wanted mse|minmax|percentile|entropy (try q-calibrate --help)" \
    q-calibrate --method l2 observed.h5
}

@test "a percentile that is none is refused" {
  for percent in 0 -1 101 nan inf; do
    refused "q-calibrate: --percentile $percent, wanted more than 0 and at most 100" q-calibrate --percentile "$percent" observed.h5
  done
}

@test "the model comes out with its own weights, and without the record" {
  run -0 q-info calibrated.h5
  [[ $output == *"constants    2, 60 bytes"* ]]
  [[ $output != *statistics* ]]
  q-compare --exact tiny.h5 calibrated.h5 --data data.h5
}

@test "records beside the model take the place of its own" {
  q-calibrate -q --no-history observed.h5 s0.h5 -o "$out/half.h5"
  q-observe -q tiny.h5 --data data.h5 --samples 0:4 -o "$out/observed.h5"
  q-calibrate -q --no-history "$out/observed.h5" -o "$out/wanted.h5"
  same_bytes "$out/wanted.h5" "$out/half.h5"
}

@test "records of shards give the bytes of an observed model, history and all" {
  q-calibrate -q tiny.h5 s1.h5 s0.h5 -o "$out/calibrated.h5"
  same_bytes calibrated.h5 "$out/calibrated.h5"
}

@test "a model without a record is refused" {
  refused "q-calibrate: tiny.h5: no statistics: run q-observe first" q-calibrate tiny.h5
  refused "q-calibrate: standard input: no statistics: run q-observe first" q-calibrate < tiny.h5
  refused "q-calibrate: tiny.h5: holds no statistics" q-calibrate tiny.h5 tiny.h5
}

@test "a record in the place of the model is refused" {
  refused "q-calibrate: s0.h5: is q-stats, wanted q-model" q-calibrate s0.h5 s1.h5
}

@test "records made in different ways are not merged" {
  refused "q-calibrate: minmax.h5: was made by other commands than the statistics before it" \
    q-calibrate tiny.h5 s0.h5 minmax.h5
  q-observe -q tiny.h5 --data data.h5 --mean 1 --stats-only -o "$BATS_TEST_TMPDIR/other.h5"
  refused "q-calibrate: $BATS_TEST_TMPDIR/other.h5: was made by other commands than the statistics before it" \
    q-calibrate tiny.h5 s0.h5 "$BATS_TEST_TMPDIR/other.h5"
}

@test "a record made with another recipe needs that recipe" {
  refused "q-calibrate: the statistics were made with another recipe than the default one: give --recipe" \
    q-calibrate tiny.h5 minmax.h5
  q-calibrate -q tiny.h5 minmax.h5 --recipe int8-minmax -o "$out/calibrated.h5"
  q-observe -q tiny.h5 --data data.h5 --recipe int8-minmax -o "$out/observed.h5"
  q-calibrate -q "$out/observed.h5" -o "$out/wanted.h5"
  same_bytes "$out/wanted.h5" "$out/calibrated.h5"
}

@test "a record of another model is refused, and names what was never observed" {
  q-fuse -q tiny.h5 -o "$BATS_TEST_TMPDIR/fused.h5"
  q-observe -q "$BATS_TEST_TMPDIR/fused.h5" --data data.h5 --stats-only -o "$BATS_TEST_TMPDIR/stats.h5"
  refused "q-calibrate: /values/h: was never observed: *" q-calibrate tiny.h5 "$BATS_TEST_TMPDIR/stats.h5"
}

@test "--recipe chooses anew from the same record" {
  q-calibrate -q observed.h5 --recipe qnnpack -o "$out/calibrated.h5"
  # one scale for the whole weight: of -1 to 1 over 255 levels
  run -0 bash -c "h5dump -a /constants/w/scale '$out/calibrated.h5' | grep -c 'SIMPLE { ( 1 ) / ( 1 ) }'"
  [ "$output" = 1 ]
}

@test "a record of no samples is refused" {
  q-observe -q tiny.h5 --data data.h5 --stats-only --shard 0/100 -o "$BATS_TEST_TMPDIR/none.h5"
  refused "q-calibrate: /values/x: saw no values, cannot choose a range" q-calibrate tiny.h5 "$BATS_TEST_TMPDIR/none.h5"
}

@test "the history keeps method and percentile" {
  q-calibrate -q --method percentile --percentile 99.9 observed.h5 -o "$out/calibrated.h5"
  run -0 q-info "$out/calibrated.h5"
  [[ $output == *"q-calibrate "*" --method percentile --percentile 99.9"* ]]
}
