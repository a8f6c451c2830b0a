"""What may be typed as a value, with its limits: on the command line, and on the options screen."""

import argparse

INTERVAL_SECONDS = (0.1, 3600.0)
BANDWIDTH_GIGABYTES = (1.0, 10_000.0)
MOST_CONTEXT_TOKENS = 1 << 30
MOST_SEQUENCES = 1 << 16
MOST_COUNT = 1 << 30
MOST_NAMES = 100
"""Of processes for a device, as Prometheus' series."""
ALL_LAYERS = 999
"""More than any model has; llama.cpp takes the number as it is."""


_FACTORS = {"k": 1 << 10, "m": 1 << 20}


def parse_count(text: str, minimum: int = 0) -> int:
    """A whole number, as the command line and the options screen take it: 8192, 8k, 1M, 8 192, 8_192."""
    digits = text.replace("_", "").replace(" ", "").replace("\N{NO-BREAK SPACE}", "")
    factor = _FACTORS.get(digits[-1:].casefold(), 1)
    digits = digits[:-1] if factor > 1 else digits
    if digits.isascii() and digits.isdigit() and len(digits) < 12 and minimum <= int(digits) * factor <= MOST_COUNT:
        return int(digits) * factor
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {minimum} to {MOST_COUNT}, as in 512 or 8k")


def _number_within(text: str, least: float, most: float) -> float | None:
    """None where the text is no number, or one beyond these limits."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if least <= number <= most else None


def parse_number(text: str, minimum: float, maximum: float) -> float:
    """A number that need not be whole, as in 0.9."""
    number = _number_within(text, minimum, maximum)
    if number is not None:
        return number
    raise argparse.ArgumentTypeError(f"{text!r} is no number from {minimum:g} to {maximum:g}, as in 0.9")


def parse_layers(text: str) -> int | None:
    word = text.casefold()
    if word == "auto":
        return None
    if word == "all":
        return ALL_LAYERS
    try:
        return parse_count(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of layers; say 20, all or auto") from None


def parse_shares(text: str) -> tuple[float, ...]:
    """What each device gets."""
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        shares = ()
    if not shares or not all(0 <= share < float("inf") for share in shares) or not any(shares):
        raise argparse.ArgumentTypeError(f"{text!r} are no shares; say how much each device gets, as in 3,1")
    return shares


def parse_context(text: str) -> int:
    """Tokens, or 0 for all that the model has."""
    word = text.casefold().replace("_", "").replace(",", "")
    if word == "native":
        return 0
    unit = {"k": 1 << 10, "m": 1 << 20}.get(word[-1:], 1)
    number = word if unit == 1 else word[:-1]
    if number.isascii() and number.isdigit() and len(number) < 12:
        tokens = int(number) * unit
        if tokens <= MOST_CONTEXT_TOKENS:
            return tokens
    raise argparse.ArgumentTypeError(f"{text!r} is no number of tokens; say 8192, 8k, 1M or native")


def parse_sequences(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST_SEQUENCES:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of sequences; say 1 to {MOST_SEQUENCES}")


def parse_names(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST_NAMES:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of names; say 1 to {MOST_NAMES}")


def parse_bandwidth(text: str) -> float:
    least, most = BANDWIDTH_GIGABYTES
    gigabytes = _number_within(text, least, most)
    if gigabytes is not None:
        return gigabytes
    raise argparse.ArgumentTypeError(f"{text!r} is no bandwidth; say GB per second from {least:g} to {most:g}")


def parse_interval(text: str) -> float:
    least, most = INTERVAL_SECONDS
    seconds = _number_within(text, least, most)
    if seconds is not None:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is no interval; say seconds from {least:g} to {most:g}")
