"""A text on one line where it goes on over several; and whether a backslash in it escapes anything."""

import re

_CONTINUED = re.compile(
    r"(?:(?<![ \t])[ \t]+)?(?:\\{1,2}|\^|(?<=[ \t])`)[ \t]*\r?\n(?:More\?[ \t]+)?(>{1,2}[ \t]+(-?))?[ \t]*"
)
"""A line goes on behind ``\\`` in a POSIX shell, ``^`` in cmd.exe and a backtick in PowerShell; a shell may have
prompted for it (``> ``, PowerShell ``>> ``, cmd.exe ``More? ``). Two ``\\\\`` are one where a document or a string is
written with it."""
_BEGINS_COMMAND = re.compile(r"[ \t]*[\w./\"$]")
_WINDOWS = re.compile(
    r"(?:^|[\s\"'=`])(?:[A-Za-z]:\\|\.{1,2}\\)|\.exe\b|\w\\[\w. -]{1,200}\.gguf\b|\^\s*\n|`\s*\n|\$env:",
    re.IGNORECASE,
)
"""Where a backslash is part of a path and escapes nothing."""


def continued(text: str) -> str:
    """On one line where it was continued on several; nothing goes on behind the last one."""
    text = f"{_with_remarks_ended(text)}\n"
    found = list(_CONTINUED.finditer(text))[:-1] or list(_CONTINUED.finditer(text))
    # ``> log`` on a line of its own is no prompt: a shell prompts for every line.
    is_prompted = all(each[1] for each in found) and (len(found) > 1 or any(each[2] for each in found))
    return _CONTINUED.sub(lambda each: f" {each[2] if is_prompted else each[1] or ''}", text).removesuffix("\n")


def _with_remarks_ended(text: str) -> str:
    """Remarks behind a line that goes on go on nowhere, where a command of its own stands below them."""
    lines = text.split("\n")
    first, is_going_on = 0, False
    for number, line in enumerate(lines):
        if line.lstrip(" \t").startswith("#"):
            continue
        if is_going_on and first < number and _BEGINS_COMMAND.match(line):
            lines[first:number] = [remark.rstrip(" \t\\") for remark in lines[first:number]]
        first, is_going_on = number + 1, line.endswith("\\")
    return "\n".join(lines)


def is_windows_text(text: str) -> bool:
    """Whether a backslash is part of its paths, and escapes nothing."""
    return _WINDOWS.search(text) is not None
