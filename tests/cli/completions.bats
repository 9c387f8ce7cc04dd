#!/usr/bin/env bats
# The shells complete what the tools tell them.
# shellcheck disable=SC2154  # common.bash sets source_dir
bats_require_minimum_version 1.5.0
load common

setup() {
  completions=$source_dir/completions
  cp "$completions/q.bash" "$BATS_TEST_TMPDIR/q-compare"  # as it is installed
  cp "$completions/q.fish" "$BATS_TEST_TMPDIR/q-compare.fish"
  mkdir "$BATS_TEST_TMPDIR/empty" "$BATS_TEST_TMPDIR/recipes"
  touch "$BATS_TEST_TMPDIR/recipes/mine.yaml"
  export Q_RECIPE_PATH=$BATS_TEST_TMPDIR/recipes
  cd "$BATS_TEST_TMPDIR/empty" || return
  touch model.h5
}

# What bash offers for the last of these words.
bash_offers() {
  # shellcheck source=/dev/null
  source "$BATS_TEST_TMPDIR/q-compare"
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  COMPREPLY=()
  _q "$1" "${*: -1}" "${*: -2:1}"
  printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort
}

needs() {  # in the test itself: a skip in a subshell would skip nothing
  command -v "$1" > /dev/null || skip "$1 is not installed"
}

fish_offers() {
  HOME=$BATS_TEST_TMPDIR fish --no-config -c "source $BATS_TEST_TMPDIR/q-compare.fish; complete -C'$1'" | cut -f 1 | LC_ALL=C sort
}

zsh_offers() {  # the options as _arguments takes them
  zsh -f -c "_arguments() { print -rl -- \"\$@\" }; words=(q-compare ''); source $completions/q.zsh"
}

flags() { q-compare --describe | cut -f 1 | tr , '\n' | LC_ALL=C sort; }

@test "bash offers every option" {
  diff <(flags) <(bash_offers q-compare -)
}

@test "bash offers the choices of an option, also after =" {
  [ "$(bash_offers q-compare --progress '')" = $'always\nauto\nnever' ]
  [ "$(bash_offers q-compare --progress a)" = $'always\nauto' ]
  [ "$(bash_offers q-compare --progress = ne)" = never ]
}

@test "bash offers files for operands and for options that take one" {
  [ "$(bash_offers q-compare '')" = model.h5 ]
  [ "$(bash_offers q-compare --data '')" = model.h5 ]
  [ "$(bash_offers q-compare --exact '')" = model.h5 ]
}

@test "bash offers nothing where only the user knows the value" {
  [ -z "$(bash_offers q-compare --min-sqnr '')" ]
}

@test "bash offers recipes by name: the user's and the installed ones" {
  run -0 bash_offers q-compare --recipe ''
  [[ " ${lines[*]} " == *" int8.yaml "* ]]
  [[ " ${lines[*]} " == *" mine.yaml "* ]]
  [[ " ${lines[*]} " == *" model.h5 "* ]]
}

@test "fish offers every option" {
  needs fish
  long=$(fish_offers 'q-compare --')
  [ "$long" = "$(flags | grep '^--')" ]
}

@test "fish offers choices, recipes and files" {
  needs fish
  [ "$(fish_offers 'q-compare --progress ')" = $'always\nauto\nnever' ]
  [[ $(fish_offers 'q-compare --recipe ') == *int8.yaml*mine.yaml*model.h5* ]]
  [ "$(fish_offers 'q-compare --data ')" = model.h5 ]
}

@test "zsh offers every option with its help" {
  needs zsh
  run -0 zsh_offers
  diff <(flags) <(printf '%s\n' "$output" | sed -n 's/^\*\(-[^=[]*\)=\{0,1\}\[.*/\1/p' | LC_ALL=C sort)
}

@test "zsh offers choices, recipes and files" {
  needs zsh
  run -0 zsh_offers
  [[ $output == *"*--progress=["*"]:WHEN:(auto always never)"* ]]
  [[ $output == *"*--recipe=["*"]:recipe:_q_recipes"* ]]
  [[ $output == *"*--data=["*"]:file:_files"* ]]
}
