"""What a command has another machine do: by its program, by what its scheduler would choose, or by variables."""

import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

REMOTE = frozenset(
    "ssh mosh autossh sshpass rsh pssh parallel-ssh clush pdsh kubectl oc gcloud ansible vagrant adb sbatch qsub qrsh "
    "bsub".split()
)
"""Programs that start another on another machine, or hand it to who does."""
_TASKS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "sky": frozenset({"exec", "launch", "jobs", "serve"}),
        "ray": frozenset({"exec", "job", "submit"}),
        "modal": frozenset({"run", "serve", "deploy", "shell"}),
        "tailscale": frozenset({"ssh"}),
        "multipass": frozenset({"exec", "shell"}),
    }
)
"""Programs that do so by some of their commands: docs.skypilot.co, docs.ray.io, modal.com/docs, tailscale.com/kb and
documentation.ubuntu.com/multipass (their pages of commands, 2026-11)."""
_HOSTS = ("-host", "--host", "-H")
"""Of ``mpirun`` (docs.open-mpi.org, 5.0) and ``mpiexec``."""
_SERVERS: Mapping[str, str] = MappingProxyType(
    {"docker": "DOCKER_HOST", "docker-compose": "DOCKER_HOST", "podman": "CONTAINER_HOST"}
)
"""Where the server is that starts containers (docs.docker.com, "docker", Environment variables; podman(1))."""
WITHIN_A_JOB: Mapping[str, str] = MappingProxyType({"SLURM_JOB_ID": "0"})
"""By which ``srun`` and ``salloc`` know that they are on a machine of the job."""
_SERVED_HERE = re.compile(r"(?:unix|npipe|fd):|tcp://(?:localhost|127\.|\[::1\])|/|$")


def runs_elsewhere(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether what this program starts runs on another machine, or may.

    Args:
        name: of the program, or of a wrapper.
        arguments: its own words; of a wrapper those before the program.
        environment: what it sees; without a ``PATH`` it is of a posted text, and nothing is known of where it is typed.
    """
    if name in REMOTE or not _TASKS.get(name, frozenset()).isdisjoint(arguments[:1]):
        return True
    if name in _SERVERS:
        return _SERVED_HERE.match(environment.get(_SERVERS[name], "")) is None
    if "PATH" not in environment:
        return False
    if name in ("srun", "salloc"):  # within a job it is the job's machine (srun(1), "OUTPUT ENVIRONMENT VARIABLES")
        return not environment.get("SLURM_JOB_ID")
    return name in ("mpirun", "mpiexec") and _are_others(arguments)


def _are_others(words: Sequence[str]) -> bool:
    """Whether hosts are named, and none of them is this one."""
    told = [words[number + 1] for number, word in enumerate(words[:-1]) if word in _HOSTS]
    own = os.uname().nodename if hasattr(os, "uname") else ""  # Windows has none
    here = {"localhost", "127.0.0.1", own, own.partition(".")[0]}
    return bool(told) and here.isdisjoint(host.partition(":")[0] for hosts in told for host in hosts.split(","))
