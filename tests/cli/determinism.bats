#!/usr/bin/env bats
# The same model, data and recipe give the same bytes, however the work is cut up and whatever computes it.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
# shellcheck disable=SC2002  # cat makes a pipe of a file, on purpose
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

# The rows of kernels this machine can run, as the tools themselves name them.
rows_of_this_machine() {
  run -2 q-info --isa none --list-ops
  tr -d , <<< "${output##*: }"
}

# What a user gets from observing on, with these options, in folder $1: stats, observed, calibrated, int8, result, inner (.h5).
make_all() {
  make_all_from "$stages/fused.h5" "$glyphs/calib.h5" "$@"
}

# The same from this model and data.
make_all_from() {
  local fused=$1 data=(--data "$2" --samples 0:100 "${normalised[@]}") to=$3
  shift 3
  mkdir "$to"
  q-observe -q "$@" "$fused" "${data[@]}" -o "$to/observed.h5"
  q-observe -q "$@" "$fused" "${data[@]}" --stats-only -o "$to/stats.h5"
  options_without_batch "$@"
  q-calibrate -q "${without_batch[@]}" "$to/observed.h5" -o "$to/calibrated.h5"
  q-convert -q "${without_batch[@]}" "$to/calibrated.h5" -o "$to/int8.h5"
  q-run "$@" "$to/int8.h5" "${test_data[@]}" -o "$to/result.h5"
  q-run "$@" "$fused" "${test_data[@]}" --keep /residual/act/Relu_output_0 -o "$to/float.h5"
}

