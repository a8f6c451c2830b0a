"""What the keys change about a plan: pure functions from one plan to the next."""

from collections.abc import Sequence
from dataclasses import replace

from estimator.engine import Engine, load_engine
from estimator.model import Model
from tui.advice import quants_offered
from tui.contexts import contexts_of
from tui.matrix import MATRIX_QUANTS
from tui.plan import Plan, with_quant
from tui.stored import has_usual_quant, near_size_for


def with_context_step(plan: Plan, step: int) -> Plan:
    """The next longer or shorter context; the same plan at the end."""
    now = plan.workload.context_tokens
    if step > 0:
        tokens = next((n for n in contexts_of(plan.model) if n > now), now)
    else:
        tokens = next((n for n in reversed(contexts_of(plan.model)) if n < now), now)
    return plan if tokens == now else plan.with_context(tokens)


def quants_of(model: Model, engine: Engine) -> list[str]:
    """What the matrix offers for this engine, best first; the model's own among them, where it has a file.

    A model that is known by name lies in no file: what its first quant is for other engines, this one may not load.
    """
    found = quants_offered(model, engine.QUANTS)
    if "Q8_0" not in engine.QUANTS:  # few enough to show all
        is_own = has_usual_quant(engine, model)
        return [quant for quant in found if is_own or quant in engine.QUANTS] or list(found)
    return [quant for quant in found if quant in MATRIX_QUANTS or quant == model.quant]


def with_quant_step(plan: Plan, model: Model, step: int) -> Plan:
    """The next better or smaller quant of the model as it was read."""
    quants = quants_of(model, plan.engine)
    place = quants.index(plan.model.quant) if plan.model.quant in quants else 0
    wanted = quants[max(0, min(len(quants) - 1, place - step))]
    return plan if wanted == plan.model.quant else replace(plan, model=with_quant(model, wanted))


def with_devices_step(plan: Plan, names: Sequence[str]) -> Plan:
    """Chosen by itself, all devices, each alone, the CPU alone, and again."""
    choices: list[tuple[str, ...] | None] = [None]
    if len(names) > 1:
        choices.append(tuple(names))
    choices += [(name,) for name in names]
    choices.append(())
    place = choices.index(plan.devices) if plan.devices in choices else -1
    return replace(plan, devices=choices[(place + 1) % len(choices)])


def devices_text(plan: Plan) -> str:
    """``the CPU alone``, ``GPU 0``, ``chosen by itself``."""
    if plan.devices is None:
        return "chosen by itself: one where it fits, else all"
    if not plan.devices:
        return "the CPU alone"
    return plan.devices[0] if len(plan.devices) == 1 else f"all {len(plan.devices)} devices"


def with_kv_step(plan: Plan) -> Plan:
    """The next stored type of the KV cache that is worth trying with this engine, and again."""
    types = tuple(plan.engine.KV_STEPS)
    now = plan.workload.kv_type
    kv_type = types[(types.index(now) + 1) % len(types)] if now in types else types[0]
    return replace(plan, workload=replace(plan.workload, kv_type=kv_type))


def with_engine(plan: Plan, name: str) -> Plan:
    """The same load run by another engine, with its defaults; by a quant that it is usually given, of about that size.

    What is in a file stays what it is.
    """
    if name == plan.engine_name:
        return plan
    engine = load_engine(name)
    kv_type = plan.workload.kv_type if plan.workload.kv_type in engine.KV_TYPES else engine.KV_TYPES[0]
    return replace(
        plan,
        model=near_size_for(engine, plan.model),
        engine_name=name,
        options=engine.Options(),
        workload=replace(plan.workload, kv_type=kv_type),
    )
