"""The script for zsh: one list of ``_arguments`` a command, with those of the chosen engine added."""

from collections.abc import Iterable, Iterator

from tui.completion_table import APP, CHOICE, COMMAND, FILE, FOLDER, MODEL, NOTHING, Option, Words

_FRAME = r"""#compdef plimsoll
# zsh completion of plimsoll; add to ~/.zshrc, below compinit: source <(plimsoll completions zsh)
_plimsoll_models() {
    local -a names
    names=(${(f)"$(command plimsoll models --names 2>/dev/null)"})
    compadd -M 'm:{a-z}={A-Z}' -a names
    _files
}
_plimsoll_commands() {
    local -a commands
    commands=(
@COMMANDS@
    )
    _describe -t commands command commands
}
_plimsoll_first() {
    _plimsoll_commands
    _plimsoll_models
}
_plimsoll() {
    local command='' engine='llamacpp' i
    local -a specs
    for ((i = 2; i < CURRENT; i++)); do
        case $words[i] in
            --) if [[ $command == (run|check) ]]; then
                    words=("${(@)words[i + 1,-1]}")
                    ((CURRENT -= i))
                    _normal
                    return
                fi ;;
            --engine) engine=$words[i+1] ;;
            --engine=*) engine=${words[i]#*=} ;;
            @NAMES@) [[ -z $command ]] && command=$words[i] ;;
        esac
    done
    case $command in
@SPECS@
    esac
    case $command:$engine in
@ENGINES@
    esac
    if [[ -n $command ]]; then
        i=${words[(i)$command]}
        words=("${(@)words[1,i - 1]}" "${(@)words[i + 1,-1]}")
        ((CURRENT -= 1))
    fi
    _arguments $specs
}
if [[ $funcstack[1] == _plimsoll ]]; then
    _plimsoll "$@"
else
    compdef _plimsoll plimsoll
fi
"""


def zsh_script(table: Iterable[Words]) -> str:
    """The whole script."""
    table = tuple(table)
    commands = [words for words in table if words.name != APP]
    described = "\n".join(f"        {_quoted(f'{words.name}:{words.help}')}" for words in commands)
    return (
        _FRAME.replace("@COMMANDS@", described)
        .replace("@NAMES@", " | ".join(words.name for words in commands))
        .replace("@SPECS@", "\n".join(_specs(table)))
        .replace("@ENGINES@", "\n".join(_engine_specs(table)))
    )


def _specs(table: Iterable[Words]) -> Iterator[str]:
    for words in table:
        specs = [spec for option in words.options if not option.engine for spec in _option(option)]
        specs += _positional(words)
        yield (
            f"        {words.name or _quoted('')}) specs=(\n"
            + "\n".join(f"            {s}" for s in specs)
            + "\n        ) ;;"
        )


def _engine_specs(table: Iterable[Words]) -> Iterator[str]:
    for words in table:
        by_engine: dict[str, list[str]] = {}
        for option in words.options:
            if option.engine:
                by_engine.setdefault(option.engine, []).extend(_option(option))
        for engine, specs in by_engine.items():
            inner = "\n".join(f"            {spec}" for spec in specs)
            yield f"        {words.name}:{engine}) specs+=(\n{inner}\n        ) ;;"


def _option(option: Option) -> Iterator[str]:
    text = option.help.replace("[", "(").replace("]", ")").replace(":", " -")[:100]
    for flag in option.flags:
        if option.takes == NOTHING:
            yield _quoted(f"{flag}[{text}]")
        else:
            # Behind a blank or, of a long one, behind "=".
            sign = "=" if flag.startswith("--") else ""
            yield _quoted(f"{flag}{sign}[{text}]:value:{_action(option.takes, option.choices)}")


def _positional(words: Words) -> list[str]:
    if words.name == APP:
        return [_quoted("1:command or model:_plimsoll_first")]
    if words.takes == NOTHING:
        return []
    if words.takes == COMMAND:
        return [_quoted("*::command:_normal")]
    star = "*" if words.takes == FOLDER else "1"
    return [_quoted(f"{star}:{words.takes}:{_action(words.takes, words.choices)}")]


def _action(takes: str, choices: Iterable[str]) -> str:
    if takes == CHOICE:
        return f"({' '.join(choices)})"
    return {FILE: "_files", FOLDER: "_files -/", MODEL: "_plimsoll_models"}.get(takes, " ")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "’") + "'"
