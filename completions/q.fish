# fish completion of a q tool, installed once under each tool's name: the tool itself tells its options.
set -l tool (status basename | string replace .fish '')

# --describe: flags, name of the value, help, default, choices
$tool --describe 2>/dev/null | while read -l -d \t flags value help default choices
    set -l option --command $tool --description $help
    for flag in (string split , -- $flags)
        if string match -q -- '--*' $flag
            set -a option --long-option (string sub -s 3 -- $flag)
        else
            set -a option --short-option (string sub -s 2 -- $flag)
        end
    end
    if test "$flags" = --recipe # by path, or by the name of one in $Q_RECIPE_PATH or installed
        set -l installed (path dirname (command -s $tool))/../share/q/recipes
        set -a option --require-parameter --force-files \
            --arguments "(path basename (string split : -- \$Q_RECIPE_PATH)/*.yaml $installed/*.yaml)"
    else if test -n "$choices"
        set -a option --exclusive --arguments (string replace -a '|' ' ' -- $choices)
    else if string match -q 'FILE*' -- $value
        set -a option --require-parameter --force-files
    else if test -n "$value"
        set -a option --exclusive
    end
    complete $option
end
