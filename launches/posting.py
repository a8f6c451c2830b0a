"""What stands around a command as people post it: prompts, lists of a Dockerfile, blocks of YAML, numbers of a history.

Dockerfile: docs.docker.com/reference/dockerfile, "Understand how CMD and ENTRYPOINT interact". llama-swap: ``cmd`` and
``macros`` of its configuration, github.com/mostlygeek/llama-swap, docs/configuration.md (2026-11).
"""

import json
import re
import shlex

from launches.posted_services import started_by
from launches.powershell import plain_commands
from launches.splitter import MOST_CHARACTERS
from launches.unit import as_podman, specified

PROMPT = re.compile(
    r"^\s*(?:\([\w.-]{1,64}\)\s*)?(?:PS ?(?:[A-Za-z]:)?[^>\n]{0,200}>\s*|[A-Za-z]:\\[^>\n\"]{0,200}>\s*"
    r"|\.\\[^>\n\"]{0,200}>\s+|(?:[\w.-]{1,64}@[\w.-]{1,64}:|[~/])[^$#\s]{0,200} ?[$#]\s+"
    r"|[$%>][ \t]+|[$#]>[ \t]+|!(?=[\w./~]))"
)
_HOST_PROMPT = re.compile(
    r"^[ \t]*(?:[^\x00-\u1fff]{1,4}[ \t]+)?(?:\([\w.-]{1,64}\)[ \t]*)?"
    r"\[?[\w.-]{1,64}@[\w.-]{1,64}[: \]][^$#%❯\n\"'=]{0,120}[$#%❯][ \t]+(?=\S)",
    re.MULTILINE,
)
"""``[user@host folder]$``, ``user@host ~ %``: of any line."""
_THEMED_PROMPT = re.compile(
    r"^[ \t]*(?:\([\w.-]{1,64}\)[ \t]*)?(?:"
    r"[➜❯λ»▶][ \t]+(?:[\w.~/-]{1,80}[ \t]+)?git:\([^()\n]{1,80}\)[ \t]+(?:[✗✘✔⚡*][ \t]+)?"
    r"|(?:[\w.-]{1,64} in )?[~/][\w./-]{0,120}(?: on [^\n❯➜$>]{1,80})?[ \t]+[❯➜»][ \t]+"
    r"|[\w.-]{1,64}@[\w.-]{1,64}(?:[ \t][~/][\w./-]{0,120})?>[ \t]+"
    r")(?=\S)",
    re.MULTILINE,
)
"""``➜  folder git:(main) ✗`` of Oh My Zsh, ``user in ~/folder ❯`` of Starship, ``user@host ~/folder>`` of fish."""
ROOT_PROMPT = re.compile(r"^\s*#[ \t]+")
"""Or a remark: it is a prompt where no command stands below."""
LINE_PROMPT = re.compile(
    r"[$%❯➜>λ»▶•*-]|[\w.-]{1,64}@[\w.-]{1,64}:\S*[$#]|[\w.@:~/+-]{1,120}[$#❯➜]|\([\w.-]{1,64}\)|\+{1,4}|\d{1,6}[*.)]?"
    r"|[^\x00-\u1fff]{1,4}"
)
"""A word in front of a command, which is none: a prompt, the mark of a list, one of a picture alone, what ``set -x``
puts there, the number that ``history`` gives it."""
_EXEC_FORM = re.compile(r"^[ \t]*(CMD|ENTRYPOINT)[ \t]+(\[[^\]]{1,8000}\])[ \t]*$", re.MULTILINE)
"""Of a Dockerfile: a list in JSON, on several lines too."""
_REMARK_WITHIN = re.compile(r"^[ \t]*#.*\n", re.MULTILINE)
"""A line that Docker leaves out of what goes on over several (docs.docker.com, "Dockerfile reference", Format)."""
_ARGUMENTS = re.compile(r"<key>ProgramArguments</key>\s*<array>(.{1,8000}?)</array>", re.DOTALL)
_STRING = re.compile(r"<string>([^<]{0,4000})</string>")
"""Of launchd (launchd.plist(5))."""
_ENTITIES = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}
_ENTITY = re.compile(r"&(lt|gt|quot|apos|amp);")
_LOGGED = re.compile(r"^.*\blevel=[A-Z]+\b.*?\bcmd=\"((?:[^\"\n\\]|\\.){8,8000})\".*$", re.MULTILINE)
"""What Ollama writes of what it starts (llm/server.go, "starting llama server", "starting runner"; Go's log/slog)."""
_FLAG = re.compile(r"\s--?\w")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[\w+-]{0,20}[ \t]*$\n?|(?<![ \t])[ \t]+```[ \t]*$", re.MULTILINE)
"""Of Markdown."""
_FENCE_LINE = re.compile(r"[ \t]*(```|~~~)[\w+-]{0,20}[ \t]*")
_BLOCK = re.compile(
    r"^([ \t]*)((?:- )?(?:[\w-]+[_-])?(?:cmd|command):)[ \t]*[|>][+-]?[ \t]*\n((?:\1[ \t]+\S.*(?:\n|\Z)|[ \t]*\n)+)",
    re.MULTILINE,
)
"""Of YAML: one command over several lines."""
_MACROS = re.compile(r"^macros:[ \t]*\n((?:[ \t]+\S.*(?:\n|\Z)|[ \t]*\n|[ \t]*#.*\n)+)", re.MULTILINE)
_MACRO = re.compile(
    r"^([ \t]+)[\"']?([A-Za-z_][\w-]{0,63})[\"']?:[ \t]*(?:[|>][+-]?[ \t]*\n((?:\1[ \t]+\S.*(?:\n|\Z))+)|(\S.*))",
    re.MULTILINE,
)
_ENVIRONMENT = re.compile(r"\$\{env\.([A-Za-z_]\w{0,63})\}")
"""llama-swap's own way to write a variable of the environment."""
_SUPERVISED = re.compile(r"^\[program:[^\]\n]{1,80}\][ \t]*$((?:\n(?!\[).*)*?)\ncommand[ \t]*=[ \t]*", re.MULTILINE)
"""Of supervisord (supervisord.org/configuration.html, "[program:x]")."""
_REMARKS = re.compile(r"^[ \t]*#.*$", re.MULTILINE)


