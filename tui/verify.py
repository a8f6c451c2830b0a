"""llama.cpp's own figures beside ours: what the installed ``llama-fit-params`` says of the very load.

Nothing else is ever run, and nothing is allocated: the program reads the header and reckons. It computes the logits of
every token of a batch, where llama-server computes those of one token per sequence; ours are reckoned as its are.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from estimator.errors import EstimatorError
from estimator.gguf_writer import write_header
from estimator.ledger import Estimate, Kind, Place
from estimator.model import Model
from estimator.readers.catalogue import find
from tui.device_choice import environment_on, flags_on
from tui.finding import Compared, Figures, Finding, Verification
from tui.humanize import plain
from tui.plan import Assessment

PROGRAM = "llama-fit-params"
MOST_SECONDS = 20.0
"""It answers in 0.02 to 0.6 s (our runs, models of 1 to 400 GB); a cold disk and a slow driver may add seconds."""
MOST_OUTPUT_BYTES = 1 << 16
MIB = 1 << 20

_FIGURES = re.compile(r"([A-Za-z][\w.:-]{0,31}) (\d{1,9}) (\d{1,9}) (\d{1,9})\s*")
_HOST = "Host"
_UNKNOWN_FLAGS = frozenset({"--kv-unified"})
"""llama-server's, which it does not take (common/arg.cpp, `LLAMA_EXAMPLE_FIT_PARAMS`)."""


class Unverifiable(Exception):
    """The program gave no figures to compare; the message says why, in a sentence."""


def verify(finding: Finding, program: str | None = None, *, seconds: float = MOST_SECONDS) -> Verification:
    """Ask the program of the same load; what goes wrong is the result's reason.

    Args:
        finding: the load, with our estimate.
        program: the file to run; None looks for ``llama-fit-params`` on the path.
        seconds: after which it is stopped.
    """
    try:
        made = finding.assessment
        if made is None:
            raise Unverifiable("there is no estimate to compare with")
        if made.plan.engine_name != "llamacpp":
            raise Unverifiable(f"{PROGRAM} knows llama.cpp's loads only, not {made.plan.engine.NAME}'s")
        found = _found(program)
        with _file_of(made.plan.model) as path:
            text = _output([found, *arguments(finding, made, path)], _environment(finding, made), seconds)
        return Verification(program=found, places=_compared(made, parse_figures(text)))
    except (Unverifiable, EstimatorError) as error:
        return Verification(program=program or PROGRAM, reason=plain(str(error), 400))


def _found(program: str | None) -> str:
    found = shutil.which(program or PROGRAM)
    if found is None:
        told = f"{plain(program, 200)} is no program that can be run" if program else f"{PROGRAM} is not on the path"
        raise Unverifiable(f"{told}; it comes with llama.cpp, and --verify=FILE names another place")
    return found


def arguments(finding: Finding, made: Assessment, path: str) -> list[str]:
    """The program's own, for exactly this load.

    Raises:
        Unverifiable: something about the load can't be told to it.
    """
    plan = made.plan
    flags = shlex.split(flags_on(finding.snapshot.devices, made, is_as_asked=True))
    for flag in _UNKNOWN_FLAGS.intersection(flags):
        if plan.workload.n_sequences > 1:
            raise Unverifiable(f"{PROGRAM} can't be told of {flag}")
    kept = [flag for flag in flags if flag not in _UNKNOWN_FLAGS]
    # Weights that are repacked for the CPU are in none of the buffers that it lists (common/fit.cpp); their size is the
    # same.
    return ["-m", path, *kept, "--no-repack", "--fit-print", "on"]


@contextmanager
def _file_of(model: Model) -> "Iterator[str]":
    """The model's file, or one with its header only where it is known by name."""
    if model.file_bytes is not None:
        yield os.path.abspath(model.source)
        return
    if model.source != "catalogue":
        raise Unverifiable("there is no GGUF file of this model to show to it")
    with tempfile.TemporaryDirectory(prefix="plimsoll-") as folder:
        path = Path(folder) / "header.gguf"
        try:
            with path.open("wb") as file:
                write_header(file, find(model.name).metadata, model.tensors)
        except OSError as error:
            raise Unverifiable(f"no file with the model's header could be written: {error.strerror}") from error
        yield str(path)


