"""Every option of the engine, from its own declaration, and what is asked of it."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType

from estimator.errors import EstimatorError
from records.record import record
from tui.device_choice import said_by_hand, start_line
from tui.flag_values import parse_count, parse_number, parse_shares
from tui.messages import PlanChanged
from tui.plan import assess
from tui.screens.browser import Browser
from tui.widgets.line import fit_text

if TYPE_CHECKING:
    from tui.plan import Plan
    from tui.widgets.line import Line


@record(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that can be set, of the workload or of the engine's options."""

    name: str
    is_workload: bool
    flag: str
    help: str
    value: Any
    choices: tuple[str, ...] = ()
    kind: str
    """``bool``, ``int``, ``float``, ``text``, ``float list``, ``choice``."""
    minimum: float = 0
    maximum: float = 1e12
    is_optional: bool = False
    """Whether it may be left to the engine: then nothing is a value too."""


class OptionsScreen(Browser):
    TITLE_TEXT = "Options"
    HINTS: ClassVar = (("enter", "change"), ("del", "not given"), ("y", "copy the command"), ("esc", "back"))
    PROMPT = "a number"
    CAN_FILTER = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "choose", show=False),
        Binding("y", "app.copy_command", show=False),
        Binding("delete,backspace", "clear", show=False),
    ]

    def fill(self) -> None:
        plan = self.view.plan
        if plan is None:
            self._fields: list[Field] = []
            self.listing.show([], empty=(("no model is chosen: press m", "dim"),))
            self.about.show()
            return
        self.listing.entitle(f"Options of {plan.engine.NAME}")
        self._fields = fields_of(plan)
        width = max(len(field.flag or field.name) for field in self._fields)
        head = f"{'flag':<{width}} {'value':<12} what it is"
        self.listing.show([_row(field, width) for field in self._fields], head=((head, "dim"),))
        self.describe_again()

    def describe(self, index: int) -> None:
        plan = self.view.plan
        if plan is None or index >= len(self._fields):
            return
        field = self._fields[index]
        self.about.show((f"{field.flag or field.name}: {field.help}", "text"), (self._command(), "dim"))

    def _command(self) -> str:
        """What to type to get what is judged."""
        made = self.view.assessment
        if made is None:
            return ""
        devices = self.view.snapshot.devices if self.view.snapshot else ()
        return "  ".join((start_line(devices, made), *(f"({told})" for told in said_by_hand(devices, made))))

    def choose(self, index: int) -> None:
        field = self._fields[index]
        if field.kind == "bool":
            self._set(field, not field.value)
        elif field.kind == "choice":
            place = field.choices.index(field.value) if field.value in field.choices else -1
            self._set(field, field.choices[(place + 1) % len(field.choices)])
        else:
            value = "" if field.value is None else _text(field.value)
            self.edit(index, value, f"{field.flag or field.name}: {field.help}")

    def action_choose(self) -> None:
        self.listing.action_choose_row()

    def action_clear(self) -> None:
        """Back to what the engine does by itself."""
        if self.view.plan is None or not self._fields:
            return
        field = self._fields[self.listing.cursor]
        if not field.is_workload:
            self._set(field, getattr(self.view.plan.engine.Options(), field.name))

    def take_typed(self, index: int, text: str) -> None:
        field = self._fields[index]
        try:
            value = parse_value(field, text)
        except ValueError as error:
            self.complain(str(error))
            return
        self._set(field, value)
        self.action_go_back()

    def _set(self, field: Field, value: Any) -> None:
        """Change the plan, unless the engine would refuse it."""
        plan = self.view.plan
        if plan is None:
            return
        if field.is_workload:
            changed = replace(plan, workload=replace(plan.workload, **{field.name: value}))
        else:
            changed = replace(plan, options=replace(plan.options, **{field.name: value}))
        try:
            if self.view.places:
                assess(changed, self.view.places)
        except EstimatorError as error:
            self.complain(f"not changed: {error}")
            return
        self.post_message(PlanChanged(changed))


def fields_of(plan: Plan) -> list[Field]:
    """The workload's settings, then all that the engine declares."""
    asked = plan.workload
    found = [
        Field(name="context_tokens", is_workload=True, flag="--context", value=asked.context_tokens, kind="int",
              minimum=1, help="tokens of all sequences together"),
        Field(name="n_sequences", is_workload=True, flag="--sequences", value=asked.n_sequences, kind="int",
              minimum=1, help="sequences at the same time"),
        Field(name="kv_type", is_workload=True, flag="--kv-type", value=asked.kv_type, kind="choice",
              help="stored type of the KV cache", choices=tuple(plan.engine.KV_TYPES)),
    ]  # fmt: skip
    for field in fields(plan.options):
        choices = tuple(field.metadata.get("choices", ()))
        found.append(
            Field(
                name=field.name,
                is_workload=False,
                flag=str(field.metadata.get("flag", "")),
                help=str(field.metadata.get("help", "")),
                value=getattr(plan.options, field.name),
                choices=choices,
                kind="choice" if choices else _kind(str(field.type)),
                minimum=float(field.metadata.get("minimum", 0)),
                maximum=float(field.metadata.get("maximum", 1e12)),
                is_optional="None" in str(field.type),
            )
        )
    return found


def _kind(annotation: str) -> str:
    if "bool" in annotation:
        return "bool"
    if "tuple[float" in annotation:
        return "float list"
    return next((kind for kind in ("float", "int") if kind in annotation), "text")


def parse_value(field: Field, text: str) -> Any:
    """What was typed.

    Raises:
        ValueError: it is none, and what would be one.
    """
    text = text.strip()
    if not text and not field.is_workload:
        return None if field.is_optional else field.value
    try:
        if field.kind == "float list":
            return parse_shares(text)
        if field.kind == "float":
            return parse_number(text, field.minimum, field.maximum)
        return text if field.kind == "text" else parse_count(text, int(field.minimum))
    except ArgumentTypeError as error:
        raise ValueError(str(error)) from None


def _text(value: Any) -> str:
    if value is None or value == "":
        return "not given"
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)


def _row(field: Field, width: int) -> Line:
    return (
        (fit_text(field.flag or field.name, width) + " ", "text"),
        (fit_text(_text(field.value), 12) + " ", "dim" if field.value in (None, "") else "strong"),
        (field.help, "dim"),
    )


def open_screen() -> OptionsScreen:
    return OptionsScreen()
