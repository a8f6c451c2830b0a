"""A command as people post it, in words: that of an engine among all that a text starts and sets."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from launches.command import RUNTIMES, Command, program_of
from launches.commands import ASSIGNMENT, Commands, Found, nowhere, started
from launches.continued import continued, is_windows_text
from launches.elsewhere import REMOTE
from launches.errors import LoadsElsewhere, NoLaunch, UnknownProgram, UnreadableLine
from launches.limits import limiting_words
from launches.posted_code import spans_of, started_in
from launches.posting import PROMPT, ROOT_PROMPT, fenced_of, prepared
from launches.splitter import MOST_CHARACTERS, Piece
from launches.typography import as_typed
from launches.wrappers import base_name

MOST_COMMANDS = 400
"""Of one text that are looked at (ASSUMED bound)."""
_MOST_DOCUMENTS, _MOST_DEPTH = 8, 2
"""``<<EOF`` in one text, and within each other (ASSUMED bounds)."""

_CODE = re.compile(r"(?<![`\\])(?:`|```)([^`\n]{1,4000})(?:`|\Z)")
"""In a sentence: ``to begin, use `vllm serve a/b`.``"""
BESIDE = frozenset(
    "cd pushd WORKDIR source . git cmake make echo mkdir ls cat pip chmod wget curl sleep ulimit unset conda "
    "module".split()
)
"""Commands before the one that is meant."""
_MOST_BEFORE, _MOST_TRIES = 80, 64
"""Words of a command that are passed over to find an engine behind them, and those that are taken for one (ASSUMED)."""
_NAMED = re.compile(r"llama|kobold|mlx_|vllm|sglang|trtllm|lms|text-generation|python|=", re.IGNORECASE)
"""In the name of an engine's program, or of what starts one; or an assignment before it."""
_ELSEWHERE = (
    REMOTE | RUNTIMES | frozenset("cat cp curl echo find git grep install kill killall ls man mv pgrep".split())
)
_ELSEWHERE |= frozenset("pip pkill printf rg rm systemctl journalctl test wget which [ [[".split())
"""Programs behind which a name starts nothing, or starts it elsewhere."""


