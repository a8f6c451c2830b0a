"""What a command has another machine do: by its program, by what its scheduler would choose, or by variables."""

import os
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
        "nomad": frozenset({"job", "run"}),
        "multipass": frozenset({"exec", "shell"}),
    }
)
"""Programs that do so by some of their commands: docs.skypilot.co, docs.ray.io, modal.com/docs, tailscale.com/kb,
developer.hashicorp.com/nomad and documentation.ubuntu.com/multipass (their pages of commands, 2026-11)."""
_ASKING = frozenset({"docker", "docker-compose", "podman"})
"""Programs that ask a server, which may be another machine, to start a container."""
_HOSTS = ("-host", "--host", "-H", "-hosts", "--hosts")
_HOST_FILES = ("-hostfile", "--hostfile", "-machinefile", "--machinefile", "-f", "--default-hostfile")
"""Of ``mpirun`` (docs.open-mpi.org, 5.0) and ``mpiexec`` (mpich.org, "Using the Hydra Process Manager")."""
WITHIN_A_JOB: Mapping[str, str] = MappingProxyType({"SLURM_JOB_ID": "0"})
"""By which ``srun`` and ``salloc`` know that they are on a machine of the job."""
_MOST_BYTES = 1 << 20
"""Of a file of hosts (ASSUMED bound)."""


def runs_elsewhere(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether what this program starts runs on another machine, or may.

    Args:
        name: of the program, or of a wrapper.
        arguments: its own words; of a wrapper those before the program.
        environment: what it sees; without a ``PATH`` it is of a posted text, and nothing is known of where it is typed.
    """
    if name in REMOTE or not _TASKS.get(name, frozenset()).isdisjoint(arguments[:1]):
        return True
    if name in _ASKING:
        from launches.container_server import is_elsewhere  # noqa: PLC0415  # which few commands need

        return is_elsewhere(name, arguments, environment)
    if "PATH" not in environment:
        return False
    if name in ("srun", "salloc"):  # within a job it is the job's machine (srun(1), "OUTPUT ENVIRONMENT VARIABLES")
        return not environment.get("SLURM_JOB_ID")
    return name in ("mpirun", "mpiexec") and _are_others(arguments)


def _are_others(words: Sequence[str]) -> bool:
    """Whether hosts are named, in words or in a file, and one of them is not this one, or nobody knows."""
    hosts = [host for told in _values(words, _HOSTS) for host in told.split(",") if host]
    for path in _values(words, _HOST_FILES):
        hosts += _hosts_in(path)
    own = os.uname().nodename if hasattr(os, "uname") else ""  # Windows has none
    here = {"localhost", "127.0.0.1", own, own.partition(".")[0]}
    return not here.issuperset(host.partition(":")[0] for host in hosts)


def _values(words: Sequence[str], flags: Sequence[str]) -> list[str]:
    pairs = zip(words, (*words[1:], ""), strict=False)
    return [value for word, following in pairs for flag, value in (_parted(word, following),) if flag in flags]


def _parted(word: str, following: str) -> tuple[str, str]:
    flag, equals, value = word.partition("=")
    return flag, value if equals else following


def _hosts_in(path: str) -> list[str]:
    """One a line, what it has of slots behind it; a host of no name where the file cannot be read."""
    from launches.named_file import UnreadableFile, read_named_file  # noqa: PLC0415  # which few commands need

    try:
        lines = read_named_file(path, _MOST_BYTES).decode("utf-8", "replace").splitlines()
    except UnreadableFile:
        return ["?"]
    return [line.split()[0] for line in lines if line.strip() and not line.lstrip().startswith("#")]
