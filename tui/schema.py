"""A finding as JSON of schema 1, for programs.

Bytes are whole numbers and null is "not known". Within a schema no key goes or changes its meaning.
"""

from dataclasses import fields
from typing import Any

from estimator.engine import load_engine
from estimator.ledger import Answer, Estimate, Place, drawing_on
from estimator.model import Model
from estimator.verdict import Level
from tui.device_choice import environment_on, flags_on
from tui.finding import Figures, Finding, Verification, change_flags
from tui.pace import Pacing
from tui.places import hidden_places
from tui.plan import Assessment, Plan

TYPE_CHECKING = False  # as typing's: the list is imported by those who ask for it
if TYPE_CHECKING:
    from tui.hardware import Option

SCHEMA = 1


def finding_json(finding: Finding) -> dict[str, Any]:
    """The whole object."""
    made = finding.assessment
    return {
        "schema": SCHEMA,
        "model": model_json(finding.model),
        "workload": _workload_json(finding),
        "engine": _engine_json(finding),
        "places": [_place_json(place, made, finding.settled) for place in finding.places],
        "hidden": [{"name": place.name, "reason": place.reason} for place in hidden_places(finding.snapshot)],
        "verdict": _verdict_json(finding),
        "estimate": None if made is None else _estimate_json(made.estimate),
        "speed": None if (pacing := finding.pacing) is None else _speed_json(pacing),
        "advice": None if made is None or finding.advice is None else _advice_json(finding, made.plan),
        "needs": _needs_json(finding),
        "faults": [
            {"probe": fault.probe, "device": fault.device_key, "message": fault.message}
            for fault in finding.snapshot.faults
        ],
        "doubts": list(finding.doubts),
        "hardware": None if finding.hardware is None else [option_json(option) for option in finding.hardware],
        "verify": None if finding.verification is None else _verification_json(finding.verification),
    }


def _verification_json(made: Verification) -> dict[str, Any]:
    return {
        "program": made.program,
        "reason": made.reason,
        "places": [
            {
                "name": row.name,
                "place": row.place,
                "theirs": _figures_json(row.theirs),
                "ours": _figures_json(row.ours),
            }
            for row in made.places
        ],
    }


def _figures_json(figures: Figures) -> dict[str, int]:
    return {field.name: getattr(figures, field.name) for field in fields(figures)}


def _speed_json(pacing: Pacing) -> dict[str, Any]:
    speed = pacing.speed
    return {
        "tokens_per_second": figure(speed.tokens_per_second),
        "low_tokens_per_second": figure(speed.low_tokens_per_second),
        "high_tokens_per_second": figure(speed.high_tokens_per_second),
        "full_context_tokens_per_second": figure(speed.full_tokens_per_second),
        "prompt_tokens_per_second": figure(speed.prompt_tokens_per_second),
        "slowdown": figure(speed.slowdown),
        "is_fallback": pacing.is_fallback,
        "basis": speed.basis.value,
        "batch": None
        if speed.batch is None
        else {
            "sequences": speed.batch.n_sequences,
            "tokens_per_second": figure(speed.batch.tokens_per_second),
        },
        "stages": [
            {
                "place": stage.place,
                "weight_bytes": stage.weight_bytes,
                "cache_bytes": stage.cache_bytes,
                "seconds": stage.seconds,
                "cache_seconds": stage.cache_seconds,
                "bandwidth_bytes_per_second": stage.bandwidth_bytes_per_second,
                "basis": stage.basis.value,
                "source": stage.source,
            }
            for stage in speed.stages
        ],
    }


def option_json(option: "Option") -> dict[str, Any]:
    """One line of the list."""
    made = option.assessment
    speed = None if option.pacing is None else option.pacing.speed
    return {
        "name": option.name,
        "class": option.form,
        "devices": option.n_devices,
        "memory_gib": option.memory_gib,
        "load_bytes": made.estimate.n_bytes(made.device_names),
        "headroom_bytes": made.verdict.headroom_bytes,
        "level": level_word(option.level),
        "flags": made.plan.engine.flags(made.plan.model, made.plan.workload, made.plan.options, made.estimate),
        "tokens_per_second": None if speed is None else figure(speed.tokens_per_second),
        "low_tokens_per_second": None if speed is None else figure(speed.low_tokens_per_second),
        "high_tokens_per_second": None if speed is None else figure(speed.high_tokens_per_second),
    }


def figure(number: float | None) -> float | None:
    """More digits than four would only look as if they were known."""
    return None if number is None else float(f"{number:.4g}")


def model_json(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "architecture": model.architecture,
        "quant": model.quant,
        "stored_as": model.stored_as,
        "source": model.source,
        "native_context_tokens": model.native_context_tokens or None,
        "parameters": model.n_parameters,
        "file_bytes": model.file_bytes,
    }


