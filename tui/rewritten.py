"""A command with a change of the advice in it: the person's own words, but for the settings that change."""

from collections.abc import Iterator
from dataclasses import fields, replace

from estimator.errors import EstimatorError
from estimator.shell import quoted
from launches.command import Command, assigned
from launches.errors import LaunchError
from launches.launch import Launch, read_launches, reader_of
from launches.line import words_of
from launches.opened import opened_of
from launches.rewriting import Edit, Words, rewritten_words
from probes.snapshot import Snapshot
from tui.advice import Change
from tui.launched import places_seen, plan_of
from tui.other_quant import with_other_quant
from tui.plan import Assessment, Plan, assess

TYPE_CHECKING = False  # as typing's: only who has learned something imports them
if TYPE_CHECKING:
    from estimator.calibration import Calibration


def rewritten(
    command: Command,
    launch: Launch,
    made: Assessment,
    change: Change,
    snapshot: Snapshot,
    calibrations: "tuple[Calibration, ...]" = (),
) -> str:
    """The changed command, ready to be pasted, or in words what to tell the server; empty where no flag says it.

    It is read again before it is offered: what does not come to the plan that is meant is not shown.
    """
    if not change.is_applicable:
        return ""
    try:
        if change.plan.model is not made.plan.model:
            return _line(with_other_quant(command, launch, change, snapshot, calibrations))
        changed = assess(change.plan, places_seen(launch, snapshot, calibrations))
        flags = _flags(changed)
        if assigned(words_of(flags))[1] == ():
            return _told_to_server(launch, made, changed, flags)
        before, after = (_spelled(each, command) for each in (made, changed))
        for edit in _edits(launch, before, after):
            words = rewritten_words(command, launch.spans, edit)
            read = read_launches(replace(command, arguments=words))[0]
            if not read.refusal and _is_meant(plan_of(read, made.plan.model, snapshot), change.plan):
                return _line(words)
    except (EstimatorError, LaunchError):
        pass
    return ""


def _edits(launch: Launch, before: Words, after: Words) -> Iterator[Edit]:
    """The fewest words first, then what else would have to be said.

    Who says how many layers, say, loses ``--fit``, and with it the context that it would have chosen.
    """
    told = {flag: words for flag, words in after.items() if before.get(flag) != words}
    gone = frozenset(before.keys() - after.keys())
    yield Edit(told=told, gone=gone)
    said = {span.flag for span in launch.spans}
    unsaid = {flag: words for flag, words in after.items() if flag not in told and flag not in said}
    for flag, words in unsaid.items():
        yield Edit(told={**told, flag: words}, gone=gone)
    yield Edit(told=told | unsaid, gone=gone)


def _line(words: tuple[str, ...]) -> str:
    """As a shell takes it: of an assignment before the program only the value is quoted."""
    variables, others = assigned(words)
    folder, others = (others[2], others[3:]) if others[:2] == ("env", "-C") and len(others) > 3 else ("", others)
    line = " ".join(
        [f"{name}={quoted(value)}" for name, value in variables.items()] + [quoted(word) for word in others]
    )
    home, folder = ("~/", folder[2:]) if folder.startswith("~/") else ("", folder)
    return f"cd {home}{quoted(folder)} && {line}" if folder else line


def _told_to_server(launch: Launch, made: Assessment, changed: Assessment, flags: str) -> str:
    """Of an engine that is told by its server's environment (Ollama), in words: beside one, none can start."""
    meant = changed.plan
    line, _, _ = meant.engine.command(meant.model, flags).partition("  #")
    words = tuple(words_of(line))
    server = read_launches(Command(arguments=words))[0]
    # What the change leaves alone may stand in the model's own settings.
    is_told = all(
        getattr(meant.options, field.name) in (getattr(server.options, field.name), getattr(launch.options, field.name))
        for field in fields(meant.options)
    )
    asked = (server.context_tokens, server.n_sequences, server.kv_type or meant.engine.KV_TYPES[0])
    workload = meant.workload
    if not is_told or asked != (workload.context_tokens, workload.n_sequences, workload.kv_type):
        return ""
    variables = " ".join(f"{name}={quoted(value)}" for name, value in assigned(words)[0].items())
    told = f"set {variables} for ollama serve and restart it"
    is_context_alone = meant == made.plan.with_context(workload.context_tokens)
    if not is_context_alone or workload.n_sequences > 1:
        return told
    return f"{told}, or type /set parameter num_ctx {workload.context_tokens} in the session"


def _is_meant(found: Plan, meant: Plan) -> bool:
    """The same load: of layers, any number from all of them on says all."""
    told: int | None = getattr(found.options, "n_gpu_layers", None)
    wanted: int | None = getattr(meant.options, "n_gpu_layers", None)
    options = found.options
    if told is not None and wanted is not None and min(told, wanted) > meant.model.n_layers:
        options = replace(options, n_gpu_layers=wanted)
    return (found.workload, options, found.devices) == (meant.workload, meant.options, meant.devices)


def _flags(made: Assessment) -> str:
    plan = made.plan
    return plan.engine.flags(plan.model, plan.workload, plan.options, made.estimate)


def _spelled(made: Assessment, command: Command) -> Words:
    """What sets this load, by flag, in the words of the command's own program.

    Raises:
        LaunchError: the engine's line is none that can be read.
    """
    plan, flags = made.plan, _flags(made)
    line = Command(arguments=tuple(words_of(plan.engine.command(plan.model, flags).partition("  #")[0])))
    first = len(line.arguments) - len(words_of(flags))  # what stands before them names the model
    words: Words = {
        span.flag: line.arguments[span.first : span.first + span.n_words]
        for span in read_launches(line)[0].spans
        if span.first >= first
    }
    translated = getattr(reader_of(opened_of(command).program), "translated", None)
    return words if translated is None else translated(words)