def fenced_of(text: str) -> tuple[str, str]:
    """(what stands between fences of Markdown; the text around them)."""
    parts: tuple[list[str], list[str]] = ([], [])
    fence = ""
    for line in text.split("\n"):
        found = _FENCE_LINE.fullmatch(line)
        if found is not None and fence in ("", found[1]):
            fence = "" if fence else found[1]
        else:
            parts[not fence].append(line)
    return "\n".join(parts[0]), "\n".join(parts[1])


def prepared(text: str) -> str:
    """The text with its lists as words, its macros written out, and a command of YAML on one line."""
    if (listed := _ARGUMENTS.search(text)) is not None:
        return shlex.join(_ENTITY.sub(lambda found: _ENTITIES[found[1]], word) for word in _STRING.findall(listed[1]))
    if text[:1] == "`" == text[-1:] and text.count("`") == 2:  # a span of Markdown
        text = text[1:-1].strip()
    if text[:1] in ("'", '"') and text[:1] == text[-1:] and text.count(text[0]) == 2 and _FLAG.search(text):
        text = " ".join(text[1:-1].split())  # one quoted in a sentence
    text = _LOGGED.sub(lambda found: _unescaped(found[1]), text)
    text = _THEMED_PROMPT.sub("", _HOST_PROMPT.sub("", _FENCE.sub("", text)))
    text = as_podman(plain_commands(text))
    text = specified(_SUPERVISED.sub(r"\1\nExecStart=", text))
    if (started := started_by(text)) is not None:
        return started
    text = _EXEC_FORM.sub(_exec_form, _together(text))
    return _BLOCK.sub(lambda block: f"{block[1]}{block[2]} {_on_one_line(block[3])}\n", _written_out(text))


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _written_out(text: str) -> str:
    """With what llama-swap's macros stand for, those of the models' own left as they are."""
    found = _MACROS.search(text)
    if found is None:
        return _ENVIRONMENT.sub(r"${\1}", text)
    text = text[: found.start()] + text[found.end() :]
    for _, name, lines, value in reversed(_MACRO.findall(found[1])[:64]):  # a later one may name those before it
        told = _on_one_line(lines) if lines else value.strip()
        told = told[1:-1] if len(told) > 1 and told[0] == told[-1] and told[0] in "'\"" else told
        if text.count(f"${{{name}}}") * len(told) < MOST_CHARACTERS:
            text = text.replace(f"${{{name}}}", told)
    return _ENVIRONMENT.sub(r"${\1}", text)


def _on_one_line(block: str) -> str:
    """Without remarks, and where it goes on with a backslash, without that."""
    return " ".join(line.rstrip().removesuffix("\\").strip() for line in _REMARKS.sub("", block).splitlines()).strip()


def _together(text: str) -> str:
    """A list of ENTRYPOINT takes one of CMD as its last words."""
    forms = {found[1]: found for found in _EXEC_FORM.finditer(text)}
    if len(forms) < 2:
        return text
    program, rest = (_listed(forms[name][2]) for name in ("ENTRYPOINT", "CMD"))
    if program is None or rest is None:
        return text
    joined = "ENTRYPOINT " + json.dumps([*program, *rest])
    first, last = sorted(forms.values(), key=lambda found: found.start())
    return text[: first.start()] + text[first.end() : last.start()] + joined + text[last.end() :]


def _exec_form(found: re.Match[str]) -> str:
    words = _listed(found[2])
    return found[0] if words is None else shlex.join(words)


def _listed(text: str) -> list[str] | None:
    try:
        words = json.loads(re.sub(r"\\[ \t]*\n", " ", _REMARK_WITHIN.sub("", text)))
    except (ValueError, RecursionError):
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None
