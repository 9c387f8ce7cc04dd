#!/usr/bin/env bats
# Every tool tells what it can be told, and refuses the rest in one line.
# shellcheck disable=SC2154  # common.bash sets source_dir, bats stderr and stderr_lines
bats_require_minimum_version 1.5.0
load common

setup() {
  mapfile -t tools < <(basename -s .cc "$source_dir"/tools/q-*.cc)
}

@test "--help lists exactly the options of --describe" {
  for tool in "${tools[@]}"; do
    diff <("$tool" --describe | cut -f 1) <("$tool" --help | sed -n 's/^  \(-[^ ]*\).*/\1/p')
  done
}

@test "--help names every choice and every default" {
  for tool in "${tools[@]}"; do
    "$tool" --help > "$BATS_TEST_TMPDIR/help"
    "$tool" --describe > "$BATS_TEST_TMPDIR/table"
    awk -F'\t' '
      NR == FNR { help = help $0 "\n"; next }
      $5 != "" && !index(help, $3 ": " $5) { print "choices of " $1; bad = 1 }
      $4 != "" && !index(help, "[" $4 "]") { print "default of " $1; bad = 1 }
      END { exit bad }' "$BATS_TEST_TMPDIR/help" "$BATS_TEST_TMPDIR/table"
  done
}

@test "--describe prints five columns, and no option twice" {
  for tool in "${tools[@]}"; do
    "$tool" --describe | awk -F'\t' '
      NF != 5 || $1 !~ /^-/ || $3 == "" { print; bad = 1 }
      { n = split($1, flags, ","); for (i = 1; i <= n; i++) if (seen[flags[i]]++) { print flags[i] " twice"; bad = 1 } }
      END { exit bad || NR == 0 }'
  done
}

@test "--help, --describe and --version answer without any input" {
  for tool in "${tools[@]}"; do
    for question in --help --describe --version; do
      run -0 --separate-stderr "$tool" "$question" < /dev/null
      [ -n "$output" ]
      [ -z "$stderr" ]
    done
  done
}

@test "all tools have one version, in one form" {
  for tool in "${tools[@]}"; do
    run -0 "$tool" --version
    [[ $output =~ ^$tool\ \(q-tools\)\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
    version=${version:-${output##* }}
    [ "$version" = "${output##* }" ]
  done
}

@test "an unknown option ends with status 2 and one line" {
  for tool in "${tools[@]}"; do
    run -2 --separate-stderr "$tool" --no-such-option < /dev/null
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 1 ]
    [[ $stderr == "$tool: "*--no-such-option*"(try $tool --help)" ]]
  done
}

@test "an option without its value ends with status 2 and one line" {
  for tool in "${tools[@]}"; do
    run -2 --separate-stderr "$tool" --threads < /dev/null
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 1 ]
    [[ $stderr == "$tool: "*--threads*"(try $tool --help)" ]]
  done
}

@test "a word that is none of an option's choices is refused with the choices" {
  for tool in "${tools[@]}"; do
    run -2 --separate-stderr "$tool" --progress sometimes < /dev/null
    [ "${#stderr_lines[@]}" = 1 ]
    [[ $stderr == "$tool: "*sometimes*"wanted auto|always|never"* ]]
  done
}

@test "an instruction set that is not known is refused by name" {
  for tool in "${tools[@]}"; do
    operands=(a.h5)
    [ "$tool" != q-compare ] || operands+=(b.h5)
    run -2 --separate-stderr "$tool" --isa abacus "${operands[@]}"
    [ "${#stderr_lines[@]}" = 1 ]
    [[ $stderr == "$tool: "*abacus*generic* ]]
  done
}

@test "more operands than a tool takes are refused" {
  run -2 --separate-stderr q-fuse a.h5 b.h5
  [ "$stderr" = "q-fuse: 2 operands, wanted [MODEL] (try q-fuse --help)" ]
}
