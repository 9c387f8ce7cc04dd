#!/usr/bin/env bats
# q-compare: how far a model, or a file of tensors, is from another; thresholds decide the exit status.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  mkdir tiny
  make_stages .
  make_tiny_stages tiny
  q-run -q tiny/tiny.h5 --data tiny/data.h5 -o tiny/float.out.h5
  q-run -q tiny/int8.h5 --data tiny/data.h5 -o tiny/int8.out.h5
}

setup() {
  private_folders
  cd "$BATS_FILE_TMPDIR" || return 1
  test_data=(--data "$glyphs/test.h5" --samples 0:100 "${normalised[@]}")
  tiny=(tiny/tiny.h5 tiny/int8.h5 --data tiny/data.h5)
}

# ---- models ----

@test "a model equals itself" {
  run -0 --separate-stderr q-compare --exact --min-sqnr 1000 --min-top1-agreement 1 fused.h5 fused.h5 "${test_data[@]}"
  [[ $output == *"      inf "*" logits (linear)"* ]]
  [[ $output == *"top-1 agreement    100.00 %"* ]]
  [ -z "$stderr" ]
}

@test "the text names the worst nodes and every output" {
  run -0 q-compare fused.h5 int8.h5 "${test_data[@]}"
  [ "${lines[0]}" = "     SQNR     local    cosine   max error  mean error  tensor" ]
  [[ $output == *"the 5 of 14 with the lowest local SQNR; -v for all; outputs:"* ]]
  [ "$(grep -c ' logits (linear)$' <<< "$output")" = 1 ]
  [[ $output =~ "samples            100"$'\n'"top-1 agreement    "[0-9.]+" %"$'\n'"accuracy           "[0-9.]+" % reference, "[0-9.]+" % other"$ ]]
}

@test "-v names every tensor that both models have" {
  run -0 q-compare -v fused.h5 int8.h5 "${test_data[@]}"
  [ "$(grep -c '(.*)$' <<< "$output")" = 14 ]
}

