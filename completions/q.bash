# bash completion of a q tool, installed once under each tool's name: the tool itself tells its options.

# Recipes that need no path: along $Q_RECIPE_PATH, and those installed beside the tool.
_q_recipes() {
  local folders folder
  IFS=: read -ra folders <<< "${Q_RECIPE_PATH-}"
  for folder in "${folders[@]}" "$(dirname "$(type -P "$1")")/../share/q/recipes"; do
    (cd "$folder" 2> /dev/null && compgen -G '*.yaml')
  done
}

_q() {
  local tool=$1 word=$2 option=$3 kind words
  if [[ $word == = ]]; then word=''; elif [[ $option == = ]]; then option=${COMP_WORDS[COMP_CWORD - 2]}; fi
  # --describe: flags, name of the value, help, default, choices
  read -r kind words < <("$tool" --describe 2> /dev/null | awk -F'\t' -v option="$option" -v word="$word" '
    {
      n = split($1, flags, ",")
      for (i = 1; i <= n; i++) {
        if (flags[i] == option && $2 != "") value = $2 "\t" $5
        names = names " " flags[i]
      }
    }
    END {
      split(value, column)
      gsub(/\|/, " ", column[2])
      if (value == "") print word ~ /^-/ ? "words" names : "files"
      else print column[2] != "" ? "words " column[2] : column[1] ~ /^FILE/ ? "files" : "none"
    }')
  [[ $option == --recipe ]] && words=$(_q_recipes "$tool")
  case $kind in
    files) mapfile -t COMPREPLY < <(compgen -f -W "$words" -- "$word") ;;
    words) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word") ;;
    *) COMPREPLY=() ;;  # a number, or a name only the user knows
  esac
}
complete -o filenames -F _q "${BASH_SOURCE[0]##*/}"