def _output(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> str:
    """What it printed, errors among it.

    Raises:
        Unverifiable: it could not be run, did not end in time, printed too much, or ended with an error.
    """
    try:
        process = subprocess.Popen(  # noqa: S603  # the one program that was asked for, and no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise Unverifiable(f"{plain(command[0], 200)} could not be run: {error.strerror}") from error
    end = time.monotonic() + seconds
    try:
        data = _read(process, seconds)
        status = process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise Unverifiable(f"{PROGRAM} gave no answer within {seconds:g} s") from None
    finally:
        process.kill()
        process.wait()
    text = data.decode(errors="replace")
    if status:
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "without a word")
        raise Unverifiable(f"{PROGRAM} ended with status {status}: {plain(last.strip(), 200)}")
    return text


def _read(process: "subprocess.Popen[bytes]", seconds: float) -> bytes:
    pipe, found = process.stdout, []
    assert pipe is not None
    # A thread of its own: what the program has started may keep the pipe open after its end.
    reader = threading.Thread(target=lambda: found.append(pipe.read(MOST_OUTPUT_BYTES)), daemon=True)
    reader.start()
    reader.join(seconds)
    if reader.is_alive():
        process.kill()
        reader.join(0.5)
        if not reader.is_alive():
            pipe.close()
        raise subprocess.TimeoutExpired(process.args, seconds)
    pipe.close()
    if len(found[0]) == MOST_OUTPUT_BYTES:
        raise Unverifiable(f"{PROGRAM} printed far more than figures")
    return found[0]


def _environment(finding: Finding, made: Assessment) -> dict[str, str]:
    """Without ``LLAMA_ARG_...``, which would change the load that is asked about."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LLAMA_ARG_")}
    return kept | environment_on(finding.snapshot.devices, made)


def parse_figures(text: str) -> tuple[tuple[str, Figures], ...]:
    """The devices in its order and the host, last.

    Raises:
        Unverifiable: there are none.
    """
    rows: list[tuple[str, Figures]] = []
    for line in text.splitlines():
        match = _FIGURES.fullmatch(line)
        if match is None:
            continue
        name, *numbers = match.groups()
        weights, cache, compute = (int(number) * MIB for number in numbers)
        rows.append((name, Figures(weights_bytes=weights, cache_bytes=cache, compute_bytes=compute)))
    if not rows or rows[-1][0] != _HOST or len(rows) > 65:
        raise Unverifiable(f"{PROGRAM} printed no figures; this needs one that knows --fit-print, of 2026")
    return tuple(rows)


def _compared(made: Assessment, theirs: Sequence[tuple[str, Figures]]) -> tuple[Compared, ...]:
    devices = tuple(place for place in made.places if place.kind != "host")
    host = tuple(place for place in made.places if place.kind == "host")
    if len(theirs) == 1:  # built without GPUs, or none is here: it reckons as on the CPU
        devices = ()
    if (n := len(theirs) - 1) != len(devices):
        raise Unverifiable(
            f"{PROGRAM} sees {n} device{'s' * (n != 1)} where {len(devices)} are asked about; name them with --device"
        )
    places = (*devices, *host)
    ours = _ours(made, places)
    return tuple(
        Compared(name=name, place=place.name, theirs=figures, ours=_figures(ours, place.name))
        for (name, figures), place in zip(theirs, places, strict=True)
    )


def _ours(made: Assessment, places: tuple[Place, ...]) -> Estimate:
    """Our estimate as the program reckons: with the logits of a whole batch, on the devices that it sees."""
    plan = made.plan
    options = replace(plan.options, n_outputs=plan.options.n_batch_tokens)
    if options.n_gpu_layers is None and made.device_names:
        options = replace(options, n_gpu_layers=made.estimate.n_gpu_layers)
    if made.estimate.layers_by_device and len(places) > 2:
        options = replace(options, tensor_split=tuple(map(float, made.estimate.layers_by_device)))
    return plan.engine.estimate(plan.model, plan.workload, options, places)


def _figures(estimate: Estimate, place: str) -> Figures:
    return Figures(
        weights_bytes=estimate.n_bytes([place], Kind.WEIGHTS),
        cache_bytes=estimate.n_bytes([place], Kind.KV_CACHE) + estimate.n_bytes([place], Kind.STATE),
        compute_bytes=estimate.n_bytes([place], Kind.COMPUTE),
    )
