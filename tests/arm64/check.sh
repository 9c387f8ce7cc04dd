#!/bin/bash
# Tests a build of toolchain.cmake in QEMU: the unit tests, what its objects export, and that a model quantized and run by
# it has the bytes that a native build gives: check.sh [--jobs N] BUILD NATIVE
set -euo pipefail
cd "$(dirname "$0")/../.."
jobs=$(nproc)
if [ "${1-}" = --jobs ]; then jobs=$2; shift 2; fi
build=$(cd "$1" && pwd)
native=$(cd "$2" && pwd)

# ---- a build tree whose programs are scripts that start the real ones in QEMU: nothing registered with the kernel ----
emulated=$build/emulated
rm -rf "$emulated"
mkdir -p "$emulated/bin"
for entry in "$build"/*; do
  case $entry in */bin | */emulated) ;; *) ln -s "$entry" "$emulated/" ;; esac
done
for program in "$build"/bin/*; do
  script=$emulated/bin/${program##*/}
  printf '#!/bin/sh\nexec qemu-aarch64 -cpu max -L %q %q "$@"\n' "$PWD/build/arm64-sysroot" "$program" > "$script"
  chmod +x "$script"
done

tests/check.sh --jobs "$jobs" "$emulated" unit
if grep -q 'cannot run neondot' "$emulated/check/unit-unit_tests.log"; then
  echo "check.sh: the tests of the neondot row were skipped" >&2
  exit 1
fi
tests/lint/isa-objects.sh "$build"

# ---- the same bytes as those of the native build ----
quantize_and_run() {  # programs folder
  local PATH=$1:$PATH
  mkdir "$2"
  cp examples/glyphs/* "$2"
  (
    cd "$2"
    q-import -q glyphs.onnx -o float.h5
    q-fuse -q float.h5 -o fused.h5
    q-observe -q fused.h5 --data calib.h5 --recipe glyphs.yaml --samples 0:40 -o observed.h5
    q-calibrate -q observed.h5 -o calibrated.h5
    q-convert -q calibrated.h5 -o int8.h5
    q-run -q fused.h5 --data test.h5 --recipe glyphs.yaml --samples 0:40 -o float-scores.h5
    q-run -q int8.h5 --data test.h5 --recipe glyphs.yaml --samples 0:200 -o int8-scores.h5
  )
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
quantize_and_run "$native/bin" "$folder/native"
Q_ISA=neondot quantize_and_run "$emulated/bin" "$folder/arm64"
for file in float fused observed calibrated int8 float-scores int8-scores; do
  cmp "$folder/native/$file.h5" "$folder/arm64/$file.h5"
done
echo "examples/glyphs: the bytes of $(uname -m)"
