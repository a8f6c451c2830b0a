"""``plimsoll plan``: which known hardware would hold a load, as text or as JSON, without reading this machine's."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from estimator.errors import EstimatorError
from estimator.model import Model
from estimator.reader import read_model
from records.record import record
from tui.check import DOES_NOT_FIT, FITS, UNKNOWN, UNUSABLE, complain
from tui.hardware import Option, hardware_options
from tui.humanize import count, gib, plain, sentence
from tui.pace import short_pace
from tui.plan import Plan
from tui.report import GLYPHS
from tui.request import Request
from tui.schema import SCHEMA, model_json, option_json

NONE_KNOWN = "no known hardware holds it: not even eight of the largest data-centre cards"


@record(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A load, and what would hold it."""

    model: Model
    plan: Plan
    options: tuple[Option, ...]


def run_plan(request: Request, *, is_json: bool = False) -> int:
    """Print the proposal, and return the exit status: 0, 1 where nothing is known to hold it, 2 or 3 as ``check``."""
    try:
        model = read_model(request.source, request.quant)
    except EstimatorError as error:
        complain(str(error))
        return UNUSABLE
    try:
        plan = request.plan(model, None)
    except EstimatorError as error:
        complain(str(error))
        return UNKNOWN
    proposal = Proposal(model=model, plan=plan, options=hardware_options(plan))
    if is_json:
        import json  # noqa: PLC0415  # 3 ms, which only those pay who ask for it

        print(json.dumps(proposal_json(proposal), indent=2))
    else:
        print("\n".join(proposal_lines(proposal)))
    return FITS if proposal.options else DOES_NOT_FIT


def proposal_lines(proposal: Proposal) -> Iterator[str]:
    """For a person: by class, the smallest first."""
    plan, workload = proposal.plan, proposal.plan.workload
    parts = [plain(proposal.model.name, 60), plan.model.stored_as]
    if plan.has_context:
        parts.append(f"{count(workload.context_tokens)} tokens")
    if workload.n_sequences > 1:
        parts.append(f"{workload.n_sequences} sequences")
    yield sentence([*parts, plan.engine.NAME])
    yield from hardware_lines(proposal.options)


def hardware_lines(options: Sequence[Option]) -> Iterator[str]:
    """The list alone."""
    if not options:
        yield f"  {NONE_KNOWN}"
    width = max((len(option.name) for option in options), default=0)
    for form in dict.fromkeys(option.form for option in options):
        yield ""
        yield f"  {form}"
        for option in options:
            if option.form == form:
                yield f"    {_option_line(option, width)}".rstrip()


def _option_line(option: Option, width: int) -> str:
    held = option.assessment.estimate.n_bytes(option.assessment.device_names)
    pace = "" if option.pacing is None else short_pace(option.pacing).removeprefix("about ")
    return f"{GLYPHS[option.level]} {option.name:<{width}}  {gib(held):>5} of {option.memory_gib:>4} GB  {pace}"


def proposal_json(proposal: Proposal) -> dict[str, Any]:
    """Schema 1, as ``check --json`` has it."""
    plan = proposal.plan
    return {
        "schema": SCHEMA,
        "model": model_json(proposal.model),
        "workload": {
            "context_tokens": plan.workload.context_tokens,
            "sequences": plan.workload.n_sequences,
            "kv_type": plan.workload.kv_type,
        },
        "engine": {
            "name": plan.engine.NAME,
            "options": {field.name: getattr(plan.options, field.name) for field in fields(plan.options)},
        },
        "hardware": [option_json(option) for option in proposal.options],
    }
