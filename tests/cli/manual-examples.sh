#!/bin/bash
# Runs the examples of a manual page in the current folder and compares what they print with what the page says:
# manual-examples.sh [--record] PAGE. In a literal display "$ command" is run, "> ..." continues it, and what follows is its
# output, in which "..." stands for anything. A command may fail only if the next one is "echo $?".
# --record writes what was printed into PAGE instead. The status is 1 when something differs.
set -uo pipefail
unset MAKEFLAGS MAKELEVEL MFLAGS  # examples with make print the same under make check
export LC_ALL=C

record=''
if [ "$1" = --record ]; then record=1; shift; fi
page=$1
mapfile -t lines < "$page"
kept=()  # the page as it should be
in_display='' command='' wanted=() first=0 status=0 unseen=0 differences=0

unescape() { sed -e 's/^\\&//' -e 's/\\(aq/'\''/g' -e 's/\\-/-/g' -e 's/\\e/\\/g'; }
escape() { sed -e 's/\\/\\e/g' -e "s/^[.']/\\\\\&&/"; }
join() { local IFS=$'\n'; echo "$*"; }
with_status() { return "$1"; }

run_command() {
  [ -n "$command" ] || return 0
  local found expected pattern log=$scratch/log
  if [ "$unseen" != 0 ] && [ "$command" != 'echo $?' ]; then
    echo "$page:$first: the command before it ended with status $unseen, which the page does not show"
    differences=$((differences + 1))
  fi
  with_status "$status"
  eval "$command" > "$log" 2>&1 < /dev/null
  status=$? unseen=0
  [ $status = 0 ] || [ $status = 141 ] || unseen=$status  # 141: its reader had enough
  found=$(cat "$log")
  expected=$(join ${wanted[@]+"${wanted[@]}"} | unescape)
  pattern=$(sed -e 's/[][\\*?()|]/\\&/g' -e 's/\.\.\./*/g' <<< "$expected")
  # shellcheck disable=SC2053  # a pattern it is
  if [[ $found == $pattern ]]; then
    kept+=(${wanted[@]+"${wanted[@]}"})
  else
    differences=$((differences + 1))
    [ -n "$record" ] || { echo "$page:$first: $command"; diff <(echo "$expected") <(echo "$found"); }
    if [ -n "$found" ]; then mapfile -t -O ${#kept[@]} kept < <(escape <<< "$found"); fi
  fi
  command='' wanted=()
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for i in "${!lines[@]}"; do
  line=${lines[i]}
  case $in_display$line in
    .Bd\ -literal*) in_display=yes; kept+=("$line") ;;
    yes.Ed) run_command; in_display=''; kept+=("$line") ;;
    yes\$\ *) run_command; command=$(unescape <<< "${line#\$ }"); first=$((i + 1)); kept+=("$line") ;;
    yes\>\ *) command+=$'\n'$(unescape <<< "${line#> }"); kept+=("$line") ;;
    yes*) if [ -n "$command" ]; then wanted+=("$line"); else kept+=("$line"); fi ;;
    *) kept+=("$line") ;;
  esac
done
if [ "$unseen" != 0 ]; then
  echo "$page: the last command ended with status $unseen, which the page does not show"
  differences=$((differences + 1))
fi
if [ -n "$record" ]; then printf '%s\n' "${kept[@]}" > "$page"; exit 0; fi
[ $differences = 0 ]
