#!/usr/bin/env bats
# q-fuse: makes one node of several where the result is the same.
# shellcheck disable=SC2154  # bats sets stderr and stderr_lines
bats_require_minimum_version 1.5.0
# shellcheck source=common.bash
source "$BATS_TEST_DIRNAME/common.bash"

setup_file() {
  cd "$BATS_FILE_TMPDIR" || return 1
  q-import -q "$glyphs/glyphs.onnx" -o float.h5
  q-fuse -q float.h5 -o fused.h5
  make_tiny tiny.h5
  make_tiny_data data.h5
}

setup() {
  private_folders
  cd "$BATS_FILE_TMPDIR" || return 1
}

operators_of() {
  q-info --json "$1" | sed -n 's/^ *"op": "\(.*\)",$/\1/p' | sort | uniq -c | awk '{ printf "%s%s %s", sep, $2, $1; sep = ", " }'
}

@test "batch norms, activations and gates of the bundled model go into the nodes before them" {
  [[ $(operators_of float.h5) == *"batch_norm 7"* ]]
  [ "$(operators_of fused.h5)" = \
    "adaptive_avg_pool 1, add 1, avg_pool 1, conv2d 7, flatten 1, hardswish 1, linear 1, max_pool 1" ]
}

@test "the report counts what was done, by rule" {
  run -0 --separate-stderr q-fuse float.h5 -o "$out/fused.h5"
  [ "$stderr" = "q-fuse: add+relu: 1
q-fuse: conv2d+batch_norm: 7
q-fuse: conv2d+relu: 4
q-fuse: conv2d+relu6: 1
q-fuse: hardsigmoid+mul: 1" ]
  [ -z "$output" ]
}

@test "-v names every node, and -q says nothing" {
  run -0 --separate-stderr q-fuse -v tiny.h5 -o "$out/fused.h5"
  [ "$stderr" = "q-fuse: linear+relu: fc: absorbed act
q-fuse: linear+relu: 1" ]
  run -0 --separate-stderr q-fuse -q float.h5 -o "$out/fused.h5"
  [ -z "$stderr" ]
}

@test "the outputs are those of the model before, but for rounding" {
  # folding a batch norm rounds each weight once: 2^-24 relative, some hundred of them summed
  q-compare --no-local --min-sqnr 100 float.h5 fused.h5 --data "$glyphs/test.h5" --samples 0:50 "${normalised[@]}"
}

@test "fusing activations alone changes no bit of the outputs" {
  q-fuse -q tiny.h5 -o "$out/fused.h5"
  q-compare --exact tiny.h5 "$out/fused.h5" --data data.h5
}

@test "fusing twice is fusing once" {
  q-fuse -q --no-history float.h5 -o "$out/once.h5"
  q-fuse -q --no-history "$out/once.h5" -o "$out/twice.h5"
  same_bytes "$out/once.h5" "$out/twice.h5"
}

@test "values keep their names, so that models can be compared" {
  run -0 q-info --json fused.h5
  [[ $output == *'"/stem/act/Relu_output_0"'* ]]
  [[ $output == *'"logits"'* ]]
}

@test "--skip leaves a rule out, repeatedly, and stands in the history" {
  q-fuse -q --skip fold_batch_norm --skip fuse_gate float.h5 -o "$out/fused.h5"
  [[ $(operators_of "$out/fused.h5") == *"batch_norm 7"*"hardsigmoid 1"* ]]
  run -0 q-info "$out/fused.h5"
  [[ $output == *"q-fuse "[0-9]*" --skip fold_batch_norm --skip fuse_gate"* ]]
}

@test "--skip of an unknown rule is refused" {
  refused "q-fuse: --skip nothing: no rule is called so (see q-fuse(1))" q-fuse --skip nothing tiny.h5
}

@test "an option that can be repeated takes one value, not the operand behind it" {
  q-fuse -q --skip fuse_activation tiny.h5 -o "$out/fused.h5"
  [ "$(operators_of "$out/fused.h5")" = "linear 1, relu 1" ]
}

@test "statistics of the unfused model are dropped" {
  q-observe -q tiny.h5 --data data.h5 -o "$out/observed.h5"
  q-fuse -q "$out/observed.h5" -o "$out/fused.h5"
  run -0 q-info "$out/fused.h5"
  [[ $output != *statistics* ]]
}

@test "the history names the tools in order, and --no-history writes none" {
  run -0 bash -c "q-info --json fused.h5 | grep '\"tool\"'"
  [ "$output" = '      "tool": "q-import",
      "tool": "q-fuse",' ]
  q-fuse -q --no-history float.h5 -o "$out/fused.h5"
  run -0 q-info --json "$out/fused.h5"
  [[ $output == *'"history": [],'* ]]
}
