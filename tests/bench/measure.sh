# shellcheck shell=bash disable=SC2154  # the variables of run.sh
# How figures are taken. Sourced by run.sh, which sets: here, work, results, python, ort, rounds, budget.
# A figure is a number on standard output, or a word in its place where there is nothing to measure.

note() { echo "bench: $*" >&2; }

# Median and spread of one figure per line; the word, when a line is one.
summary() {
  sort -g | awk '
    !/^-?[0-9.]+(e[-+]?[0-9]+)?$/ { word = $0; next }
    { figure[++n] = $1 }
    END {
      if (word != "" || !n) { print (word != "" ? word : "failed") "\t"; exit }
      median = n % 2 ? figure[(n + 1) / 2] : (figure[n / 2] + figure[n / 2 + 1]) / 2
      printf "%.6g\t%.0f %%\n", median, median ? 100 * (figure[n] - figure[1]) / median : 0
    }'
}

# A row of the table: emit ID OURS AGAINST [SPREAD]
emit() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4-}" >> "$results"; }

# Two commands that print a figure, run alternately so that a change of the machine's speed meets both:
# alternate ID COMMAND... -- COMMAND...
alternate() {
  local id=$1 first=() ours='' theirs='' a b ours_spread their_spread
  shift
  while [ "$1" != -- ]; do
    first+=("$1")
    shift
  done
  shift
  note "$id"
  for ((round = 0; round < rounds; round++)); do
    ours+=$("${first[@]}" || echo failed)$'\n'
    theirs+=$("$@" || echo failed)$'\n'
  done
  IFS=$'\t' read -r a ours_spread < <(printf %s "$ours" | summary) || true
  IFS=$'\t' read -r b their_spread < <(printf %s "$theirs" | summary) || true
  emit "$id" "$a" "$b" "${ours_spread:--} / ${their_spread:--}"
}

# The median of a figure where there is nothing to alternate with: alone ID COMMAND...
alone() {
  local id=$1 figures='' figure spread
  shift
  note "$id"
  for ((round = 0; round < rounds; round++)); do figures+=$("$@" || echo failed)$'\n'; done
  IFS=$'\t' read -r figure spread < <(printf %s "$figures" | summary) || true
  emit "$id" "$figure" '' "$spread"
}

# Whether this machine's kernels include a row: has_isa NAME
has_isa() { [[ " $isas " == *" $1 "* ]]; }

# Runs that fill the time of one measurement: runs_of MODEL THREADS BATCH [ISA]
runs_of() {
  [ -e "$work/$1.h5" ] || { echo 0; return; }
  q_repeat "$1" "$2" "$3" 3 "${4-}" | awk -v budget="$budget" -v batch="$3" '
    { n = int(budget / ($1 * batch)); print (n < 5 ? 5 : (n > 20000 ? 20000 : n)) }'
}

# The data of a model, which is named NAME.int8 or NAME.float: data_of MODEL
data_of() { echo "$work/${1%.*}.samples.h5"; }

q_repeat() {  # model threads batch runs isa
  q-run "$work/$1.h5" --data "$(data_of "$1")" -j "$2" --batch "$3" --repeat "$4" ${5:+--isa "$5"} | awk '{ print $1 }'
}

# Milliseconds per sample of q-run: q_ms MODEL THREADS BATCH RUNS [ISA]
q_ms() {
  [ -e "$work/$1.h5" ] || { echo 'model absent'; return; }
  if [ -n "${5-}" ] && ! has_isa "$5"; then echo 'row absent'; return; fi
  q_repeat "$1" "$2" "$3" "$4" "${5-}"
}
# The same as samples per second.
q_rate() { q_ms "$@" | awk '/^[0-9.]+$/ { print 1000 / $1; next } { print }'; }

shape_of() {  # of one sample
  case $1 in
    kws.*) echo 1,49,10 ;;
    *) echo 3,224,224 ;;
  esac
}

ort() {  # model threads batch further arguments
  local model=$1 threads=$2 batch=$3
  shift 3
  # it leaves an empty log behind for every process
  TMPDIR=$work node "$here/ort_run.js" --runtime "$ort" --model "$work/$model.onnx" --data "$work/${model%.*}.samples.raw" \
    --shape "$batch,$(shape_of "$model")" --threads "$threads" "$@"
}

# Milliseconds per sample of ONNX Runtime: ort_ms MODEL THREADS BATCH RUNS
ort_ms() {
  [ -n "$ort" ] || { echo 'peer absent'; return; }
  [ -e "$work/$1.onnx" ] || { echo 'model absent'; return; }
  ort "$1" "$2" "$3" --runs "$4" | awk -v batch="$3" '{ print $1 / batch }'
}

launch() { "$python" "$here/launch.py" "$@"; }
# Milliseconds and megabytes of a whole process, and of a pipeline.
process_ms() { launch "$@" | awk '{ print $1 }'; }
process_mb() { launch "$@" | awk '{ print $4 * 1024 / 1e6 }'; }
process_s() { launch "$@" | awk '{ print $1 / 1000 }'; }
pipeline_s() { process_s bash -c "set -euo pipefail; $1" pipeline "${@:2}"; }
