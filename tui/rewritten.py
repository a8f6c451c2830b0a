"""A command with a change of the advice in it: the person's own words, but for the settings that change."""

from collections.abc import Iterator, Sequence

from estimator.errors import EstimatorError
from estimator.shell import quoted
from launches.command import Command, program_of
from launches.errors import LaunchError
from launches.launch import Launch, read_launches
from launches.line import words_of
from probes.snapshot import Snapshot
from tui.advice import Change
from tui.launched import plan_of
from tui.plan import Assessment, Plan, assess

Words = dict[str, tuple[str, ...]]
"""First name of a flag -> its words."""


def rewritten(command: Command, launch: Launch, made: Assessment, change: Change, snapshot: Snapshot) -> str:
    """The changed command, ready to be pasted; empty where no flag says it.

    It is read again before it is offered: what does not come to the plan that is meant is not shown.
    """
    if not change.is_applicable or change.plan.model is not made.plan.model:
        return ""
    try:
        words = _changed_words(command, launch, made, assess(change.plan, made.places))
        if words is None:
            return ""
        environment, arguments = words
        shell_words = [f"{name}={quoted(value)}" for name, value in environment.items()] + [
            quoted(word) for word in arguments
        ]
        again = Command(
            arguments=arguments, environment={**command.environment, **environment}, directory=command.directory
        )
        if not _is_meant(plan_of(read_launches(again)[0], made.plan.model, snapshot), change.plan):
            return ""
    except (EstimatorError, LaunchError):
        return ""
    return " ".join(shell_words)


def _is_meant(found: Plan, meant: Plan) -> bool:
    return found.workload == meant.workload and found.options == meant.options and found.devices == meant.devices


def _changed_words(
    command: Command, launch: Launch, made: Assessment, changed: Assessment
) -> tuple[dict[str, str], tuple[str, ...]] | None:
    """(variables to set, words of the command); None where the engine has no words for it."""
    before, after = _spelled(made), _spelled(changed)
    if before is None or after is None:
        return None
    told = {flag: words for flag, words in after[0].items() if before[0].get(flag) != words}
    gone = before[0].keys() - after[0].keys()
    environment = {name: value for name, value in after[1].items() if before[1].get(name) != value}
    return environment, tuple(_replaced(command.arguments, launch, told, gone))


def _spelled(made: Assessment) -> tuple[Words, dict[str, str]] | None:
    """What the engine's own line for this estimate sets, by flag and by variable."""
    plan = made.plan
    flags = plan.engine.flags(plan.model, plan.workload, plan.options, made.estimate)
    command = Command(arguments=tuple(words_of(plan.engine.command(plan.model, flags).partition("  #")[0])))
    program = program_of(command)
    if program is None:
        return None
    spans = read_launches(command)[0].spans
    words = {span.flag: command.arguments[span.first : span.first + span.n_words] for span in spans}
    return words, dict(program.environment)


def _replaced(arguments: Sequence[str], launch: Launch, told: Words, gone: set[str]) -> Iterator[str]:
    """The words with those settings: each where it stood first, what is new at the end."""
    left = dict(told)
    replaced_spans = {span.first: span for span in launch.spans if span.flag in told or span.flag in gone}
    position = 0
    while position < len(arguments):
        span = replaced_spans.get(position)
        if span is None:
            yield arguments[position]
            position += 1
            continue
        yield from left.pop(span.flag, ())
        position += max(1, span.n_words)
    for words in left.values():
        yield from words