@test "accuracy is the share of labels that the model meets" {
  # what h5dump tells of outputs and labels, against what q-compare says of them
  q-run -q fused.h5 "${test_data[@]}" -o "$out/result.h5"
  h5dump -y -w 0 -d /logits "$out/result.h5" | sed -n '/DATA {/,/}/p' | sed '1d;$d' | tr -d ' \n' | tr , '\n' > "$out/logits"
  h5dump -y -w 0 -d /y -s 0 -c 100 "$glyphs/test.h5" | sed -n '/DATA {/,/}/p' | sed '1d;$d' | tr -d ' \n' | tr , '\n' > "$out/labels"
  right=$(awk 'FNR == NR { label[NR - 1] = $1; next }
    { row = int((FNR - 1) / 10); if ((FNR - 1) % 10 == 0 || $1 + 0 > best) { best = $1 + 0; class[row] = (FNR - 1) % 10 } }
    END { for (row = 0; row < 100; ++row) right += class[row] == label[row]; print right }' "$out/labels" "$out/logits")
  run -0 q-compare --no-local fused.h5 fused.h5 "${test_data[@]}"
  [[ $output == *"accuracy           $right.00 % reference, $right.00 % other"* ]]
}

@test "SQNR and errors are those computed by hand" {
  # reference 3 4, other 3 2: 10 log10((9 + 16) / 4) = 7.9588 dB, mean error 1, cosine (9 + 8) / (5 sqrt(13))
  edit_model "$out/a.h5" <<< 'dataset /t f32 2 3 4'
  edit_model "$out/b.h5" <<< 'dataset /t f32 2 3 2'
  run -0 q-compare --tsv "$out/a.h5" "$out/b.h5"
  [ "${lines[1]}" = $'t\t\t\tyes\t7.9588\t\t0.94299033\t2\t1\t\t\t' ]
}

@test "a node on its own is no worse than the run up to it" {
  run -0 q-compare --tsv fused.h5 int8.h5 "${test_data[@]}"
  # the first node's two figures are the same but for the input, which is rounded in both
  [ "$(sed -n 2p <<< "$output" | cut -f 5)" = "$(sed -n 2p <<< "$output" | cut -f 6)" ]
  # further down errors have added up
  awk -F '\t' '$1 == "logits" { exit !($5 < $6) }' <<< "$output"
}

@test "--no-local leaves each node on its own out" {
  run -0 q-compare --no-local --tsv fused.h5 int8.h5 "${test_data[@]}"
  [ "$(cut -f 6 <<< "$output" | sort -u | tr '\n' ' ')" = " local_sqnr_db " ]
}

@test "--tsv has a line per tensor, in the order of the model" {
  run -0 q-compare --tsv "${tiny[@]}"
  [ "${lines[0]}" = $'tensor\tnode\top\toutput\tsqnr_db\tlocal_sqnr_db\tcosine\tmax_error\tmean_error\tpart\tpart_sqnr_db\tcause' ]
  [[ ${lines[1]} == $'h\tfc\tlinear\tno\t'* ]]
  [[ ${lines[2]} == $'y\tact\trelu\tyes\t'* ]]
  [ "${#lines[@]}" = 3 ]
}

@test "--json is JSON, also where a figure is infinite" {
  q-compare --json fused.h5 int8.h5 "${test_data[@]}" > "$out/int8.json"
  is_json < "$out/int8.json"
  q-compare --json fused.h5 fused.h5 "${test_data[@]}" > "$out/same.json"
  is_json < "$out/same.json"
  [ "$(json_value top1_agreement < "$out/same.json")" = 1.0 ]
  [ "$(json_value sqnr_db < "$out/same.json")" = '"inf"' ]
}

@test "a threshold that is not met ends with status 1 and says which" {
  run -1 --separate-stderr q-compare "${tiny[@]}" --min-sqnr 60
  [[ $stderr =~ ^"q-compare: SQNR of y is "[0-9.]+", wanted at least 60"$ ]]
  [[ $output == *"SQNR"* ]]
  run -1 --separate-stderr q-compare "${tiny[@]}" --exact
  [ "$stderr" = "q-compare: y differs" ]
  run -1 --separate-stderr q-compare fused.h5 int8.h5 "${test_data[@]}" --min-accuracy 0.999
  [[ $stderr =~ ^"q-compare: accuracy is "[0-9.]+", wanted at least 0.999"$ ]]
  run -1 --separate-stderr q-compare fused.h5 int8.h5 "${test_data[@]}" --min-top1-agreement 1.01
  [[ $stderr =~ ^"q-compare: top-1 agreement is "[0-9.]+", wanted at least 1.01"$ ]]
  run -1 --separate-stderr q-compare fused.h5 int8.h5 "${test_data[@]}" --max-accuracy-drop -0.5
  [[ $stderr =~ ^"q-compare: accuracy drops by "-?[0-9.]+", wanted at most -0.5"$ ]]
}

@test "every threshold that is not met is said" {
  run -1 --separate-stderr q-compare "${tiny[@]}" --min-sqnr 60 --exact --min-top1-agreement 1.01
  [ "${#stderr_lines[@]}" = 3 ]
}

@test "thresholds that are met end with status 0, silently" {
  run -0 --separate-stderr q-compare fused.h5 int8.h5 "${test_data[@]}" --min-sqnr 15 --min-top1-agreement 0.98 --min-accuracy 0.9 \
    --max-accuracy-drop 0.02
  [ -z "$stderr" ]
}

@test "a threshold that the data cannot answer is trouble" {
  refused "q-compare: --min-accuracy and --max-accuracy-drop: the data have no labels y, or *" q-compare "${tiny[@]}" --min-accuracy 0.5
  refused "q-compare: --min-accuracy and --max-accuracy-drop: the data have no labels y, or *" \
    q-compare "${tiny[@]}" --max-accuracy-drop 0.5
  refused "q-compare: --min-top1-agreement: the first output is not [[]N,classes]" \
    q-compare tiny/float.out.h5 tiny/int8.out.h5 --min-top1-agreement 0.5
}

@test "-q leaves the report and the status" {
  run -1 --separate-stderr q-compare -q "${tiny[@]}" --min-sqnr 60
  [ -z "$stderr" ]
  [ -n "$output" ]
}

@test "the fused and the unfused model are compared by the tensors they share" {
  run -0 q-compare -v float.h5 int8.h5 "${test_data[@]}"
  [[ $output == *"/stem/act/Relu_output_0 (conv2d)"* ]]
}

@test "models that have no tensor in common, or take other data, are refused" {
  refused "q-compare: *" q-compare tiny/tiny.h5 fused.h5 --data tiny/data.h5
  refused "q-compare: tiny/data.h5: x: samples are [[]4], model input image wants [[]1,28,28]" \
    q-compare fused.h5 tiny/tiny.h5 --data tiny/data.h5
}

@test "models without data are refused, not compared as bytes" {
  refused "q-compare: tiny/tiny.h5: is q-model, wanted tensors, or --data FILE" q-compare tiny/tiny.h5 tiny/int8.h5
  refused "q-compare: tiny/tiny.h5: is q-model, wanted tensors, or --data FILE" q-compare tiny/float.out.h5 tiny/tiny.h5
}

# ---- --suggest ----

@test "--suggest prints a recipe with rules for the worst nodes" {
  q-compare --suggest 2 fused.h5 int8.h5 "${test_data[@]}" > "$BATS_TEST_TMPDIR/patch.yaml"
  # the same two as the report names
  worst=$(q-compare --tsv fused.h5 int8.h5 "${test_data[@]}" | sed 1d | sort -t "$(printf '\t')" -k 6,6g | head -n 2 | cut -f 2)
  [ "$(sed -n 's/^  # \(.*\) ([a-z0-9_]*), [0-9.]* dB: .*/\1/p' "$BATS_TEST_TMPDIR/patch.yaml")" = "$worst" ]
}

@test "what --suggest prints can be given as a recipe, and helps" {
  q-compare --suggest 2 fused.h5 int8.h5 "${test_data[@]}" > "$BATS_TEST_TMPDIR/patch.yaml"
  q-observe -q --strict fused.h5 --data "$glyphs/calib.h5" --samples 0:100 "${normalised[@]}" --recipe int8 \
    --recipe "$BATS_TEST_TMPDIR/patch.yaml" -o "$out/observed.h5"
  q-calibrate -q "$out/observed.h5" | q-convert --strict -o "$out/patched.h5" 2> "$out/report"
  grep -q " $(grep -c 'quantize: false' "$BATS_TEST_TMPDIR/patch.yaml") float nodes" "$out/report"
  before=$(q-compare --no-local --tsv fused.h5 int8.h5 "${test_data[@]}" | awk -F '\t' '$1 == "logits" { print $5 }')
  after=$(q-compare --no-local --tsv fused.h5 "$out/patched.h5" "${test_data[@]}" | awk -F '\t' '$1 == "logits" { print $5 }')
  echo "before $before dB, after $after dB"
  awk -v before="$before" -v after="$after" 'BEGIN { exit !(after > before) }'
}

@test "the same patch can be given to q-calibrate: nothing is observed again" {
  q-compare --suggest 1 fused.h5 int8.h5 "${test_data[@]}" > "$BATS_TEST_TMPDIR/patch.yaml"
  q-calibrate -q observed.h5 --recipe int8 --recipe "$BATS_TEST_TMPDIR/patch.yaml" | q-convert -o "$out/patched.h5" 2> "$out/report"
  grep -q " $(grep -c 'quantize: false' "$BATS_TEST_TMPDIR/patch.yaml") float nodes" "$out/report"
}

@test "--suggest quotes the names of nodes" {
  cp tiny/tiny.h5 "$BATS_TEST_TMPDIR/named.h5"
  edit_model "$BATS_TEST_TMPDIR/named.h5" << 'COMMANDS'
delete /graph/fc
group /graph/it's:#1*
attribute /graph/it's:#1* op text linear
attribute /graph/it's:#1* order int 0
attribute /graph/it's:#1* inputs texts x w b
attribute /graph/it's:#1* outputs texts h
COMMANDS
  q-observe -q "$BATS_TEST_TMPDIR/named.h5" --data tiny/data.h5 | q-calibrate -q | q-convert -q -o "$out/int8.h5"
  q-compare --suggest 9 "$BATS_TEST_TMPDIR/named.h5" "$out/int8.h5" --data tiny/data.h5 > "$out/patch.yaml"
  grep -qF "name: 'it''s:#1*'" "$out/patch.yaml"
  q-observe "$BATS_TEST_TMPDIR/named.h5" --data tiny/data.h5 --recipe int8 --recipe "$out/patch.yaml" -o "$out/observed.h5" 2> "$out/report"
  grep -q 'kept float: 2' "$out/report"
}

@test "--suggest that has nothing to go by is refused" {
  refused "q-compare: --suggest -1, wanted at least 1" q-compare --suggest -1 "${tiny[@]}"
  refused "q-compare: --suggest: wanted two models, --data, and no --no-local" q-compare --suggest 1 --no-local "${tiny[@]}"
  refused "q-compare: --suggest: wanted two models, --data, and no --no-local" \
    q-compare --suggest 1 tiny/float.out.h5 tiny/int8.out.h5
}

# ---- files of tensors ----

@test "two files of tensors are compared by name" {
  run -0 q-compare --exact tiny/float.out.h5 tiny/float.out.h5
  run -1 --separate-stderr q-compare --exact tiny/float.out.h5 tiny/int8.out.h5
  [ "$stderr" = "q-compare: y differs" ]
  run -0 q-compare --min-sqnr 30 tiny/float.out.h5 tiny/int8.out.h5
  run -1 q-compare --min-sqnr 60 tiny/float.out.h5 tiny/int8.out.h5
}

@test "--exact tells a NaN from a number, and takes NaN for NaN and infinity for infinity" {
  edit_model "$out/odd.h5" <<< 'dataset /t f32 3 3 nan -inf'
  edit_model "$out/number.h5" <<< 'dataset /t f32 3 3 4 -inf'
  run -0 q-compare --exact "$out/odd.h5" "$out/odd.h5"
  run -1 q-compare --exact "$out/odd.h5" "$out/number.h5"
  run -1 q-compare --exact "$out/number.h5" "$out/odd.h5"
}

@test "a tensor that only one file has is said, and is a difference under --exact" {
  q-run -q tiny/tiny.h5 --data tiny/data.h5 --keep h -o "$out/more.h5"
  run -0 --separate-stderr q-compare tiny/float.out.h5 "$out/more.h5"
  [ "$stderr" = "q-compare: h is only in $out/more.h5" ]
  run -1 --separate-stderr q-compare --exact tiny/float.out.h5 "$out/more.h5"
  [ "$stderr" = "q-compare: h is only in $out/more.h5" ]
  run -1 --separate-stderr q-compare --exact "$out/more.h5" tiny/float.out.h5
  [ "$stderr" = "q-compare: h is only in $out/more.h5" ]
}

@test "files of tensors that do not fit are refused" {
  refused "q-compare: tiny/float.out.h5 and tiny/data.h5 have no tensor of the same name" \
    q-compare tiny/float.out.h5 tiny/data.h5
  q-run -q tiny/tiny.h5 --data tiny/data.h5 --samples 0:4 -o "$BATS_TEST_TMPDIR/less.h5"
  refused "q-compare: $BATS_TEST_TMPDIR/less.h5: y is [[]4,3], wanted [[]8,3]" q-compare tiny/float.out.h5 "$BATS_TEST_TMPDIR/less.h5"
}

@test "one operand is too few" {
  refused "q-compare: 1 operands, wanted REFERENCE OTHER * (try q-compare --help)" q-compare tiny/tiny.h5
}