def words_of(text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """The words of the command that starts an engine, with what was set before it as assignments.

    Where none is known, it is the first command that is not only preparation. What follows an operator (``| tee``,
    ``> log``, ``&``) is left out. Variables that the text itself sets are replaced; others stay as they are written.

    Args:
        text: as it was posted, or the script of a shell.
        environment: what the shell finds set that takes it; of a posted text nothing is known.

    Raises:
        UnreadableLine: a quote is never closed, or it is too long.
    """
    return [piece.word for piece in pieces_of(text, environment)[1]]


def posted(text: str, environment: Mapping[str, str] | None = None) -> Command:
    """The same as a command, with the files that the text writes before.

    Args:
        text: as ``words_of``.
        environment: as ``words_of``; the command has none of its own.

    Raises:
        UnreadableLine: as ``words_of``.
    """
    _, pieces, files = _read(text, environment)
    return Command(arguments=tuple(piece.word for piece in pieces), files=files)


def pieces_of(text: str, environment: Mapping[str, str] | None = None) -> tuple[str, list[Piece]]:
    """(the text without a prompt, and on one line where it was continued; the words as ``words_of``, by place in it).

    Raises:
        UnreadableLine: as ``words_of``.
    """
    return _read(text, environment)[:2]


def _read(text: str, environment: Mapping[str, str] | None) -> tuple[str, list[Piece], tuple[tuple[str, str], ...]]:
    """(as ``pieces_of``, and files as ``Command.files``)."""
    if len(text) > MOST_CHARACTERS:
        raise UnreadableLine(f"a command of {len(text)} characters is too long to be one")
    if environment is None:
        text = _without_prose(as_typed(text))
    is_windows = is_windows_text(text)
    written = prepared(text.strip())
    text = continued(written)
    plain = PROMPT.sub("", text)
    if environment is not None:
        return _as_run(text, plain, environment, is_windows=is_windows)
    try:
        found = _meant(plain, {}, is_windows=is_windows)
    except UnreadableLine:  # an apostrophe of a sentence
        coded = _coded(plain, is_windows=is_windows, depth=_MOST_DEPTH)
        if coded is None:
            raise
        found = coded
    plain, found = _from_prose(written, plain, found, is_windows=is_windows)
    limits = _limits(text, found)
    if not found.is_engine and (prompt := ROOT_PROMPT.match(text)) is not None:
        below = _meant(text[prompt.end() :], {}, is_windows=is_windows)
        if below.is_engine or not found.pieces:
            return text[prompt.end() :], [*below.settings, *below.pieces], below.files
    return plain, [*found.settings, *limits, *found.pieces], found.files


def _without_prose(text: str) -> str:
    """What stands between fences, where it loads a model and what is written around them is no command."""
    fenced, around = fenced_of(text)
    if not fenced or _is_whole(around) or not _is_whole(fenced):
        return text
    return fenced


def _is_whole(text: str) -> bool:
    """Whether it loads a model, and every word of it is known."""
    from launches.launch import read_launches  # noqa: PLC0415

    found = _readable(continued(prepared(text.strip())), is_windows=is_windows_text(text))
    if not _loads(found):
        return False
    launches = read_launches(Command(arguments=tuple(piece.word for piece in (*found.settings, *found.pieces))))
    return not any(launch.refusal for launch in launches)


def _as_run(
    text: str, plain: str, environment: Mapping[str, str], *, is_windows: bool
) -> tuple[str, list[Piece], tuple[tuple[str, str], ...]]:
    """As ``_read``, of a script that a shell is given: what it only writes, quotes or remarks on starts nothing."""
    found = _meant(plain, environment, is_windows=is_windows, is_run=True)
    return plain, [*found.settings, *_limits(text, found), *found.pieces], found.files


def _limits(text: str, found: Found) -> list[Piece]:
    return [Piece(word, 0, 0) for word in limiting_words(text)] if found.is_engine else []


def _from_prose(written: str, text: str, found: Found, *, is_windows: bool) -> tuple[str, Found]:
    """(the text that it stands in, the command): that of a span of code within prose, and that of a program's text."""
    spans, prose = spans_of(written)
    if spans and not _loads(_readable(continued(prose), is_windows=is_windows)):
        spans = continued(spans)
        within = _readable(spans, is_windows=is_windows)
        if _loads(within):
            return spans, within
    code = None if found.is_engine else started_in(text)
    if code is not None and (within := _readable(code, is_windows=is_windows)).is_engine:
        return code, within
    return text, found


def _readable(text: str, *, is_windows: bool) -> Found:
    """As ``_meant``; nothing where a quote is never closed."""
    try:
        return _meant(text, {}, is_windows=is_windows)
    except UnreadableLine:
        return Found()


def _loads(found: Found) -> bool:
    return bool(found.pieces) and _kind(found) in (_LOADS, _MAY_LOAD)


def _meant(
    text: str, environment: Mapping[str, str], *, is_windows: bool, depth: int = 0, is_run: bool = False
) -> Found:
    """The first that loads a model; else the first that an engine is started with; else the first that does work.

    A server that is told nothing stands behind who asks it: ``ollama serve & ollama run a``.

    Args:
        text: without a prompt.
        environment: what is found set.
        is_windows: it is cmd.exe's or PowerShell's.
        depth: of documents around it.
        is_run: a shell is given it, word for word; else a person posted it, and may mean what it only mentions.
    """
    server = engine = first = away = guess = None
    scripts: list[str] = []
    candidates = Commands(text, environment, is_windows=is_windows, is_run=is_run)
    for found, _ in zip(candidates, range(MOST_COMMANDS), strict=False):
        kind = _kind(found)
        if kind is _LOADS or (kind is _MAY_LOAD and not is_run):
            return _asked_within(server, found) or found
        guess = guess or (found if kind is _MAY_LOAD else None)
        if kind is _SERVES and _is_told(found):
            asking = _asking(found, candidates)
            return server or found if asking is None else asking
        server = server or (found if kind is _SERVES else None)
        engine = engine or (found if kind is _STARTS else None)
        away = away or (found if kind is _AWAY and (is_run or _names_engine(found)) else None)
        if is_run and found.files and (script := _script_of(found)) is not None:
            scripts.append(script)
        if first is None and (started(found.words) not in BESIDE or found.words[:2] == ["conda", "run"]):
            first = found
    engine = guess or server or engine or away
    if is_run:
        documents = (*candidates.variables.fed[:_MOST_DOCUMENTS], *scripts[:_MOST_DOCUMENTS])
        below = _first(documents, is_windows=is_windows, depth=depth + 1, is_run=True) if depth < _MOST_DEPTH else None
        return (below if engine is None else None) or engine or first or Found(settings=candidates.settings)
    if engine is None and depth < _MOST_DEPTH:
        variables = candidates.variables
        documents = (*variables.documents[:_MOST_DOCUMENTS], *variables.commands()[:_MOST_DOCUMENTS])
        below = _first(documents, is_windows=is_windows, depth=depth + 1)
        if (below := below or _coded(text, is_windows=is_windows, depth=depth + 1)) is not None:
            return below
    if engine is None and depth < _MOST_DEPTH:
        engine = _within(text, environment, is_windows=is_windows)
    return engine or first or Found(settings=candidates.settings)


def _names_engine(found: Found) -> bool:
    return any((named := _NAMED.search(word)) is not None and named[0] != "=" for word in found.words)


def _script_of(found: Found) -> str | None:
    """What the text wrote before into the file that this command runs: ``bash start.sh``, ``. ./start.sh``."""
    program = program_of(Command(arguments=tuple(found.words)))
    if program is None:
        return None
    path = "".join(program.arguments[:1]) if program.name in ("source", ".") else program.path
    written = {name.removeprefix("./"): content for name, content in found.files}
    return written.get(path.removeprefix("./"))


def _first(documents: Sequence[str], *, is_windows: bool, depth: int, is_run: bool = False) -> Found | None:
    """The first engine that one of these texts starts."""
    for document in documents:
        found = _meant(document, {}, is_windows=is_windows, depth=depth, is_run=is_run)
        if found.is_engine:  # it has no place in this text
            return Found(nowhere(found.settings), nowhere(found.pieces), is_engine=True, files=found.files)
    return None


def _coded(text: str, *, is_windows: bool, depth: int) -> Found | None:
    """The first engine that is quoted in a sentence."""
    return _first(_CODE.findall(text)[:_MOST_DOCUMENTS], is_windows=is_windows, depth=depth)


def _within(text: str, environment: Mapping[str, str], *, is_windows: bool) -> Found | None:
    """The first engine that is told a model behind words that start nothing known: ``the command is: vllm serve a/b``.

    A listing of processes, what a shell says of one that crashed, a wrapper that nobody knows.
    """
    n_left = _MOST_TRIES
    for found in Commands(text, environment, is_windows=is_windows):
        for number, piece in enumerate(found.pieces[:_MOST_BEFORE]):
            if base_name(piece.word) in _ELSEWHERE or n_left <= 0:
                break
            if not number or piece.word.startswith("-") or _NAMED.search(piece.word) is None:
                continue
            n_left -= 1
            later = Found(found.settings, found.pieces[number:], files=found.files)
            if len(later.pieces) > 1 and _loads(later):
                return later
    return None


def _is_told(found: Found) -> bool:
    """Whether anything is set for it: of a server, what its client does not know."""
    return any(ASSIGNMENT.fullmatch(piece.word) for piece in (*found.settings, *found.pieces[:1]))


def _asked_within(server: Found | None, found: Found) -> Found | None:
    """As ``_asking``, of a container: ``docker run -e X=1 ollama/ollama; docker exec b ollama run a``."""
    from launches.opened import opened_of  # noqa: PLC0415  # as in ``_kind``

    words = found.words
    asked = [place for place in range(len(words) - 1) if words[place : place + 2] == ["ollama", "run"]]
    if server is None or not asked or not any("OLLAMA_" in word for word in server.words):
        return None
    program = opened_of(Command(arguments=tuple(server.words))).program
    if not program.image or (program.name, program.arguments[:1]) != ("ollama", ("serve",)):
        return None
    serve = [] if server.words[-1] == "serve" else [Piece("serve", 0, 0)]
    pieces = [*server.pieces, *serve, Piece("&", 0, 0), *found.pieces[asked[0] :]]
    return Found(server.settings, pieces, is_engine=True, files=found.files)


def _asking(server: Found, candidates: Iterator[Found]) -> Found | None:
    """The server with what the next load asks it for: ``X=1 ollama serve & ollama run a``; None where it is another."""
    if not _is_ollama(server, "serve"):
        return None
    try:
        for found in islice(candidates, MOST_COMMANDS):
            if _kind(found) is _LOADS:
                if not _is_ollama(found, "run"):
                    return None
                pieces = [*server.pieces, Piece("&", 0, 0), *found.pieces[_n_before(found) :]]
                return Found(server.settings, pieces, is_engine=True, files=found.files)
    except UnreadableLine:  # further below
        return None
    return None


def _is_ollama(found: Found, task: str) -> bool:
    """Whether it is Ollama's own program here, and not one within a container."""
    words = found.words[_n_before(found) :]
    return words[1:2] == [task] and base_name(words[0]) == "ollama"


def _n_before(found: Found) -> int:
    """How many words stand before the program: assignments, ``nohup``."""
    program = program_of(Command(arguments=tuple(found.words)))
    return len(found.words) if program is None else program.offset - 1


_LOADS, _MAY_LOAD, _SERVES, _STARTS, _AWAY = "loads", "may load", "serves", "starts", "away"


def _kind(found: Found) -> str | None:
    """Whether it loads a model, or may, or what it is asked for, is an engine's program, or starts one elsewhere."""
    # That module reads lines itself, those of ``bash -c``.
    from launches.launch import read_launches, reader_of  # noqa: PLC0415
    from launches.opened import opened_of  # noqa: PLC0415

    if found.words[0].startswith("-"):  # flags alone: no program need be asked
        return None
    command = Command(arguments=(*(piece.word for piece in found.settings), *found.words))
    try:
        reader_of(opened_of(command).program)
    except LoadsElsewhere:
        return _AWAY
    except (UnknownProgram, NoLaunch):
        return None
    found.is_engine = True
    try:
        launches = read_launches(command)
    except (UnknownProgram, NoLaunch):
        return _STARTS
    if all(launch.source is None for launch in launches):
        return _SERVES
    return _MAY_LOAD if all(launch.is_guess for launch in launches) else _LOADS
