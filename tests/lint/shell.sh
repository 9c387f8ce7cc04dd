#!/bin/bash
# Every shell script passes shellcheck.
set -eu
cd "$(dirname "$0")/../.."
{
  find tests examples completions man tools \( -name '*.sh' -o -name '*.bats' -o -name '*.bash' \) 2> /dev/null
  echo .ci/run
} | LC_ALL=C sort | xargs shellcheck --external-sources --source-path=SCRIPTDIR
