#!/bin/bash
# The objects of an instruction set hold nothing that the linker could take for the whole program: isa-objects.sh BUILD.
# A weak or unique symbol compiled with -mavx512f may be the one copy that is kept, and stop an older processor.
set -eu
cd "$(dirname "$0")/../.."
build=$1
bad=0

for row in libq/kernels/*/; do
  row=$(basename "$row")
  grep -qx "Q_ISA($row)" "$build/generated/isas.inc" || continue  # a row of another architecture
  mapfile -t objects < <(find "$build/CMakeFiles/q_objects.dir/libq/kernels/$row" -name '*.o')
  if [ ${#objects[@]} = 0 ]; then echo "$row: no objects in $build"; bad=1; continue; fi
  if weak=$(nm -A -C "${objects[@]}" | grep -E ' [WVuvw] '); then
    printf '%s: symbols that the linker may share:\n%s\n' "$row" "$weak"; bad=1
  fi
  defined=$(nm -C --defined-only --extern-only "${objects[@]}" | awk 'NF == 3 && $3 ~ /isa_/ { print $3 }')
  if [ "$defined" != "q::isa_$row" ]; then echo "$row: defines '$defined', wanted q::isa_$row"; bad=1; fi
done
exit $bad
