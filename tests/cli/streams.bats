#!/usr/bin/env bats
# Where every tool reads and writes: files, pipes, standard streams; whole or not at all.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
# shellcheck disable=SC2002  # cat makes a pipe of a file, on purpose
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup_file() {
  mkdir "$BATS_FILE_TMPDIR/stages"
  make_tiny_stages "$BATS_FILE_TMPDIR/stages"
  q-fuse -q "$BATS_FILE_TMPDIR/stages/tiny.h5" -o "$BATS_FILE_TMPDIR/stages/fused.h5"
}

setup() {
  private_folders
  cd "$BATS_FILE_TMPDIR/stages" || return 1
}

teardown() {
  if mountpoint -q "$out"; then umount "$out"; fi
}

# ---- input ----

@test "a file, a redirected file, a pipe, - and nothing are the same input" {
  q-fuse -q - < tiny.h5 > "$out/dash.h5"
  q-fuse -q < tiny.h5 > "$out/nothing.h5"
  cat tiny.h5 | q-fuse -q - > "$out/pipe.h5"
  for result in "$out"/*.h5; do same_bytes fused.h5 "$result"; done
}

@test "a named pipe can be given for a file" {
  mkfifo "$BATS_TEST_TMPDIR/fifo"
  cat tiny.h5 > "$BATS_TEST_TMPDIR/fifo" &
  q-fuse -q "$BATS_TEST_TMPDIR/fifo" -o "$out/fused.h5"
  wait
  same_bytes fused.h5 "$out/fused.h5"
}

@test "every tool that reads a model takes it from a pipe" {
  cat tiny.h5 | q-observe -q --data data.h5 > "$out/observed.h5"
  same_bytes observed.h5 "$out/observed.h5"
  cat observed.h5 | q-calibrate -q > "$out/calibrated.h5"
  same_bytes calibrated.h5 "$out/calibrated.h5"
  cat calibrated.h5 | q-convert -q > "$out/int8.h5"
  same_bytes int8.h5 "$out/int8.h5"
  q-run int8.h5 --data data.h5 -o "$out/file.h5"
  cat int8.h5 | q-run --data data.h5 > "$out/pipe.h5"
  same_bytes "$out/file.h5" "$out/pipe.h5"
  q-info int8.h5 > "$out/file.txt"
  cat int8.h5 | q-info > "$out/pipe.txt"
  same_bytes "$out/file.txt" "$out/pipe.txt"
  q-compare tiny.h5 int8.h5 --data data.h5 > "$out/file.txt"
  cat int8.h5 | q-compare tiny.h5 - --data data.h5 > "$out/pipe.txt"
  same_bytes "$out/file.txt" "$out/pipe.txt"
}

@test "data can come from a pipe" {
  q-run tiny.h5 --data data.h5 -o "$out/file.h5"
  cat data.h5 | q-run tiny.h5 --data - -o "$out/pipe.h5"
  same_bytes "$out/file.h5" "$out/pipe.h5"
}

@test "an input is not changed, and needs no permission to write" {
  cp tiny.h5 "$BATS_TEST_TMPDIR/model.h5"
  chmod a-w "$BATS_TEST_TMPDIR/model.h5"
  q-fuse -q "$BATS_TEST_TMPDIR/model.h5" -o "$out/fused.h5"
  q-info "$BATS_TEST_TMPDIR/model.h5"
  same_bytes tiny.h5 "$BATS_TEST_TMPDIR/model.h5"
}

@test "an input in a folder nobody may write to can be read" {
  [ "$(id -u)" != 0 ] || skip "root may write everywhere"
  mkdir "$BATS_TEST_TMPDIR/locked"
  cp tiny.h5 "$BATS_TEST_TMPDIR/locked"
  chmod a-w "$BATS_TEST_TMPDIR/locked"
  q-fuse -q "$BATS_TEST_TMPDIR/locked/tiny.h5" -o "$out/fused.h5"
  chmod u+w "$BATS_TEST_TMPDIR/locked"
}

# Starts the command, whose last input is the fifo, and changes the file $1 by the command $2 while it waits for the fifo.
changed_meanwhile() {
  local file=$1 change=$2 status=0
  shift 2
  "$@" > "$BATS_TEST_TMPDIR/stdout" 2> "$BATS_TEST_TMPDIR/stderr" 3>&- &
  exec 5> "$BATS_TEST_TMPDIR/fifo"  # opened only when the command is there
  "$change" "$file"
  cat "$last" >&5
  exec 5>&-
  wait $! || status=$?
  [ "$status" = 2 ]
  [ "$(cat "$BATS_TEST_TMPDIR/stderr")" = "$1: $file: changed while it was read" ]
  [ ! -s "$BATS_TEST_TMPDIR/stdout" ]
}

longer() { echo more >> "$1"; }
other() { cp "$1" "$1.new" && mv "$1.new" "$1"; }

@test "an input that changes while it is read is noticed" {
  mkfifo "$BATS_TEST_TMPDIR/fifo"
  for change in touch longer other; do
    cp observed.h5 "$BATS_TEST_TMPDIR/in.h5"
    last=observed.h5
    changed_meanwhile "$BATS_TEST_TMPDIR/in.h5" "$change" \
      q-calibrate -q "$BATS_TEST_TMPDIR/in.h5" "$BATS_TEST_TMPDIR/fifo" -o "$out/calibrated.h5"
    nothing_left
    q-run tiny.h5 --data data.h5 -o "$BATS_TEST_TMPDIR/in.h5"
    cp "$BATS_TEST_TMPDIR/in.h5" "$BATS_TEST_TMPDIR/last.h5"
    last=$BATS_TEST_TMPDIR/last.h5
    changed_meanwhile "$BATS_TEST_TMPDIR/in.h5" "$change" q-compare "$BATS_TEST_TMPDIR/in.h5" "$BATS_TEST_TMPDIR/fifo"
  done
}

@test "two inputs that are standard input are refused" {
  refused "q-compare: two inputs are standard input, wanted at most one" q-compare - - < tiny.h5
  refused "q-run: two inputs are standard input, wanted at most one" q-run - --data - -o "$out/result.h5" < tiny.h5
  refused "q-observe: two inputs are standard input, wanted at most one" q-observe --data - < tiny.h5
  refused "q-calibrate: two inputs are standard input, wanted at most one" q-calibrate - - < observed.h5
}

@test "a device is refused as input at once" {
  for tool in q-import q-fuse q-calibrate q-convert q-info; do
    refused "$tool: /dev/zero: is a device, wanted a file or a pipe" timeout 10 "$tool" /dev/zero
    refused "$tool: standard input: is a device, wanted a file or a pipe" timeout 10 "$tool" < /dev/zero
  done
  refused "q-run: /dev/zero: is a device, wanted a file" timeout 10 q-run tiny.h5 --data /dev/zero -o "$out/result.h5"
}

@test "data by the name of a pipe are refused, for samples are read in any order" {
  for tool in q-run q-observe; do
    refused "$tool: /dev/fd/*: is a pipe, wanted a file" "$tool" tiny.h5 --data <(cat data.h5) -o "$out/result.h5"
  done
  mkfifo "$BATS_TEST_TMPDIR/fifo"
  refused "q-run: $BATS_TEST_TMPDIR/fifo: is a pipe, wanted a file" \
    timeout 10 q-run tiny.h5 --data "$BATS_TEST_TMPDIR/fifo" -o "$out/result.h5"
  refused "q-import: $BATS_TEST_TMPDIR/fifo: is a pipe, wanted a file" \
    timeout 10 q-import "$glyphs/glyphs.onnx" --data "$BATS_TEST_TMPDIR/fifo" -o "$out/result.h5"
}

@test "an empty standard input asks whether the command before failed" {
  for tool in q-import q-fuse q-calibrate q-convert q-info; do
    refused "$tool: standard input is empty: did the command before it fail?" "$tool" < /dev/null
    refused "$tool: standard input is empty: did the command before it fail?" "$tool" - < <(:)
  done
  refused "q-observe: standard input is empty: did the command before it fail?" q-observe --data data.h5 < /dev/null
  refused "q-run: standard input is empty: did the command before it fail?" q-run --data data.h5 < /dev/null
  refused "q-compare: standard input is empty: did the command before it fail?" q-compare - tiny.h5 < /dev/null
}

@test "an empty file, a missing one and a folder are named" {
  : > "$BATS_TEST_TMPDIR/empty.h5"
  for tool in q-import q-fuse q-calibrate q-convert q-info; do
    refused "$tool: $BATS_TEST_TMPDIR/empty.h5: is empty" "$tool" "$BATS_TEST_TMPDIR/empty.h5"
    refused "$tool: no/model.h5: No such file or directory" "$tool" no/model.h5
    refused "$tool: $BATS_TEST_TMPDIR: is a folder, wanted a file" "$tool" "$BATS_TEST_TMPDIR"
  done
}

@test "a closed standard input is trouble, and no other file is taken for it" {
  refused "q-fuse: standard input: Bad file descriptor" bash -c "q-fuse <&-"
  refused "q-compare: standard input: Bad file descriptor" bash -c "q-compare tiny.h5 - <&-"
}

@test "a terminal is refused as input" {
  command -v script || skip "no script(1)"
  run -2 script -qec "q-fuse -o '$out/result.h5'" /dev/null < /dev/null
  [ "$output" = $'q-fuse: standard input: is a terminal, wanted a file or a pipe\r' ]
  nothing_left
}

# ---- output ----

@test "-o FILE, -o - and standard output give the same bytes" {
  q-fuse -q tiny.h5 -o "$out/file.h5"
  q-fuse -q tiny.h5 -o - > "$out/dash.h5"
  q-fuse -q tiny.h5 | cat > "$out/pipe.h5"
  q-fuse -q tiny.h5 >> "$out/append.h5"
  for result in "$out"/*.h5; do same_bytes fused.h5 "$result"; done
}

@test "binary output is refused by a terminal, text is not" {
  command -v script || skip "no script(1)"
  for call in "q-fuse tiny.h5" "q-calibrate observed.h5" "q-convert calibrated.h5" "q-observe tiny.h5 --data data.h5" \
    "q-run tiny.h5 --data data.h5" "q-import $glyphs/glyphs.onnx"; do
    run -2 script -qec "$call -q" /dev/null < /dev/null
    [ "$output" = "${call%% *}: standard output is a terminal: give -o FILE or redirect it"$'\r' ]
    nothing_left
  done
  run -0 script -qec "q-info tiny.h5" /dev/null < /dev/null
  run -0 script -qec "q-run tiny.h5 --data data.h5 --profile" /dev/null < /dev/null
}

@test "an output file has the permissions of one made plainly" {
  (
    umask 027
    q-fuse -q tiny.h5 -o "$out/fused.h5"
  )
  [ "$(stat -c %a "$out/fused.h5")" = 640 ]
}

@test "an output file keeps the permissions of the one it replaces" {
  for mode in 600 644 755; do
    echo old > "$out/fused.h5"
    chmod "$mode" "$out/fused.h5"
    q-fuse -q tiny.h5 -o "$out/fused.h5"
    [ "$(stat -c %a "$out/fused.h5")" = "$mode" ]
    same_bytes fused.h5 "$out/fused.h5"
  done
}

@test "an output file replaces the one before it" {
  head -c 1000000 /dev/zero > "$out/fused.h5"
  q-fuse -q tiny.h5 -o "$out/fused.h5"
  same_bytes fused.h5 "$out/fused.h5"
}

@test "a failed run leaves the output file as it was" {
  echo precious > "$BATS_TEST_TMPDIR/fused.h5"
  refused "q-fuse: /dev/null: is empty" q-fuse /dev/null -o "$BATS_TEST_TMPDIR/fused.h5"
  [ "$(cat "$BATS_TEST_TMPDIR/fused.h5")" = precious ]
}

@test "the output may be the input" {
  cp tiny.h5 "$out/model.h5"
  q-fuse -q "$out/model.h5" -o "$out/model.h5"
  same_bytes fused.h5 "$out/model.h5"
}

@test "the output may be any input, and its old content is what is read" {
  q-run tiny.h5 --data data.h5 -o "$BATS_TEST_TMPDIR/result.h5"
  for output in model.h5 data.h5; do
    cp tiny.h5 "$out/model.h5"
    cp data.h5 "$out/data.h5"
    q-run "$out/model.h5" --data "$out/data.h5" -o "$out/$output"
    same_bytes "$BATS_TEST_TMPDIR/result.h5" "$out/$output"
  done
  cp observed.h5 "$out/a.h5"
  q-observe -q tiny.h5 --data data.h5 -o "$out/b.h5"
  q-calibrate -q "$out/a.h5" "$out/b.h5" -o "$BATS_TEST_TMPDIR/result.h5"
  q-calibrate -q "$out/a.h5" "$out/b.h5" -o "$out/b.h5"
  same_bytes "$BATS_TEST_TMPDIR/result.h5" "$out/b.h5"
}

@test "an output that is a symbolic link is written where it leads" {
  mkdir "$BATS_TEST_TMPDIR/there"
  echo old > "$BATS_TEST_TMPDIR/there/real.h5"
  ln -s ../there/real.h5 "$out/link.h5"
  q-fuse -q tiny.h5 -o "$out/link.h5"
  [ -L "$out/link.h5" ]
  same_bytes fused.h5 "$BATS_TEST_TMPDIR/there/real.h5"
}

@test "an output that is a symbolic link to nothing is refused" {
  ln -s nowhere.h5 "$BATS_TEST_TMPDIR/link.h5"
  refused "q-fuse: $BATS_TEST_TMPDIR/link.h5: not writing through dangling symlink" \
    q-fuse -q tiny.h5 -o "$BATS_TEST_TMPDIR/link.h5"
  [ -L "$BATS_TEST_TMPDIR/link.h5" ]
  [ ! -e "$BATS_TEST_TMPDIR/nowhere.h5" ]
  ln -s loop.h5 "$BATS_TEST_TMPDIR/loop.h5"
  refused "q-fuse: $BATS_TEST_TMPDIR/loop.h5: Too many levels of symbolic links" \
    q-fuse -q tiny.h5 -o "$BATS_TEST_TMPDIR/loop.h5"
}

@test "an output may have the longest name there is, and no longer one" {
  name=$(printf '%0252d.h5' 0)
  q-fuse -q tiny.h5 -o "$out/$name"
  same_bytes fused.h5 "$out/$name"
  q-fuse -q tiny.h5 -o "$out/$name"
  same_bytes fused.h5 "$out/$name"
  rm "$out/$name"
  refused "q-fuse: $out/0$name: File name too long" q-fuse -q tiny.h5 -o "$out/0$name"
}

@test "an output that is a named pipe is written into it" {
  mkfifo "$BATS_TEST_TMPDIR/fifo"
  cat "$BATS_TEST_TMPDIR/fifo" > "$out/copy.h5" &
  q-fuse -q tiny.h5 -o "$BATS_TEST_TMPDIR/fifo"
  wait
  same_bytes fused.h5 "$out/copy.h5"
}

@test "nothing but the output is left in its folder" {
  q-fuse -q tiny.h5 -o "$out/fused.h5"
  [ "$(ls -A "$out")" = fused.h5 ]
}

@test "an output folder that is missing is trouble" {
  for call in "q-fuse tiny.h5" "q-calibrate observed.h5" "q-convert calibrated.h5" "q-observe tiny.h5 --data data.h5" \
    "q-run tiny.h5 --data data.h5" "q-import $glyphs/glyphs.onnx"; do
    # shellcheck disable=SC2086  # words of a command
    refused "${call%% *}: $out/missing/result.h5: No such file or directory" $call -q -o "$out/missing/result.h5"
  done
}

@test "an output that is a folder is trouble" {
  refused "q-fuse: $BATS_TEST_TMPDIR: is a folder, wanted a file" q-fuse -q tiny.h5 -o "$BATS_TEST_TMPDIR"
}

@test "q-observe sees that it cannot write before it runs the model" {
  edit_model "$BATS_TEST_TMPDIR/nan.h5" <<< 'dataset /x f32 1,4 nan'
  refused "q-observe: $out/missing/result.h5: No such file or directory" \
    q-observe -q tiny.h5 --data "$BATS_TEST_TMPDIR/nan.h5" -o "$out/missing/result.h5"
}

# ---- full disks and lost readers ----

@test "a full disk behind standard output is trouble" {
  for call in "q-fuse tiny.h5" "q-calibrate observed.h5" "q-convert calibrated.h5" "q-observe tiny.h5 --data data.h5" \
    "q-run tiny.h5 --data data.h5" "q-import $glyphs/glyphs.onnx"; do
    # shellcheck disable=SC2086
    run -2 --separate-stderr bash -c "$call -q > /dev/full"
    [ "$stderr" = "${call%% *}: standard output: No space left on device" ]
    nothing_left
  done
}

@test "a full disk behind text is trouble" {
  for call in "q-info tiny.h5" "q-info --json tiny.h5" "q-info --list-ops" "q-compare tiny.h5 int8.h5 --data data.h5" \
    "q-run tiny.h5 --data data.h5 --repeat 1" "q-run tiny.h5 --data data.h5 --profile" "q-fuse --help" "q-fuse --version" \
    "q-fuse --describe"; do
    run -2 --separate-stderr bash -c "$call > /dev/full"
    [ "$stderr" = "${call%% *}: standard output: could not be written" ]
    nothing_left
  done
}

@test "a full disk behind -o is trouble" {
  refused "q-fuse: /dev/full: No space left on device" q-fuse -q tiny.h5 -o /dev/full
  refused "q-run: /dev/full: No space left on device" q-run -q tiny.h5 --data data.h5 -o /dev/full
}

@test "a small disk that fills up is trouble, and is left empty" {
  [ "$(id -u)" = 0 ] || skip "only root can mount a small disk"
  mount -t tmpfs -o size=64k none "$out" || skip "mounting is not allowed here"
  refused "q-import: *No space left on device" q-import -q "$glyphs/glyphs.onnx" -o "$out/float.h5"
  TMPDIR=$out refused "q-import: *No space left on device" q-import -q "$glyphs/glyphs.onnx"
  TMPDIR=$out refused "q-import: *No space left on device" q-import -q - < <(cat "$glyphs/glyphs.onnx")
  q-import -q "$glyphs/glyphs.onnx" -o "$BATS_TEST_TMPDIR/float.h5"
  refused "q-run: *No space left on device" \
    q-run -q "$BATS_TEST_TMPDIR/float.h5" --data "$glyphs/calib.h5" --keep /stem/conv/Conv_output_0 -o "$out/result.h5"
}

@test "a file that may not grow as large as it must is trouble" {
  limited() { (ulimit -f 8 && "$@"); }
  refused "q-import: $out/float.h5: File too large" limited q-import -q "$glyphs/glyphs.onnx" -o "$out/float.h5"
  refused "q-import: *: File too large" limited q-import -q - < <(cat "$glyphs/glyphs.onnx")
  q-import -q "$glyphs/glyphs.onnx" -o "$BATS_TEST_TMPDIR/float.h5"
  refused "q-run: $out/result.h5: File too large" limited \
    q-run -q "$BATS_TEST_TMPDIR/float.h5" --data "$glyphs/calib.h5" --keep /stem/conv/Conv_output_0 -o "$out/result.h5"
}

@test "a reader that has gone ends the writer quietly" {
  q-import -q "$glyphs/glyphs.onnx" -o "$BATS_TEST_TMPDIR/float.h5"  # more than a pipe holds
  run -0 --separate-stderr bash -c "q-fuse -q '$BATS_TEST_TMPDIR/float.h5' | head -c 1 | wc -c; exit \$((PIPESTATUS[0] - 141))"
  [ "$output" = 1 ]
  [ -z "$stderr" ]
  # a pipe that nobody reads any more, also for what it would hold
  mkfifo "$BATS_TEST_TMPDIR/fifo"
  for call in "q-fuse -q tiny.h5" "q-info tiny.h5" "q-run tiny.h5 --data data.h5" "q-compare tiny.h5 int8.h5 --data data.h5"; do
    run -141 --separate-stderr bash -c "exec 5<> '$BATS_TEST_TMPDIR/fifo' 6> '$BATS_TEST_TMPDIR/fifo' 5>&-; $call >&6 6>&-"
    [ -z "$stderr" ]
    nothing_left
  done
}

@test "a closed standard output is trouble, and nothing is written elsewhere" {
  run -2 --separate-stderr bash -c "q-fuse -q tiny.h5 >&-"
  [ "$stderr" = "q-fuse: standard output: Bad file descriptor" ]
  run -2 --separate-stderr bash -c "q-info tiny.h5 >&-"
  [ "$stderr" = "q-info: standard output: could not be written" ]
  nothing_left
}

@test "messages never end up in a file when standard error is closed" {
  bash -c "q-fuse tiny.h5 -o '$out/fused.h5' <&- >&- 2>&-"
  same_bytes fused.h5 "$out/fused.h5"
  bash -c "q-run --progress always tiny.h5 --data data.h5 -o '$out/closed.h5' <&- >&- 2>&-"
  q-run tiny.h5 --data data.h5 -o "$out/open.h5"
  same_bytes "$out/open.h5" "$out/closed.h5"
}

# ---- temporaries ----

@test "TMPDIR is where a pipe is kept, and is empty afterwards" {
  cat tiny.h5 | TMPDIR=$out q-fuse -q > "$BATS_TEST_TMPDIR/fused.h5"
  same_bytes fused.h5 "$BATS_TEST_TMPDIR/fused.h5"
  nothing_left
  run -2 --separate-stderr bash -c "cat tiny.h5 | TMPDIR=/no/folder q-fuse -q -o '$out/fused.h5'"
  [ "$stderr" = "q-fuse: /no/folder: No such file or directory" ]
}

@test "TMPDIR is where standard output is made" {
  run -2 --separate-stderr bash -c "TMPDIR=/no/folder q-fuse -q tiny.h5"
  [ "$stderr" = "q-fuse: /no/folder: No such file or directory" ]
  [ -z "$output" ]
}

@test "files for input and output need no TMPDIR" {
  TMPDIR=/no/folder q-fuse -q tiny.h5 -o "$out/fused.h5"
  same_bytes fused.h5 "$out/fused.h5"
}

@test "a failure after reading a pipe leaves no temporary" {
  refused "q-fuse: standard input: not an HDF5 file" q-fuse < <(echo "no model")
  refused "q-convert: standard input: no ranges: run q-observe and q-calibrate first" q-convert < <(cat tiny.h5)
}

# ---- the environment and the terminal ----

@test "Q_ISA of a row the machine does not have is refused by every tool" {
  for source in "$source_dir"/tools/q-*.cc; do
    tool=$(basename "$source" .cc)
    operands=(tiny.h5)
    [ "$tool" != q-compare ] || operands=(tiny.h5 tiny.h5)
    refused "$tool: instruction set \"mmx\" is not one of this machine's: generic*" env Q_ISA=mmx "$tool" "${operands[@]}"
  done
}

@test "progress is shown when asked for, not otherwise unless a terminal watches" {
  run -0 --separate-stderr q-run tiny.h5 --data data.h5 -o "$out/result.h5"
  [ -z "$stderr" ]
  run -0 --separate-stderr q-run --progress always tiny.h5 --data data.h5 -o "$out/result.h5"
  [[ $stderr == *"q-run: running: 8 of 8, "*"/s, 0 s to go"* ]]
  command -v script || skip "no script(1)"
  run -0 script -qec "q-run tiny.h5 --data data.h5 -o '$out/result.h5'" /dev/null < /dev/null
  [[ $output == *" of 8, "* ]]
  run -0 script -qec "q-run -q tiny.h5 --data data.h5 -o '$out/result.h5'" /dev/null < /dev/null
  [ -z "$output" ]
  run -0 script -qec "q-run --progress never tiny.h5 --data data.h5 -o '$out/result.h5'" /dev/null < /dev/null
  [ -z "$output" ]
}
