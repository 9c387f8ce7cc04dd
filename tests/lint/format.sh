#!/bin/bash
# Every C++ file is as clang-format leaves it; to repair: clang-format -i FILE.
set -eu
cd "$(dirname "$0")/../.."
bad=0
while IFS= read -r file; do
  if ! clang-format "$file" | cmp -s - "$file"; then echo "$file: differs from what clang-format makes of it"; bad=1; fi
done < <(find libq tools tests examples \( -name '*.h' -o -name '*.cc' \) | LC_ALL=C sort)
exit $bad
