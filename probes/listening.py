"""Ports that a process listens on and that can be reached on this machine's loopback: proc_net_tcp(5).

A port of another network (a container's), or of one address of this machine alone, is left out: what answers on
loopback under that number is somebody else.
"""

import os
import re
from collections.abc import Callable, Iterator

from probes.sysfs import read_bytes

MOST_PORTS = 16
_TCP_BYTES = 1024**2
_LISTENS = "0A"
"""TCP_LISTEN in include/net/tcp_states.h."""
_REACHED = re.compile("0{8}|[0-9A-F]{6}7F|0{32}|0{24}01000000|0{16}FFFF0000(0{8}|[0-9A-F]{6}7F)", re.IGNORECASE)
"""Any address or loopback, of IPv4, of IPv6 and of IPv4 in IPv6: each word of 32 bits as a little-endian processor
prints it (`get_tcp4_sock` and `get_tcp6_sock` of the kernel print the words as they are in memory)."""
_ROW = 10
"""Fields up to the inode."""


def ports_of_sockets(root: str, pid: int, inodes: frozenset[str]) -> tuple[int, ...]:
    """Those of a process whose open sockets are known."""
    if not inodes or not is_in_this_network(root, pid):
        return ()
    return _ports(root, pid, lambda row: row[9] in inodes)


def ports_of_owner(root: str, pid: int, wanted: int) -> tuple[int, ...]:
    """The wanted port, where a socket of the same user listens on it: for processes whose sockets cannot be seen."""
    try:
        owner = str(os.stat(f"{root}/proc/{pid}").st_uid)
    except OSError:
        return ()
    return tuple(port for port in _ports(root, "self", lambda row: row[7] == owner) if port == wanted)


def is_in_this_network(root: str, pid: int) -> bool:
    """Whether its network is ours; not where that cannot be told."""
    return _network(root, pid) == _network(root, "self")


def _network(root: str, pid: int | str) -> str | None:
    try:
        return os.readlink(f"{root}/proc/{pid}/ns/net")
    except OSError:
        return None


def _ports(root: str, pid: int | str, is_wanted: Callable[[list[str]], bool]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_listed(root, pid, is_wanted)))[:MOST_PORTS]


def _listed(root: str, pid: int | str, is_wanted: Callable[[list[str]], bool]) -> Iterator[int]:
    for name in ("tcp", "tcp6"):
        content = read_bytes(f"{root}/proc/{pid}/net/{name}", _TCP_BYTES) or b""
        for line in content.decode(errors="replace").splitlines()[1:]:
            row = line.split()
            if len(row) < _ROW or row[3] != _LISTENS or not is_wanted(row):
                continue
            address, _, port = row[1].rpartition(":")
            if _REACHED.fullmatch(address) and re.fullmatch("[0-9A-Fa-f]{4}", port) and int(port, 16):
                yield int(port, 16)
