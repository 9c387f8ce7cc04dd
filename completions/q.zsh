#compdef -P q-*
# zsh completion of the q tools: the tool itself tells its options.

# A file, or the name of a recipe in $Q_RECIPE_PATH or installed.
_q_recipes() {
  local -a names
  names=(${^${(s.:.)Q_RECIPE_PATH}}/*.yaml(N:t) ${commands[$words[1]]:h}/../share/q/recipes/*.yaml(N:t))
  _alternative "recipes:recipe:($names)" 'files:file:_files'
}

_q() {
  setopt local_options extended_glob
  local line flag value help
  local -a column options
  # --describe: flags, name of the value, help, default, choices
  for line in ${(f)"$($words[1] --describe 2> /dev/null)"}; do
    column=("${(@ps:\t:)line}")
    help=${column[3]//(#m)[\]\[:]/\\$MATCH}
    value=
    [[ -n $column[2] ]] && value=":$column[2]: "
    [[ -n $column[5] ]] && value=":$column[2]:(${column[5]//|/ })"
    [[ $column[2] == FILE* ]] && value=":file:_files"
    [[ $column[1] == --recipe ]] && value=":recipe:_q_recipes"
    for flag in ${(s:,:)column[1]}; do
      [[ $flag == --* && -n $value ]] && flag+='='
      options+=("*${flag}""[$help]$value")
    done
  done
  _arguments -S $options '*:file:_files'
}

_q "$@"
