#!/usr/bin/env bats
# The examples do what their pages say.
# shellcheck disable=SC2154  # common.bash sets glyphs and source_dir, bats stderr
bats_require_minimum_version 1.5.0
load common
unset MAKEFLAGS MAKELEVEL MFLAGS  # of the make that runs the tests

batch() {
  make -s -f "$source_dir/examples/batch/Makefile" DIR="$models" RECIPE="$glyphs/glyphs.yaml" "$@"
}

# Two models of different names, and the data for both.
make_folder() {
  models=$BATS_TEST_TMPDIR/models
  mkdir "$models"
  cd "$models" || return
  cp "$glyphs/glyphs.onnx" first.onnx
  cp "$glyphs/glyphs.onnx" second.onnx
  cp "$glyphs"/{calib,test}.h5 .
}

@test "glyphs goes from ONNX to a measured int8 model and ends with the table" {
  run -0 "$glyphs/run.sh" "$BATS_TEST_TMPDIR/glyphs"
  table=("${lines[@]: -6}")
  [[ ${table[0]} =~ ^\ +float\ +int8$ ]]
  [[ ${table[1]} =~ ^accuracy,\ %\ +9[0-9.]+\ +9[0-9.]+$ ]]
  [[ ${table[2]} =~ ^file\ size,\ bytes\ +([0-9]+)\ +([0-9]+)$ ]]
  [ "${BASH_REMATCH[2]}" -lt "${BASH_REMATCH[1]}" ]
  [[ ${table[3]} =~ ^ms\ per\ sample,\ 1\ thread\ +[0-9.]+\ +[0-9.]+$ ]]
  [[ ${table[4]} =~ ^top-1\ agreement,\ %\ +9[0-9.]+$ ]]
  [[ ${table[5]} =~ ^SQNR\ of\ the\ scores,\ dB\ +[0-9.]+$ ]]
  cmp "$BATS_TEST_TMPDIR"/glyphs/{sharded,glyphs}.int8.h5
}

@test "glyphs leaves nothing behind when no folder is given" {
  mkdir "$BATS_TEST_TMPDIR/tmp"
  TMPDIR=$BATS_TEST_TMPDIR/tmp run -0 "$glyphs/run.sh"
  [ -z "$(find "$BATS_TEST_TMPDIR/tmp" -mindepth 1)" ]
}

@test "batch makes every model of a folder, and none twice" {
  make_folder
  batch -j2
  [ -s first.int8.h5 ]
  cmp first.int8.h5 second.int8.h5
  batch --question
}

@test "batch makes only the models again whose files changed" {
  make_folder
  batch
  touch before
  touch second.onnx
  batch
  [ second.int8.h5 -nt before ]
  [ ! first.int8.h5 -nt before ]
}

@test "batch compares int8 with float, and fails where one falls short" {
  make_folder
  batch check
  grep -q 'top-1 agreement' first.compared.txt
  rm first.compared.txt
  run -2 --separate-stderr batch MIN_SQNR=90 check
  [[ $stderr == "q-compare: SQNR of logits is "*", wanted at least 90"* ]]
  [ ! -e first.compared.txt ]
}

@test "batch prefers a model's own recipe and data" {
  make_folder
  cp "$glyphs/glyphs.yaml" first.yaml
  mv calib.h5 first.calib.h5
  batch RECIPE=none.yaml "$models/first.int8.h5"
  [ -s first.int8.h5 ]
}

@test "batch refuses a folder without models in one line" {
  models=$BATS_TEST_TMPDIR
  run -2 batch
  [ "${#lines[@]}" = 1 ]
  [[ $output == *"$models: no *.onnx"* ]]
}
