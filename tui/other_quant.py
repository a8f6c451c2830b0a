"""A command that names a model's file, or a repository of files, with another quant of the same model in its place."""

import os
import re
from collections.abc import Container, Iterator
from dataclasses import replace

from launches.command import Command
from launches.launch import Launch, read_launches
from launches.opened import opened_of
from launches.rewriting import Edit, rewritten_words
from probes.snapshot import Snapshot
from tui.advice import Change
from tui.launched import model_of, places_seen, plan_of
from tui.plan import assess

TYPE_CHECKING = False  # as typing's: only who has learned something imports them
if TYPE_CHECKING:
    from estimator.calibration import Calibration

_FILE, _REPOSITORY = "--model", "--hf-repo"
"""Flags of llama.cpp's programs."""
_CONVERTED = "--quantization"
"""Of vLLM."""
_MOST_FILES = 4096
"""Of a folder that are looked at."""
_OWNER_AND_NAME = re.compile(r"([\w.-]{1,96}/[\w.-]{1,96})(?::[\w.-]{1,40})?", re.ASCII)


def with_other_quant(
    command: Command,
    launch: Launch,
    change: Change,
    snapshot: Snapshot,
    calibrations: "tuple[Calibration, ...]" = (),
) -> tuple[str, ...]:
    """The changed words; none where no file of that quant lies beside this one, and no repository is named.

    It is read and judged again, a file by its own header. Whether a repository has a file of it, only that knows.

    Raises:
        LaunchError: it is no command that can be read.
        EstimatorError: what it names cannot be judged.
    """
    made = assess(change.plan, places_seen(launch, snapshot, calibrations))
    for edit in _edits(command, launch, change.plan.model.quant):
        words = rewritten_words(command, launch.spans, edit)
        (read, *others) = read_launches(replace(command, arguments=words))
        if read.refusal or others:
            continue
        plan = plan_of(read, model_of(read), snapshot)
        is_alike = (plan.workload, plan.options, plan.devices) == (
            made.plan.workload,
            made.plan.options,
            made.plan.devices,
        )
        if is_alike and assess(plan, places_seen(read, snapshot, calibrations)).verdict.level <= made.verdict.level:
            return words
    return ()


def _edits(command: Command, launch: Launch, quant: str) -> Iterator[Edit]:
    opened = opened_of(command).command
    flags = {span.flag for span in launch.spans}
    if _converts(launch, flags) and quant.startswith("FP8"):
        yield Edit(told={_CONVERTED: (_CONVERTED, "fp8")})
    for span in launch.spans:
        told = opened.arguments[span.first : span.first + span.n_words]
        if len(told) != 2:
            continue
        if span.flag == _FILE and (other := _beside(told[1], quant, opened)):
            yield Edit(told={_FILE: (told[0], other)})
        if span.flag == _REPOSITORY and "--hf-file" not in flags and (found := _OWNER_AND_NAME.fullmatch(told[1])):
            yield Edit(told={_REPOSITORY: (told[0], f"{found[1]}:{quant}")})


def _converts(launch: Launch, flags: Container[str]) -> bool:
    """Whether the engine would make 8 bits of a checkpoint while it loads it (docs.vllm.ai, "FP8 W8A8", online)."""
    is_repository = _OWNER_AND_NAME.fullmatch(launch.source or "") is not None
    return launch.program == "vllm serve" and launch.quant is None and is_repository and _CONVERTED not in flags


def _beside(path: str, quant: str, command: Command) -> str:
    """A file of the same name but for the quant, where there is one; empty where there is none."""
    folder, name = os.path.split(path)
    try:
        listed = os.listdir(command.path(folder or "."))
    except (OSError, ValueError):
        return ""
    same = {
        _without_quant(each): each
        for each in listed
        if re.search(rf"[._-]{re.escape(quant)}\.gguf$", each, re.IGNORECASE)
    }
    other = same.get(_without_quant(name))
    return "" if other is None or other == name else os.path.join(folder, other)


def _without_quant(name: str) -> str:
    return re.sub(r"[._-](?:i?q\d\w*|mxfp4\w*|b?f16|f32)\.gguf$", "", name.casefold())
