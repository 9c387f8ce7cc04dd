#!/usr/bin/env bats
# What bytes of files become in messages and text: one line, short, fit for a terminal.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

# An escape sequence, bytes that are no UTF-8, a control character of two bytes, an override of direction, and an umlaut; and how
# they are shown.
evil='a\x1b[31m\xff\x7f\xc2\x9b\xe2\x80\xae\xc3\xb6'
shown='a\x1b[31m\xff\x7f\xc2\x9b\xe2\x80\xaeö'

# The tiny model, the value h and the node fc having that name.
setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  make_tiny_data data.h5
  make_tiny evil.h5
  edit_model evil.h5 << END
delete /values/h
group /values/$evil
attribute /values/$evil order int 3
attribute /values/$evil shape ints -1 3
attribute /values/$evil dtype text f32
attribute /graph/act inputs texts $evil
delete /graph/fc
group /graph/$evil
attribute /graph/$evil op text linear
attribute /graph/$evil order int 0
attribute /graph/$evil inputs texts x w b
attribute /graph/$evil outputs texts $evil
END
  make_tiny tiny.h5
  q-observe -q evil.h5 --data data.h5 | q-calibrate -q > calibrated.h5
  q-convert -q calibrated.h5 -o int8.h5
}

setup() {
  private_folders
  cd "$BATS_FILE_TMPDIR" || return 1
  bad=$BATS_TEST_TMPDIR/bad.h5
}

# Standard input is lines of printable characters.
is_clean() {
  [ -z "$(LC_ALL=C tr -d '\t\n -~\303\266')" ]
}

@test "names from a file are shown with their bytes, whatever prints them" {
  name=$(printf '%b' "$evil")
  stats=$BATS_TEST_TMPDIR/stats.h5
  q-observe -q evil.h5 --data data.h5 --stats-only -o "$stats"
  q-run evil.h5 --data data.h5 --keep "$name" -o "$BATS_TEST_TMPDIR/result.h5"
  for call in "q-info evil.h5" "q-info int8.h5" "q-info --dot evil.h5" "q-info $stats" "q-info $BATS_TEST_TMPDIR/result.h5" \
    "q-run int8.h5 --data data.h5 --profile" "q-compare evil.h5 int8.h5 --data data.h5 --explain -v" \
    "q-compare evil.h5 int8.h5 --data data.h5 --explain --tsv" "q-compare evil.h5 int8.h5 --data data.h5 --suggest 2" \
    "q-fuse -v evil.h5 -o $BATS_TEST_TMPDIR/fused.h5"; do
    # shellcheck disable=SC2086  # words of a command
    run -0 $call
    [[ ${output//\\\\/\\} == *"${shown%ö}"* ]] || { echo "$call: $output"; false; }
    is_clean <<< "$output"
  done
}

@test "JSON is valid, and in ASCII, whatever bytes names have" {
  q-observe -q evil.h5 --data data.h5 --stats-only -o "$BATS_TEST_TMPDIR/stats.h5"
  for call in "q-info --json evil.h5" "q-info --json $BATS_TEST_TMPDIR/stats.h5" \
    "q-compare evil.h5 int8.h5 --data data.h5 --explain --json"; do
    # shellcheck disable=SC2086
    run -0 --separate-stderr $call
    is_json <<< "$output"
    [[ $output == *'a\u001b[31m'* ]]
    [ -z "$(LC_ALL=C tr -d '\n -~' <<< "$output")" ]
  done
}

@test "a suggested rule fits the name it stands for" {
  q-compare evil.h5 int8.h5 --data data.h5 --suggest 2 > "$BATS_TEST_TMPDIR/patch.yaml"
  grep -F "name: 'a?[31m???????ö'" "$BATS_TEST_TMPDIR/patch.yaml"
  q-observe --strict -q evil.h5 --recipe int8 --recipe "$BATS_TEST_TMPDIR/patch.yaml" --data data.h5 -o "$out/observed.h5"
}

@test "texts of a file in an error are one short line, with NUL too" {
  cp tiny.h5 "$bad"
  edit_model "$bad" <<< "attribute /graph/act op text $evil"
  refused "q-info: $bad: /graph/act (*): no operator is called a\\\\x1b[[]31m\\\\xff\\\\x7f\\\\xc2\\\\x9b\\\\xe2\\\\x80\\\\xaeö" q-info "$bad"
  cp tiny.h5 "$bad"
  edit_model "$bad" <<< 'attribute /graph/act op text relu\x00\x0arm'
  refused "q-info: $bad: /graph/act (*): no operator is called relu\\\\x00\\\\x0arm" q-info "$bad"
  cp tiny.h5 "$bad"
  edit_model "$bad" <<< "attribute /graph/act op text $(printf '%060000d' 0)"
  refused "q-info: $bad: /graph/act (00*0...0*00" q-info "$bad"
  [ "$(wc -c < "$BATS_TEST_TMPDIR/stderr")" -le 501 ]
}

@test "names of arrays in an error are one short line" {
  edit_model "$bad" << END
dataset /b$evil f32 2,4 1
dataset /c f32 2,4 1
END
  refused "q-run: $bad: no dataset \"x\", found ba\\\\x1b[[]31m*" q-run tiny.h5 --data "$bad" -o "$out/result.h5"
  is_clean < "$BATS_TEST_TMPDIR/stderr"
  bad=$BATS_TEST_TMPDIR/bad.npy
  (npy_head "3, 4" | sed 's/|u1/|\x1b/' && printf 'abcdefghijkl') > "$bad"
  refused "q-run: $bad: x: holds |\\\\x1b, wanted integers or floats" q-run tiny.h5 --data "$bad" -o "$out/result.h5"
}

@test "an extended recipe is not quoted, and is a file" {
  recipe=$BATS_TEST_TMPDIR/recipe.yaml secret=$BATS_TEST_TMPDIR/secret
  for content in 'password: hunter2' 'hunter2' '[hunter2' 'input: hunter2' 'rules: [{name: a, quantize: hunter2}]' \
    'activations: {observer: hunter2}' '*hunter2' 'weights: {eps: hunter2}'; do
    echo "$content" > "$secret"
    echo "extends: $secret" > "$recipe"
    refused "q-observe: $recipe:1:10: $secret:[12]:*: *" q-observe -q tiny.h5 --recipe "$recipe" --data data.h5 -o "$out/observed.h5"
    run -1 grep hunter "$BATS_TEST_TMPDIR/stderr"
  done
  # what the caller names is the caller's
  echo 'password: hunter2' > "$recipe"
  refused "q-observe: $recipe:1:1: unknown key password *" q-observe -q tiny.h5 --recipe "$recipe" --data data.h5 -o "$out/observed.h5"
  mkfifo "$BATS_TEST_TMPDIR/fifo"
  echo "extends: $BATS_TEST_TMPDIR/fifo" > "$recipe"
  refused "q-observe: $recipe:1:10: $BATS_TEST_TMPDIR/fifo: is a pipe, wanted a file" \
    timeout 10 q-observe -q tiny.h5 --recipe "$recipe" --data data.h5 -o "$out/observed.h5"
  echo "extends: /dev/zero" > "$recipe"
  refused "q-observe: $recipe:1:10: /dev/zero: is a device, wanted a file" \
    q-observe -q tiny.h5 --recipe "$recipe" --data data.h5 -o "$out/observed.h5"
}
