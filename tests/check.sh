#!/bin/bash
# Runs suites of tests against a build and counts every test: check.sh [--jobs N] BUILD lint|unit|cli…
# The last line is "N passed, N failed[, N skipped]"; the status is 1 when a test failed or none ran.
set -u
cd "$(dirname "$0")/.." || exit 2

jobs=$(nproc)
if [ "${1-}" = --jobs ]; then jobs=$2; shift 2; fi
if [ $# -lt 2 ]; then echo "usage: check.sh [--jobs N] BUILD lint|unit|cli…" >&2; exit 2; fi
build=$(cd "$1" && pwd) || exit 2
shift

export Q_SOURCE_DIR=$PWD Q_BUILD_DIR=$build PATH=$build/bin:$PATH
# No library but ours is instrumented for the thread sanitizer.
export TSAN_OPTIONS="ignore_noninstrumented_modules=1 ${TSAN_OPTIONS-}"
export UBSAN_OPTIONS="print_stacktrace=1 ${UBSAN_OPTIONS-}"
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp print_suppressions=0 ${LSAN_OPTIONS-}"

# Each suite is one process with its own log, NAME.log, and its own counts, NAME.count: "passed failed skipped".
results=$build/check
rm -rf "$results"
mkdir -p "$results"

count_lint() {  # log status
  if [ "$2" = 0 ]; then echo 1 0 0; else echo 0 1 0; fi
}
count_unit() {  # gtest's text: the time in milliseconds tells a result from its repetition in the summary
  awk -v status="$2" '
    /\[       OK \] .*\([0-9]+ ms\)$/ { passed++ }
    /\[  FAILED  \] .*\([0-9]+ ms\)$/ { failed++ }
    /\[  SKIPPED \] .*\([0-9]+ ms\)$/ { skipped++ }
    END { if (status != 0 && !failed) failed = 1; print passed + 0, failed + 0, skipped + 0 }' "$1"
}
count_cli() {  # TAP; a plan longer than what ran is a failure
  awk -v status="$2" '
    /^1\.\.[0-9]+$/ { planned = substr($0, 4) }
    /^ok [0-9]+ .*# skip/ { skipped++; next }
    /^ok [0-9]+ / { passed++ }
    /^not ok [0-9]+ / { failed++ }
    END {
      missing = planned - passed - failed - skipped
      if (missing > 0) failed += missing
      if (status != 0 && !failed) failed = 1
      print passed + 0, failed + 0, skipped + 0
    }' "$1"
}

run_suite() {  # kind file
  local kind=$1 file=$2 name log status start=$SECONDS
  name=$kind-$(basename "${file%.*}")
  log=$results/$name.log
  case $kind in
    lint) timeout "$longest" "$file" "$build" ;;
    unit) timeout "$longest" "$build/bin/$file" --gtest_color=no ;;
    cli) timeout "$longest" bats --formatter tap "$file" ;;
  esac > "$log" 2>&1 < /dev/null
  status=$?
  "count_$kind" "$log" "$status" > "$results/$name.count"
  read -r passed failed skipped < "$results/$name.count"
  printf '%-24s %4d passed %4d failed %4d skipped %4d s\n' "$name" "$passed" "$failed" "$skipped" $((SECONDS - start))
}
export -f run_suite count_lint count_unit count_cli
export build results longest=1800  # seconds before a suite that hangs is ended, and fails

for kind in "$@"; do
  case $kind in
    unit) echo "unit unit_tests" ;;
    cli) printf 'cli %s\n' tests/cli/*.bats ;;
    lint) printf 'lint %s\n' tests/lint/*.sh ;;
    *) echo "check.sh: $kind: no such suite, wanted lint, unit or cli" >&2; exit 2 ;;
  esac
done > "$results/suites" || exit 2
# shellcheck disable=SC2016  # the words are for the inner shell
xargs -P "$jobs" -L 1 bash -c 'run_suite "$@"' run_suite < "$results/suites"

for count in "$results"/*.count; do
  read -r _ failed skipped < "$count"
  log=${count%.count}.log
  if [ "$failed" != 0 ]; then printf '\n==== %s\n' "$(basename "$log" .log)"; cat "$log"; fi
  if [ "$skipped" != 0 ]; then grep -hE '^ok .*# skip|\[  SKIPPED \].*ms\)$' "$log"; fi
done
cat "$results"/*.count | awk '
  { passed += $1; failed += $2; skipped += $3 }
  END {
    if (!passed && !failed) { print "no test ran"; failed = 1 }
    printf "%d passed, %d failed", passed, failed
    if (skipped) printf ", %d skipped", skipped
    print ""
    exit failed > 0
  }'
