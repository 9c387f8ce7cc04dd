#!/bin/bash
# Every built manual page passes mandoc's checks and has its own: man.sh BUILD.
set -eu
cd "$(dirname "$0")/../.."
build=$1
bad=0

mandoc -Tlint -W warning "$build"/man/*.[157] || bad=1
for tool in tools/q-*.cc; do
  tool=$(basename "$tool" .cc)
  [ -f "$build/man/$tool.1" ] || { echo "$tool: no manual page, wanted man/$tool.1.in"; bad=1; }
done
exit $bad
