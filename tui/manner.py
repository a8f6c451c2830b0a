"""How ``plimsoll run`` is to stand in the way, and what it may ask of this machine."""

from records.record import record
from tui.neighbours import nobody

TYPE_CHECKING = False  # as typing's: only who has learned something imports them
if TYPE_CHECKING:
    from estimator.calibration import Calibration
    from tui.claims import Claims
    from tui.neighbours import Neighbours


@record(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to stand in the way."""

    is_strict: bool = False
    """What is tight, spills by the engine's own plan, or cannot be judged is refused as well."""
    is_agreed: bool = False
    """Whatever is found out, it is started; what is wrong is said."""
    wait_seconds: float | None = None
    """So long a launch without room is held until there is some; None: not at all."""
    is_quiet: bool = False
    """Nothing is said of a load that fits."""
    calibrations: "tuple[Calibration, ...]" = ()
    """What was learned on this machine; none where the hardware is not this machine's."""
    neighbours: "Neighbours" = nobody
    """Who else runs an engine here, asked where the load has no room."""
    launching: "Neighbours" = nobody
    """The same, asked where it has."""
    claims: "Claims | None" = None
    """What launches that have not taken their memory yet announced; None where the hardware is not this machine's."""