def _workload_json(finding: Finding) -> dict[str, Any]:
    if finding.plan is None:
        tokens = finding.request.context_tokens
        return {
            "context_tokens": tokens or None,
            "sequences": finding.request.n_sequences,
            "kv_type": finding.request.kv_type or load_engine(finding.request.engine_name).KV_TYPES[0],
        }
    workload = finding.plan.workload
    return {
        "context_tokens": workload.context_tokens,
        "sequences": workload.n_sequences,
        "kv_type": workload.kv_type,
    }


def _engine_json(finding: Finding) -> dict[str, Any]:
    plan, made = finding.plan, finding.assessment
    options = finding.request.options if plan is None else plan.options
    return {
        "name": (load_engine(finding.request.engine_name) if plan is None else plan.engine).NAME,
        "options": {field.name: getattr(options, field.name) for field in fields(options)},
        "flags": None if made is None else flags_on(finding.snapshot.devices, made),
        "environment": {} if made is None else environment_on(finding.snapshot.devices, made),
    }


def _place_json(place: Place, made: Assessment | None, settled: Estimate | None) -> dict[str, Any]:
    """``settled_...``: as the engine would place it by itself; null where it loads as asked."""
    margins = made.verdict.margins if made else ()
    held = drawing_on(place, made.places if made else ())
    margin = next((margin for margin in margins if margin.place.name == place.name), None)
    return {
        "name": place.name,
        "kind": place.kind,
        "total_bytes": place.total_bytes,
        "free_bytes": place.free_bytes,
        "line_bytes": place.line_bytes,
        "load_bytes": margin.load_bytes if margin else 0,
        "high_bytes": margin.high_bytes if margin else 0,
        "level": level_word(margin.level) if margin else None,
        "settled_load_bytes": settled.n_bytes(held) if settled else None,
        "settled_high_bytes": settled.high_bytes(held) if settled else None,
    }


def _verdict_json(finding: Finding) -> dict[str, Any]:
    if finding.assessment is None:
        return {
            "level": level_word(Level.FAILS) if finding.is_refused else "unknown",
            "place": None,
            "headroom_bytes": None,
            "spill_bytes": None,
            "reason": finding.reason,
            "outcome": None,
            "source": None,
            "exit_status": finding.exit_status,
        }
    verdict = finding.assessment.verdict
    return {
        "level": level_word(verdict.level),
        "place": verdict.place,
        "headroom_bytes": verdict.headroom_bytes,
        "spill_bytes": verdict.spill_bytes,
        "reason": verdict.reason,
        "outcome": None if verdict.outcome is None else verdict.outcome.value,
        "source": verdict.source or None,
        "exit_status": finding.exit_status,
    }


def level_word(level: Level) -> str:
    return level.name.lower()


def _estimate_json(estimate: Estimate) -> dict[str, Any]:
    return {
        "total_bytes": estimate.n_bytes(),
        "low_bytes": estimate.low_bytes(),
        "high_bytes": estimate.high_bytes(),
        "layers": estimate.n_layers,
        "gpu_layers": estimate.n_gpu_layers,
        "answers": {answer.key: _answer_json(answer) for answer in estimate.answers},
        "terms": [
            {
                "kind": term.kind.name.lower(),
                "label": term.label,
                "place": term.place,
                "bytes": term.n_bytes,
                "low_bytes": term.low_bytes,
                "high_bytes": term.high_bytes,
                "basis": term.basis.value,
                "source": term.source,
                "formula": term.formula,
                "read_bytes": term.read_bytes,
                "loads_here": term.n_loads,
                "uncalibrated_bytes": None if term.plain is None else term.plain.n_bytes,
            }
            for term in estimate.terms
        ],
    }


def _needs_json(finding: Finding) -> dict[str, Any] | None:
    needs = finding.needs
    if needs is None:
        return None
    return {
        "disk_bytes": needs.disk_bytes,
        "load_ram_bytes": needs.ram_bytes,
        "page_cache_bytes": needs.cached_bytes,
        "reason": needs.reason,
        "source": needs.source,
        "shortages": list(finding.shortages),
    }


def _answer_json(answer: Answer) -> dict[str, Any]:
    return {
        "label": answer.label,
        "value": answer.value,
        "low": answer.low,
        "high": answer.high,
        "unit": answer.unit or None,
        "basis": answer.basis.value,
        "source": answer.source,
    }


def _advice_json(finding: Finding, plan: Plan) -> dict[str, Any]:
    advice = finding.advice
    assert advice is not None
    commands = finding.rewrites or ("",) * len(advice.changes)
    return {
        "longest_context_tokens": advice.longest_context_tokens,
        "best_quant": advice.best_quant,
        "changes": [
            {
                "label": change.label,
                "flags": list(change_flags(plan, change)),
                "command": command or None,
                "context_tokens": change.plan.workload.context_tokens,
                "kv_type": change.plan.workload.kv_type,
                "quant": change.plan.model.quant,
                "is_applicable": change.is_applicable,
            }
            for change, command in zip(advice.changes, commands, strict=True)
        ],
        "notes": list(advice.notes),
    }
