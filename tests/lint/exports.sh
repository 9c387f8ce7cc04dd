#!/bin/bash
# The shared libraries export exactly the names in exports.txt: exports.sh BUILD compares, exports.sh --record BUILD records.
set -eu
record=
if [ "$1" = --record ]; then record=1; shift; fi
build=$1
list=$(dirname "$0")/exports.txt

exported() {
  for library in libq libq-onnx; do
    nm -D --defined-only -C "$build"/lib*/"$library.so" | sed -E "s/^[0-9a-f]* . /$library: /"
  done | LC_ALL=C sort -u
}
if [ -n "$record" ]; then exported > "$list"; else exported | diff "$list" - ; fi
