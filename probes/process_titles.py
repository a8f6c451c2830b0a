"""How a person knows the processes of a Linux machine: name, command, user, container.

From /proc/PID: proc_pid_comm(5), proc_pid_cmdline(5), proc_pid_status(5), proc_pid_cgroup(5).
"""

import os
from functools import lru_cache

from probes.container import container_of
from probes.pid_namespace import has_open, sees_whole_machine
from probes.probe import TellCommand, Title
from probes.process_start import parent_and_start
from probes.sysfs import read_bytes, read_text, whole_number

COMMAND_BYTES = 4096
"""Of a command line. The kernel allows 2 MiB; nobody reads more than this (ASSUMED)."""
_COMM_LENGTH = 15
"""The kernel cuts a process's name here: TASK_COMM_LEN (16) with its NUL, include/linux/sched.h."""
_GPU_FILES = ("/dev/nvidia", "/dev/dri/", "/dev/kfd", "/dev/dxg", "/dev/accel", "/dev/vfio/", "/dev/davinci")
"""One of these is open in a process that holds an accelerator's memory."""
_USER_LENGTH = 64
_PASSWD_BYTES = 256 * 1024


def process_title(pid: int, root: str, tell_command: TellCommand = " ".join) -> Title | None:
    """What is known of a process, or None where it cannot be seen. Untrusted text.

    A driver reports the pids of the whole machine. In a container, a process of that number may be quite another one:
    there, only one that has a GPU's file open is taken for it.
    """
    if pid <= 0:
        return None
    proc = f"{root}/proc"
    comm = read_text(f"{proc}/{pid}/comm", 256)
    if comm is None or not (sees_whole_machine(root) or has_open(pid, root, _GPU_FILES)):
        return None
    arguments = (read_bytes(f"{proc}/{pid}/cmdline", COMMAND_BYTES) or b"").rstrip(b"\0").split(b"\0")
    command = tell_command(word.decode(errors="replace") for word in arguments)
    program = os.path.basename(arguments[0]).decode(errors="replace")
    stat = parent_and_start(pid, root)
    is_cut = len(comm.encode()) >= _COMM_LENGTH and program.startswith(comm)
    return Title(
        name=tell_command((program if is_cut else comm,)),  # a title may be a whole command
        command=command or comm,
        user=_user(pid, root),
        container=container_of(read_text(f"{proc}/{pid}/cgroup", 8192) or ""),
        started_ticks=None if stat is None else stat[1],
    )


def _user(pid: int, root: str) -> str | None:
    """Whose it is: the real user of its status. The folder's owner is root where a process may not be dumped."""
    for line in (read_text(f"{root}/proc/{pid}/status", 2048) or "").splitlines():
        if line.startswith("Uid:"):
            words = line.split()
            uid = whole_number(words[1], 10) if len(words) > 1 else None
            return None if uid is None else user_name(uid, root)
    return None


@lru_cache(maxsize=256)
def user_name(uid: int, root: str) -> str:
    """The name of a user, or the number as text. Asked once for each: a directory service may take seconds."""
    for line in (read_text(f"{root}/etc/passwd", _PASSWD_BYTES) or "").splitlines():
        name, _, rest = line.partition(":")
        if rest.split(":")[1:2] == [str(uid)]:
            return name[:_USER_LENGTH]
    return str(uid) if root else _name_in_directory(uid)


def _name_in_directory(uid: int) -> str:
    """Of one who is not in /etc/passwd but in a directory service."""
    try:
        import pwd  # noqa: PLC0415 - not on Windows

        return pwd.getpwuid(uid).pw_name[:_USER_LENGTH]
    except (ImportError, KeyError, OverflowError):
        return str(uid)
