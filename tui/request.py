"""A load as it was asked for on the command line, and the plan that it becomes once model and devices are known."""

from collections.abc import Sequence
from typing import Any

from estimator.engine import load_engine, usual_engine
from estimator.errors import Unjudgeable
from estimator.ledger import Place, Workload
from estimator.model import Model
from probes.snapshot import HOST_POOL, Device, Snapshot
from records.record import record
from tui.places import device_label, missing_places
from tui.plan import DEFAULT_CONTEXT_TOKENS, Plan
from tui.stored import as_published_for

AUTO = "auto"
ALL = "all"
CPU_WORDS = frozenset({"cpu", "none"})
OWN_FORMATS = frozenset({"mlx", "exllama"})
"""Engines whose conversions no other engine loads."""
CHECKPOINT_ENGINES = frozenset({"vllm", "sglang", "trtllm", "tgi", "transformers", "mlx", "exllama"})
"""Engines that load a checkpoint as it is stored, or not at all."""
NATIVE_CONTEXT = 0
"""As many tokens as the model was made for, as llama.cpp's ``-c 0``."""


class UnknownDevice(Exception):
    """No such device here; the message lists those there are."""


@record(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for; names and numbers are checked, the model has not been read."""

    source: str
    """A path, or a name of the catalogue."""
    quant: str | None = None
    context_tokens: int | None = None
    """None: the default. ``NATIVE_CONTEXT``: all that the model has."""
    n_sequences: int = 1
    kv_type: str | None = None
    """None: the engine's default."""
    engine_name: str = "llamacpp"
    is_engine_given: bool = True
    """False: the engine may be another where this one does not run such models."""
    options: Any
    """The engine's own ``Options``."""
    ram_bytes_per_second: float | None = None
    """The bandwidth of the RAM, where somebody states it."""
    device: str = AUTO
    """``auto``, ``all``, ``cpu``, or names and numbers between commas."""
    has_hidden: bool = False
    """Devices that programs started from this shell do not see are planned for, too."""
    settings: frozenset[str] = frozenset()
    """What the environment says of a load that has no room, as ``places.spill_settings`` reads it."""

    def plan(self, model: Model, devices: tuple[str, ...] | None) -> Plan:
        """The plan for this model on devices that were already found by name."""
        name, options = self.engine_name, self.options
        usual = usual_engine(model)
        if not self.is_engine_given and usual != name:
            name, options = usual, load_engine(usual).Options()
        engine = load_engine(name)
        if name in CHECKPOINT_ENGINES and usual in OWN_FORMATS and name != usual:
            raise Unjudgeable(f"{engine.NAME} loads no {model.quant}; --engine {usual} does")
        return Plan(
            model=model if self.quant is not None else as_published_for(engine, model),
            workload=Workload(
                context_tokens=self._context_tokens(model),
                n_sequences=self.n_sequences,
                kv_type=self.kv_type or engine.KV_TYPES[0],
            ),
            options=options,
            engine_name=name,
            devices=devices,
        )

    def _context_tokens(self, model: Model) -> int:
        native = model.native_context_tokens
        if self.context_tokens is None:
            return min(DEFAULT_CONTEXT_TOKENS, native) if native else DEFAULT_CONTEXT_TOKENS
        if self.context_tokens == NATIVE_CONTEXT:
            if not native:
                raise Unjudgeable("the model does not say how long its context is; give a number, as in --context 8k")
            return native
        return self.context_tokens


def chosen_devices(text: str, snapshot: Snapshot, *, has_hidden: bool = False) -> tuple[str, ...] | None:
    """The names of the places meant, as ``Plan.devices`` has them; hidden ones where they are named, or all are meant.

    Raises:
        UnknownDevice: there is no such device.
        Unjudgeable: it may be there, and its memory is not known now.
    """
    wanted = text.strip().casefold()
    if wanted in CPU_WORDS:
        return ()
    unknown = {place.name: place.reason for place in missing_places(snapshot)}
    known = [
        label
        for device in snapshot.devices
        if (has_hidden or not device.hidden_by) and (label := device_label(device, snapshot.devices)) not in unknown
    ]
    if wanted in (AUTO, ALL):
        expect_devices_known(snapshot, has_hidden=has_hidden)
        return None if wanted == AUTO else tuple(known)
    names = [_device_named(part, snapshot) for part in text.split(",") if part.strip()]
    for name in names:
        if name in unknown:
            raise Unjudgeable(f"the memory of {name} is not known now: {unknown[name]}")
    return tuple(dict.fromkeys(names))


def expect_devices_known(snapshot: Snapshot, *, has_hidden: bool = False) -> None:
    """A device that gives no figures is no machine without one: what is asked is whether the load fits there.

    Where all devices are hidden, a load would see none, and RAM alone is what it has.

    Raises:
        Unjudgeable: a device is there, or may be, and of none is the memory known now.
    """
    seen = {device_label(device, snapshot.devices) for device in snapshot.devices if has_hidden or not device.hidden_by}
    missing = [place for place in missing_places(snapshot) if place.name in seen]
    if len(missing) < len(seen) or (snapshot.devices and not seen):
        return
    reasons = [f"{place.name}: {place.reason}" for place in missing] or driver_troubles(snapshot)
    if reasons:
        raise Unjudgeable(
            f"no GPU's memory is known now ({'; '.join(reasons)}); --device cpu (in the app: d) judges it in RAM alone"
        )


def unread_devices(snapshot: Snapshot | None, places: Sequence[Place]) -> str:
    """Why a verdict on these places would be no answer: a GPU is there, or may be, and RAM is all that is known now."""
    if snapshot is None or any(place.kind != "host" for place in places):
        return ""
    try:
        expect_devices_known(snapshot)
    except Unjudgeable as error:
        return str(error)
    return ""


def driver_troubles(snapshot: Snapshot) -> list[str]:
    """Why no device could be read, where one may be there. What is only noted of a simulation is none."""
    faults = {fault.probe for fault in snapshot.faults}
    return [
        f"{fault.probe}: {fault.message}"
        for fault in snapshot.faults
        if not fault.is_note
        and fault.device_key is None
        and fault.probe in ("nvidia", "apple", "amd", "intel", "windows")
    ] + [f"{name}: no answer yet" for name in snapshot.pending if name != HOST_POOL and name not in faults]


def _device_named(text: str, snapshot: Snapshot) -> str:
    wanted = _folded(text)
    found = [device for device in snapshot.devices if wanted in _names_of(device, snapshot.devices)]
    if len(found) == 1:
        return device_label(found[0], snapshot.devices)
    labels = [device_label(device, snapshot.devices) for device in snapshot.devices]
    if found:
        meant = " or ".join(device_label(device, snapshot.devices) for device in found)
        raise UnknownDevice(f"--device {text.strip()} may be {meant}; name one")
    if not labels:
        if troubles := driver_troubles(snapshot):
            raise Unjudgeable(f"--device {text.strip()}: no GPU can be read now ({'; '.join(troubles)})")
        raise UnknownDevice(f"there is no GPU here, so no --device {text.strip()}; say --device cpu")
    raise UnknownDevice(f"no device is called {text.strip()}; there is {', '.join(labels)}")


def _names_of(device: Device, devices: Sequence[Device]) -> set[str]:
    names = (str(device.index), f"GPU {device.index}", f"CUDA{device.index}", device_label(device, devices), device.key)
    return {_folded(name) for name in names} | ({_folded(device.name)} if device.name else set())


def _folded(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
