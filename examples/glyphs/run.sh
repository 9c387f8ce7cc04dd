#!/bin/bash
# From glyphs.onnx to a measured int8 model, every command shown before it runs: run.sh [FOLDER]
# The files stay in FOLDER; without one, nothing stays. The q tools must be in PATH.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ $# -gt 0 ]; then
  mkdir -p "$1"
  folder=$1
else
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
cp "$here"/{glyphs.onnx,glyphs.yaml,calib.h5,test.h5} "$folder"
cd "$folder"

say() { printf '\n# %s\n' "$*"; }
run() {
  printf '$ %s\n' "$1"
  eval "$1"
}

say 'The float model, and its int8 form: import, fuse, observe on 500 samples, choose scales, convert.'
run 'q-import -q glyphs.onnx -o glyphs.h5'
run 'q-import glyphs.onnx | q-fuse | q-observe --data calib.h5 --recipe glyphs.yaml | q-calibrate | q-convert -o glyphs.int8.h5'

say 'The same with the samples divided among four processes: the same bytes.'
run 'q-fuse -q glyphs.h5 -o fused.h5'
run 'seq 0 3 | xargs -P 4 -I {} q-observe -q -j 1 fused.h5 --data calib.h5 --recipe glyphs.yaml --stats-only --shard {}/4 -o s{}.h5'
run 'q-calibrate -q --recipe glyphs.yaml fused.h5 s0.h5 s1.h5 s2.h5 s3.h5 | q-convert -q -o sharded.int8.h5'
run 'cmp glyphs.int8.h5 sharded.int8.h5'

say 'Run it on the 2000 test samples.'
run 'q-run glyphs.int8.h5 --data test.h5 --recipe glyphs.yaml -o out.h5'

say 'Prove that the two agree: exit status 1 if not.'
run 'q-compare glyphs.h5 glyphs.int8.h5 --data test.h5 --recipe glyphs.yaml --min-top1-agreement 0.98 --min-sqnr 15'

# ---- the table ----
q-compare glyphs.h5 glyphs.int8.h5 --data test.h5 --recipe glyphs.yaml --no-local --json > compared.json
ms_per_sample() { q-run "$1" --data test.h5 --recipe glyphs.yaml --batch 1 --threads 1 --repeat 200 | awk '{ print $1 }'; }
awk -v float_bytes="$(stat -c %s glyphs.h5)" -v int8_bytes="$(stat -c %s glyphs.int8.h5)" \
    -v float_ms="$(ms_per_sample glyphs.h5)" -v int8_ms="$(ms_per_sample glyphs.int8.h5)" '
  { gsub(/[",:]/, "") }
  $1 == "top1_agreement" { agreement = 100 * $2 }
  $1 == "reference_accuracy" { float_accuracy = 100 * $2 }
  $1 == "accuracy" { int8_accuracy = 100 * $2 }
  $1 == "output" { is_output = $2 == "true" }
  $1 == "sqnr_db" && is_output { sqnr = $2 }
  END {
    printf "\n%-24s %10s %10s\n", "", "float", "int8"
    printf "%-24s %10.2f %10.2f\n", "accuracy, %", float_accuracy, int8_accuracy
    printf "%-24s %10d %10d\n", "file size, bytes", float_bytes, int8_bytes
    printf "%-24s %10.4f %10.4f\n", "ms per sample, 1 thread", float_ms, int8_ms
    printf "%-24s %10s %10.2f\n", "top-1 agreement, %", "", agreement
    printf "%-24s %10s %10.2f\n", "SQNR of the scores, dB", "", sqnr
  }' compared.json
