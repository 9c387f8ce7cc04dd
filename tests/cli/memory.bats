#!/usr/bin/env bats
# Memory is bounded by the model, a batch and a record per tensor, not by the data.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
# shellcheck disable=SC2002  # cat makes a pipe of a file, on purpose
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  make_wide wide.h5
  samples 200 > few.npy
  samples 20000 > many.npy
}

setup() {
  if grep -q '^Q_SANITIZE:STRING=.' "$build/CMakeCache.txt" 2> /dev/null; then skip "sanitizers keep freed memory"; fi
  [ -x /usr/bin/time ] || skip "GNU time is not installed"
  private_folders
  cd "$BATS_FILE_TMPDIR" || return 1
}

# x [N,1024] -> linear -> y [N,8]: 20000 samples are 80 MB as floats.
make_wide() {
  make_tiny "$1"
  edit_model "$1" << 'COMMANDS'
attribute /values/x shape ints -1 1024
attribute /values/h shape ints -1 8
attribute /values/y shape ints -1 8
dataset /constants/w f32 8,1024 0.01 -0.02 0.015 0.005 -0.01
dataset /constants/b f32 8 0.5 -0.5 0
COMMANDS
}

# x [N,4096] -> so many linear layers, each with 64 MB of weights -> y [N,4096].
make_deep() {
  make_tiny "$1"
  {
    echo 'attribute /values/x shape ints -1 4096'
    echo 'attribute /values/h shape ints -1 4096'
    echo 'attribute /values/y shape ints -1 4096'
    echo 'dataset /constants/w f32 4096,4096 0.01 -0.02 0.015 0.005 -0.01'
    echo 'dataset /constants/b f32 4096 0.5 -0.5 0'
    last=h
    for ((i = 1; i < $2; ++i)); do
      echo "group /values/w$i"
      echo "attribute /values/w$i order int $((3 + 2 * i))"
      echo "group /values/h$i"
      echo "attribute /values/h$i order int $((4 + 2 * i))"
      echo "attribute /values/h$i shape ints -1 4096"
      echo "attribute /values/h$i dtype text f32"
      echo "dataset /constants/w$i f32 4096,4096 0.25 $i -0.5"
      echo "group /graph/fc$i"
      echo "attribute /graph/fc$i op text linear"
      echo "attribute /graph/fc$i order int $i"
      echo "attribute /graph/fc$i inputs texts $last w$i"
      echo "attribute /graph/fc$i outputs texts h$i"
      last=h$i
    done
    echo "attribute /graph/act order int $2"
    echo "attribute /graph/act inputs texts $last"
  } | edit_model "$1"
}

# A .npy file of so many samples for it.
samples() {
  npy_head "$1, 1024"
  yes 'a pattern of fifty-three bytes, coprime to the rows...' | head -c $(($1 * 1024)) || true
}

# Kilobytes that the command needs at its peak.
peak() {
  /usr/bin/time -f %M -o "$BATS_TEST_TMPDIR/peak" "$@"
  cat "$BATS_TEST_TMPDIR/peak"
}

@test "q-observe needs no more memory for 20,000 samples than for 200" {
  few=$(peak q-observe -q wide.h5 --data few.npy -o "$out/few.h5")
  many=$(peak q-observe -q wide.h5 --data many.npy -o "$out/many.h5")
  echo "few: $few kB, many: $many kB"
  q-info "$out/many.h5" > "$out/info.txt"
  grep -q "over 20000 samples" "$out/info.txt"
  [ "$many" -le $((few * 12 / 10 + 8192)) ]
}

@test "q-run needs no more memory for 20,000 samples than for 200" {
  few=$(peak q-run wide.h5 --data few.npy -o "$out/few.h5")
  many=$(peak q-run wide.h5 --data many.npy -o "$out/many.h5")
  echo "few: $few kB, many: $many kB"
  [ "$many" -le $((few * 12 / 10 + 8192)) ]
}

@test "q-compare needs no more memory for 20,000 samples than for 200" {
  q-observe -q wide.h5 --data few.npy | q-calibrate -q | q-convert -q -o "$out/int8.h5"
  few=$(peak q-compare wide.h5 "$out/int8.h5" --data few.npy | tail -n 1)
  many=$(peak q-compare wide.h5 "$out/int8.h5" --data many.npy | tail -n 1)
  echo "few: $few kB, many: $many kB"
  [ "$many" -le $((few * 12 / 10 + 8192)) ]
}

@test "q-fuse passes 320 MB of weights on in less memory than the smallest of them takes" {
  make_deep "$out/deep.h5" 5
  few=$(peak q-fuse -q wide.h5 -o "$out/wide.h5")
  many=$(peak q-fuse -q "$out/deep.h5" -o "$out/fused.h5")
  echo "wide: $few kB, deep: $many kB"
  [ "$(stat -c %s "$out/fused.h5")" -gt 335544320 ]
  [ "$many" -le $((few + 16384)) ]
  # what was passed on is what q-fuse itself would read again
  q-fuse -q "$out/fused.h5" -o "$out/again.h5" --no-history
  q-fuse -q "$out/deep.h5" -o "$out/bare.h5" --no-history
  same_bytes "$out/bare.h5" "$out/again.h5"
}

@test "a pipe is kept on disk, not in memory" {
  few=$(peak q-run wide.h5 --data many.npy --samples 0:8 -o "$out/few.h5")
  many=$(cat many.npy | peak q-run wide.h5 --data - --samples 0:8 -o "$out/many.h5")
  echo "file: $few kB, pipe: $many kB"
  [ "$many" -le $((few * 12 / 10 + 8192)) ]
}

@test "what unpacks to more than --max-memory is refused, with the limit" {
  cd "$BATS_TEST_TMPDIR"
  make_tiny m.h5
  edit_model m.h5 << 'END'
attribute /values/x shape ints -1 16000000
packed /constants/w f32 3,16000000 0
END
  edit_model wide.h5 <<< 'packed /x f32 2,16000000 1'
  [ "$(stat -c %s m.h5)" -lt 4000000 ]  # 192 MB unpacked
  refused "q-run: m.h5: */constants/w: needs 183.1 MiB of memory, the limit is 100.0 MiB (--max-memory)" \
    q-run --max-memory 100M m.h5 --data wide.h5 -o "$out/y.h5"
  refused "q-calibrate: *--max-memory: \"100 M\", wanted a size as 500M or 4G (try q-calibrate --help)" q-calibrate --max-memory '100 M' m.h5
  make_tiny_stages .
  edit_model long.h5 <<< 'packed /x f32 8000000,4 1'
  refused "q-run: tiny.h5: needs 213.6 MiB of memory, the limit is 100.0 MiB (--max-memory)" \
    q-run --max-memory 100M tiny.h5 --data long.h5 --batch 8000000 -o "$out/y.h5"
}

@test "memory that libraries take counts too" {
  cd "$BATS_TEST_TMPDIR"
  make_tiny_stages .
  refused "q-run: *" q-run --max-memory 1M tiny.h5 --data data.h5 -o "$out/y.h5"
  q-run -q --max-memory 1G tiny.h5 --data data.h5 -o "$out/y.h5"
}
