"""A command as it would be started, and what stands before the program: ``env``, ``nohup``, ``numactl`` ..."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

MOST_WORDS = 4096
MOST_CHARACTERS = 1 << 20
"""Of all words together. Linux takes 2 MiB (execve(2)); nobody starts an engine with half of it (ASSUMED)."""
RUNTIMES = frozenset({"docker", "podman", "nerdctl"})
"""Programs that start others in containers; ``launches.container`` reads what."""
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\\w")
"""``C:\\models``, or a share of Windows."""
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_WRAPPERS: Mapping[str, frozenset[str]] = {
    "env": frozenset({"-u", "--unset", "-C", "--chdir", "-S", "--split-string"}),
    "nohup": frozenset(),
    "setsid": frozenset(),
    "exec": frozenset({"-a"}),
    "command": frozenset(),
    "time": frozenset({"-f", "--format", "-o", "--output"}),
    "nice": frozenset({"-n", "--adjustment"}),
    "ionice": frozenset({"-c", "--class", "-n", "--classdata"}),
    "chrt": frozenset(),
    "stdbuf": frozenset({"-i", "-o", "-e", "--input", "--output", "--error"}),
    "taskset": frozenset(),
    "numactl": frozenset(
        "-i -N -m -C -p -P -l --interleave --cpunodebind --membind --physcpubind --preferred --preferred-many".split()
    )
    - {"-l"},
    "sudo": frozenset("-u --user -g --group -h --host -p --prompt -C -D --chdir -R -T -U".split()),
    "doas": frozenset({"-u", "-C"}),
    "systemd-run": frozenset({"-p", "--property", "-u", "--unit", "-M", "-E", "--slice", "--description"}),
    "systemd-inhibit": frozenset(),
    "timeout": frozenset({"-s", "--signal", "-k", "--kill-after"}),
    "prime-run": frozenset(),
    "mpirun": frozenset("-n -np -c -H -x --host --hostfile -hostfile --map-by --bind-to --output-filename".split()),
    "mpiexec": frozenset("-n -np -c -H -x --host --hostfile -hostfile --map-by --bind-to".split()),
    "trtllm-llmapi-launch": frozenset(),
    "srun": frozenset(
        "-A -c -C -D -e -G -J -N -n -o -p -q -t -w -x --account --chdir --constraint --container-image "
        "--container-mounts --container-name --cpu-bind --cpus-per-gpu --cpus-per-task --error --exclude --export "
        "--gpu-bind --gpus --gpus-per-node --gpus-per-task --gres --job-name --jobid --mem --mem-per-cpu --mem-per-gpu "
        "--mpi --nodelist --nodes --ntasks --ntasks-per-gpu --ntasks-per-node --output --partition --qos --time".split()
    ),
    "xargs": frozenset({"-I", "-n", "-P", "-L", "-d", "-s", "-E", "--max-args", "--max-procs", "--delimiter"}),
    "screen": frozenset("-S -dmS -c -L -Logfile".split()),
    "singularity": frozenset("-B --bind --env --env-file -H --home --pwd -W --workdir --overlay".split()),
    "apptainer": frozenset("-B --bind --env --env-file -H --home --pwd -W --workdir --overlay".split()),
    "gamemoderun": frozenset(),
    "caffeinate": frozenset({"-t", "-w"}),
    "uv": frozenset({"--with", "--python", "-p", "--project", "--directory", "--extra", "--group", "--env-file"}),
    "uvx": frozenset({"--from", "--with", "--python", "-p"}),
    "pipx": frozenset({"--spec", "--python"}),
    "poetry": frozenset(),
    "conda": frozenset({"-n", "--name", "-p", "--prefix", "--cwd"}),
    "accelerate": frozenset(
        "--num_processes --num_machines --mixed_precision --config_file --main_process_port".split()
    ),
    "torchrun": frozenset("--nproc_per_node --nproc-per-node --nnodes --master_port --rdzv_endpoint".split()),
    "tini": frozenset({"-e", "-p"}),
    "dumb-init": frozenset({"-r", "--rewrite"}),
    "catatonit": frozenset(),
    "nsys": frozenset(
        "-o --output -t --trace -y --delay -d --duration -e -w --show-output -s --sample -c --capture-range "
        "--capture-range-end --stop-on-exit --cuda-graph-trace --gpu-metrics-device --gpu-metrics-devices "
        "--export -p -x -f --force-overwrite --stop-on-range-end --kill --session --session-new --nvtx-capture "
        "--stats".split()
    ),
    "ncu": frozenset("-o --export -k --kernel-name -c --launch-count -s --launch-skip --set --section".split()),
    "rocprof": frozenset({"-i", "-o", "-d"}),
    "rocprofv3": frozenset({"-i", "-o", "-d"}),
    "perf": frozenset("-e -o -F -g -p --event --output --freq --call-graph".split()) - {"-g"},
    "strace": frozenset("-e -o -p -s -u -E".split()),
    "gdb": frozenset({"-x", "-ex", "--command"}),
    "valgrind": frozenset(),
    "prlimit": frozenset(),
    "cgexec": frozenset({"-g"}),
    "runuser": frozenset({"-u", "--user", "-g", "--group"}),
    "gosu": frozenset(),
    "su-exec": frozenset(),
    "unbuffer": frozenset(),
    "xvfb-run": frozenset({"-s", "-n", "-e", "-f"}),
    "firejail": frozenset(),
    "proot": frozenset({"-r", "-b", "-w", "-R", "-0"}) - {"-0"},
    "mamba": frozenset({"-n", "--name", "-p", "--prefix"}),
    "micromamba": frozenset({"-n", "--name", "-p", "--prefix"}),
    "pixi": frozenset({"-e", "--environment", "--manifest-path"}),
    "pipenv": frozenset(),
    "pdm": frozenset({"-p", "--project"}),
    "hatch": frozenset({"-e", "--env"}),
    "rye": frozenset(),
    "distrobox": frozenset({"-n", "--name"}),
    "toolbox": frozenset({"-c", "--container"}),
    "wsl": frozenset("-d --distribution -u --user --cd --shell-type".split()),
    "start": frozenset({"/d", "/D", "/node", "/affinity", "/AFFINITY"}),
    "call": frozenset(),
    "cmd": frozenset(),
    "qemu": frozenset("-L -cpu -E -U -s -B -R -g".split()),
    "eval": frozenset(),
}
"""Programs that start another: their options that take a word of their own, by each one's manual page or --help."""
_SHELLS = frozenset({"sh", "bash", "zsh", "dash"})
_N_OPERANDS = {
    "taskset": 1,
    "chrt": 1,
    "timeout": 1,
    "singularity": 1,
    "apptainer": 1,
    "gosu": 1,
    "su-exec": 1,
    "distrobox": 1,
}
"""Words of theirs before the program: a mask, a priority, a duration, an image, a user."""
_SUBCOMMANDS = {
    "uv": ("run",),
    "pipx": ("run",),
    "poetry": ("run",),
    "conda": ("run",),
    "accelerate": ("launch",),
    "singularity": ("exec",),
    "apptainer": ("exec",),
    "nsys": ("profile", "launch"),
    "perf": ("stat", "record"),
    "mamba": ("run",),
    "micromamba": ("run",),
    "pixi": ("run",),
    "pipenv": ("run",),
    "pdm": ("run",),
    "hatch": ("run",),
    "rye": ("run",),
    "distrobox": ("enter",),
    "toolbox": ("run",),
}
_PYTHON = re.compile(r"([Pp]ython|pypy)([0-9.]*)w?t?$|py$")
"""The framework build of macOS calls itself ``Python``; a build without the lock ends on ``t`` (PEP 703)."""
_PYTHON_VALUED = frozenset({"-W", "-X", "--check-hash-based-pycs"})
"""Options of ``python`` with a word of their own (docs.python.org, "Command line and environment", 3.13)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is started: nothing has been looked up yet, and every word is a stranger's."""

    arguments: tuple[str, ...]
    """The program first."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the program will see."""
    directory: str = ""
    """Where relative paths begin; empty: here."""
    mounts: tuple[tuple[str, str], ...] = ()
    """Of a container: (a folder inside, where it is outside), the longest first."""

    def path(self, text: str) -> str:
        """The path that the program would open; of a container's, where it is outside."""
        expanded = os.path.expanduser(text) if not self.mounts else re.sub(r"^~(?=/|$)", "/root", text)
        is_whole = os.name != "nt" and _DRIVE.match(expanded) is not None  # of another system
        whole = os.path.join(self.directory, expanded) if self.directory and not is_whole else expanded
        for inside, outside in self.mounts:
            if whole == inside or whole.startswith(inside.rstrip("/") + "/"):
                return outside + whole[len(inside.rstrip("/")) :]
        return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The engine's own part of a command."""

    name: str
    """As it is called, without folder and ``.exe``; of ``python -m vllm.entrypoints.cli`` the module, of a script its
    name."""
    arguments: tuple[str, ...]
    """What follows the name."""
    offset: int
    """How many words of the command stand before these arguments."""
    environment: Mapping[str, str]
    """Assignments before the program counted in."""
    is_module: bool = False
    """Started by ``python -m``."""
    image: str = ""
    """Of the container that it is started in."""
    given_devices: str = "seen"
    """Whether the container that it is started in is given any: a key of ``launches.launch.GIVEN``."""
    ram_bytes: int | None = None
    """What that container may use at most; None: no limit."""
    path: str = ""
    """As it stands in the command: a script, a program with its folder."""
    directory: str = ""
    """Where it is started; empty: here."""


