"""What a person may set for good: declared once, for the file, for the screen and for the documentation.

Each field is one line of the TOML file, by its own name; its metadata hold the help, and for numbers the least and the
most. Reading and writing the file is in ``settings_file``.
"""

from dataclasses import field, fields
from typing import Any, Literal

from records.record import record

Switch = Literal["auto", "on", "off"]
THEMES = ("plimsoll", "plimsoll-light", "plimsoll-contrast")
"""Our own; any other of Textual's may be named, too."""


def _setting(default: Any, help: str, *, least: float | None = None, most: float | None = None) -> Any:  # noqa: A002  # as in the metadata
    return field(default=default, metadata={"help": help, "least": least, "most": most})


@record(frozen=True, slots=True, kw_only=True)
class Alerts:
    """What is worth a banner and a bell, and what else happens then. Each once, until it clears."""

    verdict: bool = _setting(default=True, help="warn when the load that is planned no longer fits")
    used_percent: int = _setting(
        default=0, help="warn when so much of a device or of the RAM is used; 0 never", least=0, most=100
    )
    temperature_celsius: int = _setting(default=0, help="warn when a device gets this hot; 0 never", least=0, most=150)
    spilled: bool = _setting(default=True, help="warn when a full device holds what it was given in RAM instead")
    launch: bool = _setting(default=True, help="warn of a launch that will not have the room that it needs")
    lost_device: bool = _setting(default=True, help="warn when a device is lost")
    bell: bool = _setting(default=True, help="ring the terminal's bell with a warning")
    notification: bool = _setting(
        default=True, help="a notification of the desktop with a warning, where the terminal passes it on (OSC 9, 777)"
    )
    command: str = _setting(
        default="", help="a command to run with a warning; PLIMSOLL_ALERT and PLIMSOLL_MESSAGE say which"
    )


@record(frozen=True, slots=True, kw_only=True)
class Settings:
    """As they are without a file."""

    interval_seconds: float = _setting(default=1.0, help="between two readings", least=0.1, most=3600)
    theme: str = _setting(
        default=THEMES[0], help="plimsoll, plimsoll-light, plimsoll-contrast, or any of Textual's own"
    )
    ascii_only: Switch = field(
        default="auto",
        metadata={"help": "draw with ASCII alone, for fonts without blocks; auto: on the console of Linux"},
    )
    low_bandwidth: Switch = field(
        default="auto",
        metadata={"help": "fewer readings and no charts, for slow lines; auto: once the terminal falls behind"},
    )
    mouse: Switch = field(
        default="auto",
        metadata={
            "help": "clicks and the wheel; off: the terminal selects text without shift; auto: off inside GNU screen"
        },
    )
    model_folders: str = _setting(default="", help="further folders to look for models in, separated as those of PATH")
    remember_plan: bool = _setting(default=True, help="open with the load that was planned last on this machine")
    recognise: bool = _setting(
        default=True, help="recognise engines by their processes and, on this machine alone, by what they serve"
    )
    learn: bool = _setting(default=True, help="keep on this machine what loads were to take and took")
    calibrate: bool = _setting(
        default=True, help="correct what is predicted by what loads took beyond it on this machine"
    )
    read_only: bool = _setting(default=False, help="no key ends a process")
    alerts: Alerts = field(default_factory=Alerts, metadata={"help": "what is worth a warning"})


def keys() -> tuple[str, ...]:
    """Every key of the file: ``theme``, ``alerts.bell``."""
    own = tuple(each.name for each in fields(Settings) if each.name != "alerts")
    return own + tuple(f"alerts.{each.name}" for each in fields(Alerts))


def value_of(settings: Settings, key: str) -> Any:
    """Of one key."""
    table, _, name = key.rpartition(".")
    return getattr(settings.alerts if table else settings, name)


def help_of(key: str) -> str:
    """What it is for."""
    return str(_field_of(key).metadata["help"])


def range_of(key: str) -> tuple[float | None, float | None]:
    """The least and the most of a number."""
    metadata = _field_of(key).metadata
    return metadata.get("least"), metadata.get("most")


def type_of(key: str) -> Any:
    """``bool``, ``int``, ``float``, ``str`` or ``Switch``."""
    return _field_of(key).type


def _field_of(key: str) -> Any:
    table, _, name = key.rpartition(".")
    return next(each for each in fields(Alerts if table else Settings) if each.name == name)
