"""The script for fish, from 3.1 on: a line an option."""

from collections.abc import Iterable, Iterator

from tui.completion_table import APP, CHOICE, COMMAND, FILE, FOLDER, MODEL, NOTHING, Option, Words

_FRAME = r"""# fish completion of plimsoll: plimsoll completions fish > ~/.config/fish/completions/plimsoll.fish
function __plimsoll_command
    for word in (commandline -opc)[2..-1]
        if contains -- $word @NAMES@
            echo $word
            return
        end
    end
end
function __plimsoll_is
    __plimsoll_after_dashes; and return 1
    test "$(__plimsoll_command)" = "$argv[1]"
end
function __plimsoll_engine
    __plimsoll_is $argv[1]; or return 1
    set -l engine llamacpp
    set -l words (commandline -opc)
    for i in (seq (count $words))
        switch $words[$i]
            case --engine
                set -q words[(math $i + 1)]; and set engine $words[(math $i + 1)]
            case '--engine=*'
                set engine (string replace -- --engine= '' $words[$i])
        end
    end
    test "$engine" = "$argv[2]"
end
function __plimsoll_after_dashes
    contains -- "$(__plimsoll_command)" run check; and contains -- -- (commandline -opc)
end
function __plimsoll_wrapped
    set -l words (commandline -opc)
    set -l at (contains -i -- -- $words)
    set -l rest $words[(math $at + 1)..-1]
    test (count $words) -eq $at; and set rest
    complete -C (string join ' ' -- (string escape -- $rest) (commandline -ct))
end
function __plimsoll_models
    command plimsoll models --names 2>/dev/null
end
complete -c plimsoll -e
complete -c plimsoll -n __plimsoll_after_dashes -x -a '(__plimsoll_wrapped)'
"""


def fish_script(table: Iterable[Words]) -> str:
    """The whole script."""
    table = tuple(table)
    names = " ".join(words.name for words in table if words.name != APP)
    return _FRAME.replace("@NAMES@", names) + "\n".join(_lines(table)) + "\n"


def _lines(table: Iterable[Words]) -> Iterator[str]:
    for words in table:
        is_it = f"__plimsoll_is {_quoted(words.name)}"
        if words.name != APP:
            is_none = "__plimsoll_is ''"
            yield f"complete -c plimsoll -n {_quoted(is_none)} -f -a {words.name} -d {_quoted(words.help)}"
        if words.takes == MODEL:
            yield f"complete -c plimsoll -n {_quoted(is_it)} -a '(__plimsoll_models)'"
            has_colon = f"{is_it}; and string match -q '*:*' -- (commandline -ct)"  # fish takes what follows for a file
            yield f"complete -c plimsoll -n {_quoted(has_colon)} -f"
        elif words.takes == CHOICE:
            yield f"complete -c plimsoll -n {_quoted(is_it)} -f -a {_quoted(' '.join(words.choices))}"
        elif words.takes in (NOTHING, COMMAND):
            yield f"complete -c plimsoll -n {_quoted(is_it)} -f"
        for option in words.options:
            condition = f"__plimsoll_engine {_quoted(words.name)} {option.engine}" if option.engine else is_it
            told = f"{_flags(option)}{_value(option)} -d {_quoted(option.help[:100])}"
            yield f"complete -c plimsoll -n {_quoted(condition)} {told}"


def _flags(option: Option) -> str:
    return " ".join(
        f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" if len(flag) == 2 else f"-o {flag[1:]}"
        for flag in option.flags
    )


def _value(option: Option) -> str:
    if option.takes == NOTHING:
        return ""
    if option.takes == CHOICE:
        return f" -x -a {_quoted(' '.join(option.choices))}"
    if option.takes == MODEL:
        return " -r -a '(__plimsoll_models)'"
    return " -r" if option.takes in (FILE, FOLDER) else " -x"


def _quoted(text: str) -> str:
    """Fish knows both of these between single quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
