"""The script for bash, from 3.2 on, as macOS has it: neither bash-completion nor associative arrays are needed."""

from collections.abc import Iterable, Iterator

from tui.completion_table import APP, CHOICE, COMMAND, MODEL, NOTHING, Option, Words

# Names of models come from files that strangers made: they are compared and quoted, never given to compgen -W, which
# would run what stands in them.
_FRAME = r"""# bash completion of plimsoll; add to ~/.bashrc: source <(plimsoll completions bash)
_plimsoll_offer() {
    local word
    for word in "$@"; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
    done
}
_plimsoll_models() {
    local name
    [[ $cur == [./~]* ]] && return
    while IFS= read -r name; do
        [[ $name == "$cur"* ]] && COMPREPLY+=("$(printf '%q' "$name")")
    done < <(command plimsoll models --names 2>/dev/null)
}
_plimsoll_values() {
    case $1 in
@VALUES@
        *) return 1 ;;
    esac
}
_plimsoll_options() {
    case $1 in
@OPTIONS@
    esac
    case $1:$engine in
@ENGINES@
    esac
}
_plimsoll_command() {
    local -a rest
    rest=("${words[@]:$1}")
    if [[ ${#rest[@]} -le 1 ]]; then
        local IFS=$'\n'
        COMPREPLY=($(compgen -c -- "$cur"))
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    fi
}
_plimsoll() {
    local line=${COMP_LINE:0:COMP_POINT} cur prev command='' engine='llamacpp' i
    local -a words
    COMPREPLY=()
    read -r -a words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    cur=${words[${#words[@]} - 1]}
    prev=${words[${#words[@]} - 2]}
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
            --) [[ $command == run || $command == check ]] && { _plimsoll_command $((i + 1)); return; } ;;
            --engine) engine=${words[i + 1]} ;;
            --engine=*) engine=${words[i]#*=} ;;
            @COMMANDS@) [[ -z $command ]] && command=${words[i]} ;;
        esac
    done
    if [[ $cur == --*=* ]]; then
        prev=${cur%%=*} cur=${cur#*=}
        _plimsoll_values "$command:$prev"
        return
    fi
    if [[ $prev == -* ]] && _plimsoll_values "$command:$prev"; then
        :
    elif [[ $cur == -* ]]; then
        _plimsoll_options "$command"
    else
        [[ -z $command ]] && _plimsoll_offer @NAMES@
        case $command in
@WORDS@
        esac
    fi
    # What stands before a colon is a word of its own to readline, and is not replaced.
    if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
        for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
            COMPREPLY[i]=${COMPREPLY[i]#"${cur%"${cur##*:}"}"}
        done
    fi
}
complete -o default -F _plimsoll plimsoll
"""


def bash_script(table: Iterable[Words]) -> str:
    """The whole script."""
    table = tuple(table)
    names = [words.name for words in table if words.name != APP]
    return (
        _FRAME.replace("@VALUES@", "\n".join(_values(table)))
        .replace("@OPTIONS@", "\n".join(_options(table)))
        .replace("@ENGINES@", "\n".join(_engine_options(table)))
        .replace("@WORDS@", "\n".join(_positionals(table)))
        .replace("@COMMANDS@", " | ".join(names))
        .replace("@NAMES@", " ".join(names))
    )


def _values(table: Iterable[Words]) -> Iterator[str]:
    """What comes behind each option that takes something."""
    for words in table:
        for option in words.options:
            if option.takes != NOTHING:
                heads = " | ".join(f"{words.name}:{flag}" for flag in option.flags)
                yield f"        {heads}) {_action(option)} ;;"


def _action(option: Option) -> str:
    if option.takes == CHOICE:
        return f"_plimsoll_offer {' '.join(map(quoted, option.choices))}"
    if option.takes == MODEL:
        return "_plimsoll_models"
    return "return 0"  # readline offers files then


def _options(table: Iterable[Words]) -> Iterator[str]:
    for words in table:
        flags = [quoted(flag) for option in words.options if not option.engine for flag in option.flags]
        yield f"        {quoted(words.name)}) _plimsoll_offer {' '.join(flags)} ;;"


def _engine_options(table: Iterable[Words]) -> Iterator[str]:
    for words in table:
        by_engine: dict[str, list[str]] = {}
        for option in words.options:
            if option.engine:
                by_engine.setdefault(option.engine, []).extend(map(quoted, option.flags))
        for engine, flags in by_engine.items():
            yield f"        {words.name}:{engine}) _plimsoll_offer {' '.join(flags)} ;;"


def _positionals(table: Iterable[Words]) -> Iterator[str]:
    for words in table:
        if words.takes == MODEL:
            yield f"            {quoted(words.name)}) _plimsoll_models ;;"
        elif words.takes == CHOICE:
            yield f"            {words.name}) _plimsoll_offer {' '.join(map(quoted, words.choices))} ;;"
        elif words.takes == COMMAND:
            yield f"            {words.name}) _plimsoll_command $((${{#words[@]}} - 1)) ;;"


def quoted(text: str) -> str:
    """As one word of bash, zsh and fish."""
    return (
        text if text and all(char.isalnum() or char in "-_./" for char in text) else "'" + text.replace("'", "") + "'"
    )