def program_of(command: Command) -> Program | None:
    """The program itself, behind assignments, wrappers and ``python``; None where there is none."""
    words = command.arguments[:MOST_WORDS]
    environment = dict(command.environment)
    position = 0
    while position < len(words):
        word = words[position]
        if _ASSIGNMENT.match(word):
            name, _, value = word.partition("=")
            environment[name] = value
            position += 1
            continue
        name = "qemu" if base_name(word).startswith("qemu-") else base_name(word)
        if name in _SHELLS and not "".join(words[position + 1 : position + 2]).startswith("-"):
            position += 1  # a script, or a program that its header makes a script of, too (llamafile)
            continue
        if name not in _WRAPPERS or not _has_subcommand(name, words[position + 1 :]):
            break
        position = _behind_wrapper(name, words, position + 1)
    if position >= len(words):
        return None
    if _PYTHON.match(base_name(words[position])):
        return _behind_python(words, position, environment, command.directory)
    return Program(
        name=base_name(words[position]),
        arguments=tuple(words[position + 1 :]),
        offset=position + 1,
        environment=environment,
        path=words[position],
        directory=command.directory,
    )


def assigned(words: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """(variables that are set before the program, as a shell sets them; the rest)."""
    n = next((number for number, word in enumerate(words) if not _ASSIGNMENT.match(word)), len(words))
    return dict(word.split("=", 1) for word in words[:n]), tuple(words[n:])


def base_name(word: str) -> str:
    """The program's name: without its folder, in either system's spelling, and without ``.exe``.

    Windows tells no ``LLAMA-SERVER.EXE`` from ``llama-server.exe``: with that ending, a name is in lower case.
    """
    name = re.split(r"[/\\]", word)[-1]
    return name[:-4].lower() if name.lower().endswith(".exe") else name


def _has_subcommand(name: str, following: Sequence[str]) -> bool:
    if name in ("eval", "cmd"):  # a whole command in one word is a shell's, below
        return not any(" " in word for word in following[:2])
    wanted = _SUBCOMMANDS.get(name)
    return wanted is None or any(word in wanted for word in following[:8])


def _is_windows_option(name: str, words: Sequence[str], position: int) -> bool:
    """``/c`` of cmd.exe, and what ``start`` takes: switches, and a title whose quotes are gone."""
    if name not in ("start", "cmd"):
        return False
    word = words[position]
    is_title = name == "start" and base_name(words[position - 1]) == "start" and (" " in word or not word)
    return word.startswith("/") or is_title


def _behind_wrapper(name: str, words: Sequence[str], position: int) -> int:
    """Where the next program, or an assignment before it, stands."""
    valued = _WRAPPERS[name]
    operands = _N_OPERANDS.get(name, 0)
    subcommands = set(_SUBCOMMANDS.get(name, ()))
    while position < len(words):
        word = words[position]
        if word in ("--", "--args"):
            return position + 1
        if word.startswith("-") or _is_windows_option(name, words, position):
            position += 2 if word in valued else 1
        elif word in subcommands:
            subcommands.clear()
            position += 1
        elif operands:
            operands -= 1
            position += 1
            if name == "taskset" and words[position - 2] in ("-c", "--cpu-list"):
                operands = 0
        else:
            return position
    return position


def _behind_python(
    words: Sequence[str], position: int, environment: Mapping[str, str], directory: str
) -> Program | None:
    position += 1
    while position < len(words) and words[position].startswith("-") and words[position] not in ("-m", "-c", "-"):
        position += 2 if words[position] in _PYTHON_VALUED else 1
    if position + 1 < len(words) and words[position] == "-c":
        return Program(
            name="python -c", arguments=tuple(words[position + 1 :]), offset=position + 1, environment=environment
        )
    if position >= len(words) or words[position] in ("-c", "-"):
        return None
    is_module = words[position] == "-m"
    position += is_module
    if position >= len(words):
        return None
    name = words[position] if is_module else base_name(words[position])
    return Program(
        name=name,
        arguments=tuple(words[position + 1 :]),
        offset=position + 1,
        environment=environment,
        is_module=is_module,
        path=words[position],
        directory=directory,
    )


def shortened(command: Command) -> Command:
    """The same within bounds: a command line is a stranger's."""
    kept: list[str] = []
    n_left = MOST_CHARACTERS
    for word in command.arguments[:MOST_WORDS]:
        n_left -= len(word) + 1
        if n_left < 0:
            break
        kept.append(word)
    return replace(command, arguments=tuple(kept))