options_without_batch() {
  without_batch=()
  while [ $# -gt 0 ]; do
    if [ "$1" = --batch ]; then shift; else without_batch+=("$1"); fi
    shift
  done
}

# Every file of folder $1 is in $2, with the same bytes.
same_files() {
  [ "$(find "$1" -type f | wc -l)" = 6 ]
  for file in "$1"/*; do same_bytes "$file" "$2/$(basename "$file")"; done
}

settings() {
  stages=$BATS_FILE_TMPDIR/stages
  reference=$BATS_FILE_TMPDIR/reference
  calibration=(--data "$glyphs/calib.h5" --samples 0:100 "${normalised[@]}")
  test_data=(--data "$glyphs/test.h5" --samples 0:50 "${normalised[@]}")
}

setup_file() {
  settings
  mkdir "$stages"
  q-import -q "$glyphs/glyphs.onnx" -o "$stages/float.h5"
  q-fuse -q "$stages/float.h5" -o "$stages/fused.h5"
  make_all "$reference"
}

setup() {
  settings
  private_folders
}

@test "one, two and four threads give the same bytes" {
  for threads in 1 2 4; do
    make_all "$out/$threads" -j "$threads"
    same_files "$reference" "$out/$threads"
  done
}

@test "batches of 1, 7 and 32 samples give the same bytes" {
  for batch in 1 7 32; do
    make_all "$out/$batch" --batch "$batch"
    same_files "$reference" "$out/$batch"
  done
}

@test "a batch larger than the data gives the same bytes" {
  make_all "$out/large" --batch 1000
  same_files "$reference" "$out/large"
}

@test "every row of kernels gives the bytes of the generic one, by --isa and by Q_ISA" {
  read -ra rows <<< "$(rows_of_this_machine)"
  [ "${rows[0]}" = generic ]
  make_all "$out/generic" --isa generic
  same_files "$reference" "$out/generic"
  [ "${#rows[@]}" -gt 1 ] || skip "this machine runs the generic row alone"
  for row in "${rows[@]:1}"; do
    make_all "$out/$row" --isa "$row"
    same_files "$out/generic" "$out/$row"
    Q_ISA=$row make_all "$out/env-$row"
    same_files "$out/generic" "$out/env-$row"
  done
}

@test "1, 3 and 8 shards, merged in any order, give the model of the undivided run" {
  for count in 1 3 8; do
    parts=()
    for ((i = 0; i < count; ++i)); do
      q-observe -q "$stages/fused.h5" "${calibration[@]}" --stats-only --shard "$i/$count" -o "$out/$count.$i.h5"
      parts+=("$out/$count.$i.h5")
    done
    q-calibrate -q "$stages/fused.h5" "${parts[@]}" -o "$out/forward.h5"
    same_bytes "$reference/calibrated.h5" "$out/forward.h5"
    mapfile -t backward < <(printf '%s\n' "${parts[@]}" | sort -r)
    q-calibrate -q "$stages/fused.h5" "${backward[@]}" -o "$out/backward.h5"
    same_bytes "$reference/calibrated.h5" "$out/backward.h5"
    q-convert -q "$out/backward.h5" -o "$out/int8.h5"
    same_bytes "$reference/int8.h5" "$out/int8.h5"
  done
}

@test "shards made with other batches, threads and kernels merge to the same bytes" {
  q-observe -q "$stages/fused.h5" "${calibration[@]}" --stats-only --shard 0/3 --batch 1 -o "$out/0.h5"
  q-observe -q "$stages/fused.h5" "${calibration[@]}" --stats-only --shard 1/3 --batch 16 -j 1 -o "$out/1.h5"
  q-observe -q "$stages/fused.h5" "${calibration[@]}" --stats-only --shard 2/3 --isa generic -o "$out/2.h5"
  q-calibrate -q "$stages/fused.h5" "$out/1.h5" "$out/2.h5" "$out/0.h5" -o "$out/calibrated.h5"
  same_bytes "$reference/calibrated.h5" "$out/calibrated.h5"
}

@test "pipes give the bytes of files" {
  q-import -q < "$glyphs/glyphs.onnx" | q-fuse -q > "$out/fused.h5"
  same_bytes "$stages/fused.h5" "$out/fused.h5"
  cat "$out/fused.h5" | q-observe -q "${calibration[@]}" > "$out/observed.h5"
  same_bytes "$reference/observed.h5" "$out/observed.h5"
  cat "$out/observed.h5" | q-calibrate -q > "$out/calibrated.h5"
  same_bytes "$reference/calibrated.h5" "$out/calibrated.h5"
  cat "$out/calibrated.h5" | q-convert -q > "$out/int8.h5"
  same_bytes "$reference/int8.h5" "$out/int8.h5"
  cat "$out/int8.h5" | q-run "${test_data[@]}" > "$out/result.h5"
  same_bytes "$reference/result.h5" "$out/result.h5"
}

@test "runs more than a second apart, and in another folder, give the same bytes" {
  q-import -q "$glyphs/glyphs.onnx" -o "$out/first.h5"
  sleep 1.1  # the clock of a file's times counts seconds
  mkdir "$BATS_TEST_TMPDIR/elsewhere"
  cp "$stages/fused.h5" "$glyphs/glyphs.onnx" "$BATS_TEST_TMPDIR/elsewhere"
  cp "$glyphs/calib.h5" "$BATS_TEST_TMPDIR/elsewhere/other.h5"
  cd "$BATS_TEST_TMPDIR/elsewhere" || return 1
  q-import -q glyphs.onnx -o "$out/second.h5"
  same_bytes "$out/first.h5" "$out/second.h5"
  make_all_from fused.h5 other.h5 "$out/later"
  same_files "$reference" "$out/later"
}

@test "weights give the same bytes however they are stored" {
  make_tiny "$out/plain.h5"
  edit_model "$out/plain.h5" <<< 'attribute /values/x shape ints -1 400000'
  edit_model "$out/plain.h5" <<< 'dataset /constants/w f32 3,400000 0.5 -1 0.25 2'
  q-fuse -q "$out/plain.h5" -o "$out/fused.h5"
  for storage in 'dataset /constants/w f32be' 'packed /constants/w f32'; do
    cp "$out/plain.h5" "$out/other.h5"
    edit_model "$out/other.h5" <<< "$storage 3,400000 0.5 -1 0.25 2"
    q-fuse -q "$out/other.h5" -o "$out/other.fused.h5"
    same_bytes "$out/fused.h5" "$out/other.fused.h5"
  done
}

@test "what differs in its meaning differs in its bytes" {
  q-observe -q "$stages/fused.h5" --data "$glyphs/calib.h5" --samples 0:99 "${normalised[@]}" -o "$out/other.h5"
  run ! cmp -s "$reference/observed.h5" "$out/other.h5"
  q-calibrate -q --method minmax "$reference/observed.h5" -o "$out/minmax.h5"
  run ! cmp -s "$reference/calibrated.h5" "$out/minmax.h5"
}

@test "what is printed is the same for all threads, batches and kernels" {
  q-compare "$stages/fused.h5" "$reference/int8.h5" "${test_data[@]}" --json > "$out/reference.json"
  q-compare "$stages/fused.h5" "$reference/int8.h5" "${test_data[@]}" --json -j 1 --isa generic > "$out/other.json"
  same_bytes "$out/reference.json" "$out/other.json"
}
