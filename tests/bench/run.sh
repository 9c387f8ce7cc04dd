#!/bin/bash
# Measures the tools beside ONNX Runtime and PyTorch, and against the targets of targets.tsv; `make bench` calls it.
#
#   run.sh [--quick] [--only GROUP,...] [--scale] [--record] [--build DIR] [--work DIR]
#
#   --only    some of: int8 float agree threads gain isa kernels observe static process memory scale
#   --quick   two short rounds instead of five, to see where one stands
#   --scale   also 100,000 samples and 4 GB of weights: some minutes, and 13 GB of disk
#   --record  write what was measured into RESULTS.md; its other rows, and what is written below them, stay
#
# The table goes to standard output, progress to standard error. DIR has the tools in bin/ (build/release); models, samples
# and ONNX Runtime are kept in the work folder (build/bench).
set -Eeuo pipefail
trap 'echo "bench: stopped at: $BASH_COMMAND" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=measure.sh
. "$here/measure.sh"
# shellcheck source=models.sh
. "$here/models.sh"
# shellcheck source=rows.sh
. "$here/rows.sh"
# shellcheck source=record.sh
. "$here/record.sh"

groups='int8 float agree threads gain isa kernels observe static process memory'
build=$root/build/release
work=$root/build/bench
rounds=5 budget=1500 launches=50 record=
while [ $# -gt 0 ]; do
  case $1 in
    --quick) rounds=2 budget=300 launches=10 ;;
    --only) groups=${2//,/ } && shift ;;
    --scale) groups+=' scale' ;;
    --record) record=1 ;;
    --build) build=$2 && shift ;;
    --work) work=$2 && shift ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
  esac
  shift
done
if [ -n "$record" ] && [ "$rounds" -lt 5 ]; then note '--record: not of a quick run' && exit 2; fi
for group in $groups; do
  if ! declare -F "rows_$group" > /dev/null; then note "--only $group: no such group" && exit 2; fi
done

# What would change the speed of one side only.
unset OMP_NUM_THREADS OMP_WAIT_POLICY GOMP_SPINCOUNT GOMP_CPU_AFFINITY Q_ISA Q_RECIPE_PATH
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
mkdir -p "$work"
build=$(cd "$build" && pwd) work=$(cd "$work" && pwd)
PATH=$build/bin:$PATH
python=${PYTHON:-/usr/bin/python3}
results=$work/results.tsv
notes=$work/notes.md
started=$(uptime)
load=${started##*average: }
if awk -v load="${load%%,*}" 'BEGIN { exit load < 0.5 }'; then note "the machine is busy, load $load: the figures will be too"; fi

ort=$(find_ort)
make_onnx
make_q_models
# The rows of kernels that this machine can use, the fastest last: the message about a row that is not among them says so.
isas=$(q-run "$work/kws.int8.h5" --data "$work/kws.samples.h5" --isa none 2>&1 | sed -n "s/.*this machine's: //p" | tr -d ,) || true
isa=${isas##* }

: > "$results"
: > "$notes"
for group in $groups; do "rows_$group"; done
rm -f "$work"/out.* "$work/optimized.onnx" "$work"/mat-debug-*.log

commit=$(git -C "$root" rev-parse --short HEAD 2> /dev/null || echo unknown)
if [ -n "$(git -C "$root" status --porcelain -uno -- . ':!tests/bench/RESULTS.md' 2> /dev/null)" ]; then commit+=+; fi
table() {
  awk -f "$here/table.awk" "when=$(date +%F) $commit" kind=targets "$here/targets.tsv" kind=results "$results" "$@"
}
table
if [ -s "$notes" ]; then printf '\n' && cat "$notes"; fi
if [ -n "$record" ]; then record; fi
