"""Stepping over GGUF's arrays of strings: a vocabulary is most of a header, and nothing in it is asked for.

Each string is its length (u64) and its bytes, so that the end of an array is known only by going through it. In
Python that is 60 to 95 ns a string, 24 to 38 ms for the 408,403 of a Llama 3 vocabulary; a regular expression over
many strings at once took 17 ms, and 4 ms to compile it. Searching for the key that follows takes 2 ms (own
measurements, Python 3.11).
"""

from struct import Struct
from struct import error as struct_error

from estimator.file_cursor import FileCursor

LEAP_STRINGS = 10_000
"""From here on the array's end is searched for first; below, going through it costs less than 1 ms."""
LEAP_STRING_BYTES = 32
"""Mean size, with its length, up to which the search goes on; in vocabularies it is 15 to 20."""
CHECKED_BYTES = 4096
"""Gone through before an end that was found, to see that it is one."""
KEYS = (b"tokenizer.ggml.", b"general.quantization_version")
"""What follows a vocabulary in a converter's files (convert_hf_to_gguf.py) and in a quantiser's (llama-quant.cpp)."""
ZEROS = bytes(7)
"""All but the lowest byte of a length below 256, little-endian."""


def skip_strings(cursor: FileCursor, length: Struct, n: int) -> None:
    """Go through so many strings, each checked against the file's end."""
    unpack = length.unpack_from
    while n:
        cursor.hold(8)
        data, at, done = cursor.data, cursor.at, 0
        try:
            for done in range(n):  # noqa: B007 - how far it went, for the exception
                (n_bytes,) = unpack(data, at)
                at += 8 + n_bytes
        except (struct_error, OverflowError):  # the next length is not in memory yet, or past every file's end
            n -= done
        else:
            n = 0
        cursor.skip(at - cursor.at)


def leap_strings(cursor: FileCursor, n: int) -> bool:
    """Go to the end of so many strings (little-endian) by the key that follows; False if it is not found.

    The end is believed if one of the usual keys is there and if the strings before it end just there. The caller goes
    through the header again with `skip_strings` if the rest of it then makes no sense. A file made for the purpose can
    have such a place inside a token and so be taken for another model, but no more than that.
    """
    start = cursor.position
    end = _next_key(cursor, min(cursor.n_bytes, start + n * LEAP_STRING_BYTES))
    if end is not None and end - start >= 8 * n and _is_end(cursor, max(start, end - CHECKED_BYTES), end):
        cursor.move(end)
        return True
    cursor.move(start)
    return False


def _next_key(cursor: FileCursor, limit: int) -> int | None:
    marks = [ZEROS + key for key in KEYS]
    overlap = max(map(len, marks))
    while cursor.position + overlap < limit:
        cursor.hold(overlap + 1)
        data, hit = cursor.data, len(cursor.data)
        for mark in marks:
            found = data.find(mark, cursor.at, hit)
            hit = found if found >= 0 else hit
        if hit < len(data):
            return cursor.start + hit - 1
        cursor.move(cursor.start + len(data) - overlap)
    return None


def _is_end(cursor: FileCursor, start: int, end: int) -> bool:
    cursor.move(start)
    cursor.hold(end - start)
    data, stop = cursor.data, cursor.at + end - start
    at = data.find(ZEROS, cursor.at + 1, stop) - 1
    while 0 <= at < stop:
        at += 8 + int.from_bytes(data[at : at + 8], "little")
    return at == stop
