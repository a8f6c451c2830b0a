"""Which start of the machine this is: numbers of processes begin anew with each."""

_BOOT = "/proc/sys/kernel/random/boot_id"


def boot_name() -> str:
    """Empty where the system does not name it."""
    try:
        with open(_BOOT, encoding="ascii") as file:
            return file.read(64).strip()
    except (OSError, ValueError):
        return ""
