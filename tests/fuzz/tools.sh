#!/bin/bash
# Damaged files through the real tools: tools.sh BUILD SECONDS [SEED]. Bytes of valid files are changed, cut off or doubled; a
# tool must end with status 0, 1 or 2, with 2 after one line that begins with its name, and leave nothing behind. So also where
# HDF5, protobuf or libzip fault or loop. The first file that breaks this is kept in BUILD/fuzz, and the status is 1.
set -uo pipefail

source_dir=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd) seconds=$2
RANDOM=${3-$$} seed=${3-$$}
PATH=$build/bin:$PATH
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch/tmp
mkdir "$TMPDIR" "$scratch/out" "$scratch/seeds"
cd "$scratch" || exit

# shellcheck source=/dev/null
make_seeds() (
  BATS_TEST_DIRNAME=$source_dir/tests/cli
  source "$BATS_TEST_DIRNAME/common.bash"
  cd seeds || exit
  make_tiny_stages .
  q-observe -q tiny.h5 --data data.h5 --stats-only -o stats.h5
  q-run -q tiny.h5 --data data.h5 -o tensors.h5
  edit_model packed.h5 <<< 'packed /x f32 8,4 0.5 -1 1 0 2 -0.25 0.75'
  { npy_head "8, 4"; head -c 32 /dev/zero; } > data.npy
  cp "$source_dir"/tests/fuzz/corpus/data_fuzz/*.npz "$source_dir"/examples/glyphs/glyphs.onnx "$source_dir"/recipes/int8.yaml .
)
make_seeds || exit

# A number below $1.
below() { number=$(((RANDOM << 30 | RANDOM << 15 | RANDOM) % $1)); }

damage() {
  local size count
  size=$(stat -c %s bad)
  below 10
  case $number in
    0) below "$size"; truncate -s "$number" bad ;;
    1) below "$size"; dd if=bad of=bad bs=1 skip="$number" count=64 seek=$((size / 2)) conv=notrunc status=none ;;
    *) below 8; count=$((number + 1))
       while [ $((count--)) -gt 0 ]; do
         below 256
         printf -v byte '\\x%02x' "$number"
         # half of them at the front, where most of the structure is
         if below 2; [ "$number" = 0 ]; then below "$((size < 2048 ? size : 2048))"; else below "$size"; fi
         printf '%b' "$byte" | dd of=bad bs=1 seek="$number" conv=notrunc status=none
       done ;;
  esac
}

broken() {
  mkdir -p "$build/fuzz"
  cp bad "$build/fuzz/tools-$seed-$trials"
  printf '%s\nstatus %s\n' "$1: $2" "$status" && head -c 1000 stderr
  echo "kept as $build/fuzz/tools-$seed-$trials"
  exit 1
}

seeds=(seeds/*) trials=0 refused=0
while [ $SECONDS -lt "$seconds" ]; do
  below ${#seeds[@]}
  of=${seeds[number]}
  cp "$of" bad
  damage
  below 3
  case $of in
    *.onnx) command=(q-import bad -o out/result.h5) ;;
    *.yaml) command=(q-observe seeds/tiny.h5 --data seeds/data.h5 --recipe ./bad -o out/result.h5) ;;
    *data.h5|*packed.h5|*.npy|*.npz)
      commands=("q-run seeds/tiny.h5 --data bad -o out/result.h5" "q-observe seeds/tiny.h5 --data bad -o out/result.h5" "q-info bad")
      read -ra command <<< "${commands[number]}" ;;
    *) commands=("q-info bad" "q-run bad --data seeds/data.h5 -o out/result.h5" "q-calibrate bad -o out/result.h5")
      read -ra command <<< "${commands[number]}" ;;
  esac
  status=0
  timeout 100 "${command[@]}" > stdout 2> stderr || status=$?
  trials=$((trials + 1))
  rm -f out/result.h5
  case $status in
    0|1) ;;
    2) refused=$((refused + 1))
       [[ $(tail -n 1 stderr) == "${command[0]}: "* ]] || broken "${command[*]}" "no line of its own" ;;
    *) broken "${command[*]}" "a status that is none" ;;
  esac
  [ -z "$(find "$TMPDIR" out -mindepth 1)" ] || broken "${command[*]}" "something is left behind"
done
echo "$trials runs, $refused refused, seed $seed"
