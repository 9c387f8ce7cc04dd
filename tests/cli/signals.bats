#!/usr/bin/env bats
# A run that is ended by a signal leaves nothing behind.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  make_tiny tiny.h5
  # a sparse file of more samples than anyone waits for
  npy_head "1000000000, 4" > endless.npy
  truncate -s $((128 + 4000000000)) endless.npy
}

setup() {
  private_folders
  cd "$BATS_FILE_TMPDIR" || return 1
}

teardown() {
  [ -z "${started-}" ] || kill -s KILL "$started" 2> /dev/null || true
}

# How many files without a name the process has open.
nameless() {
  find "/proc/$1/fd" -lname '*(deleted)' -printf '%l\n' 2> /dev/null | sort -u | wc -l
}

# Waits until the process $started has so many temporaries.
wait_for() {
  local tries=0
  until [ "$(nameless "$started")" -ge "$1" ]; do
    [ $((++tries)) -lt 2000 ]
    kill -0 "$started"
    sleep 0.01  # there is no other sign of how far it is
  done
}

# Starts the command with the model on a pipe, and waits until there are as many temporaries. Its process id is then in $started.
start() {
  local temporaries=$1
  shift
  # a shell in the background ignores SIGINT, and hands that down
  env --default-signal=INT,TERM,HUP "$@" < <(cat tiny.h5) 2> "$BATS_TEST_TMPDIR/stderr" 3>&- &
  started=$!
  wait_for "$temporaries"
}

# Sends the signal: the process ends by it, and soon.
ended_by() {
  local status=0
  kill -s "$1" "$started"
  wait "$started" || status=$?
  [ "$status" = $((128 + $(kill -l "$1"))) ]
}

@test "SIGINT, SIGTERM and SIGHUP end q-run, and leave neither output nor temporary" {
  for signal in INT TERM HUP; do
    start 2 q-run - --data endless.npy -o "$out/result.h5"
    ended_by "$signal"
    nothing_left
    [ ! -s "$BATS_TEST_TMPDIR/stderr" ]
  done
}

@test "SIGKILL leaves neither output nor temporary" {
  start 2 q-run - --data endless.npy -o "$out/result.h5"
  ended_by KILL
  nothing_left
  start 2 q-run - --data endless.npy > "$BATS_TEST_TMPDIR/result.h5"
  ended_by KILL
  nothing_left
}

@test "a run to standard output leaves no temporary, and no byte of output" {
  start 2 q-run - --data endless.npy > "$BATS_TEST_TMPDIR/result.h5"
  ended_by TERM
  [ ! -s "$BATS_TEST_TMPDIR/result.h5" ]
  nothing_left
}

@test "an output file of an earlier run stays as it was" {
  mkdir "$out/folder"
  echo precious > "$out/folder/result.h5"
  start 2 q-run - --data endless.npy -o "$out/folder/result.h5"
  ended_by INT
  [ "$(cat "$out/folder/result.h5")" = precious ]
  [ "$(ls -A "$out/folder")" = result.h5 ]
  [ -z "$(ls -A "$TMPDIR")" ]
}

@test "SIGINT ends q-observe, and leaves neither output nor temporary" {
  start 1 q-observe -q - --data endless.npy -o "$out/observed.h5"
  ended_by INT
  nothing_left
}

@test "data that change while they are read are noticed" {
  npy_head "4000000, 4" > "$BATS_TEST_TMPDIR/many.npy"
  truncate -s $((128 + 16000000)) "$BATS_TEST_TMPDIR/many.npy"
  start 2 q-run - --data "$BATS_TEST_TMPDIR/many.npy" -o "$out/result.h5"
  touch "$BATS_TEST_TMPDIR/many.npy"  # long before the last of four million samples
  local status=0
  wait "$started" || status=$?
  [ "$status" = 2 ]
  [ "$(cat "$BATS_TEST_TMPDIR/stderr")" = "q-run: $BATS_TEST_TMPDIR/many.npy: changed while it was read" ]
  nothing_left
}

@test "a signal that the caller ignores is ignored: nohup works" {
  mkfifo "$BATS_TEST_TMPDIR/go"
  (
    trap '' HUP
    # half of the model, and the rest only when the signal has come
    exec q-run - --data endless.npy --samples 0:1 -o "$out/result.h5" 3>&- \
      < <(head -c 1000 tiny.h5; read -r < "$BATS_TEST_TMPDIR/go"; tail -c +1001 tiny.h5)
  ) &
  started=$!
  wait_for 1
  kill -s HUP "$started"
  echo > "$BATS_TEST_TMPDIR/go"
  wait "$started"
  [ -s "$out/result.h5" ]
}
