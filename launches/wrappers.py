"""Programs that start another, and where in a command that other one stands."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_UV = frozenset(
    "--extra --no-extra --group --no-group --only-group --no-editable-package --env-file -w --with --with-editable "
    "--with-requirements --package --python-platform --index --default-index -i --index-url --extra-index-url -f "
    "--find-links --index-strategy --keyring-provider -P --upgrade-package --upgrade-group --resolution --prerelease "
    "--prerelease-package --fork-strategy --exclude-newer --exclude-newer-package --no-sources-package "
    "--reinstall-package --link-mode -C --config-setting --config-settings-package --no-build-isolation-package "
    "--no-build-package --no-binary-package --cache-dir --refresh-package -p --python --color --allow-insecure-host "
    "--directory --project --config-file --from -c --constraints -b --build-constraints --overrides --torch-backend "
    "--python-preference --preview-features".split()
)
"""``uv help run`` and ``uv help tool run`` of 0.13.9, 2026-11-26."""
_MPI = frozenset(
    "-n -np --np -c -N -npernode --npernode -H -host --host -hostfile --hostfile -machinefile --machinefile -x -wd "
    "--wd -wdir --wdir -map-by --map-by -rank-by --rank-by -bind-to --bind-to -rf --rankfile --output-filename -prefix "
    "--prefix -tune --tune --timeout --default-hostfile -f -hosts --hosts -ppn".split()
)
"""docs.open-mpi.org, "mpirun(1)", 5.0; with one dash as releases before took them. The last four are of MPICH's Hydra
(mpich.org, "Using the Hydra Process Manager")."""
WRAPPERS: Mapping[str, frozenset[str]] = {
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
    "systemd-run": frozenset(
        "-p --property -u --unit -M -E --setenv --slice --description --working-directory --uid --gid".split()
    ),
    "systemd-inhibit": frozenset(),
    "timeout": frozenset({"-s", "--signal", "-k", "--kill-after"}),
    "prime-run": frozenset(),
    "mpirun": _MPI,
    "mpiexec": _MPI,
    "trtllm-llmapi-launch": frozenset(),
    "srun": frozenset(
        "-A -c -C -D -e -G -J -N -n -o -p -q -t -w -x --account --chdir --constraint --container-image "
        "--container-mounts --container-name --cpu-bind --cpus-per-gpu --cpus-per-task --error --exclude --export "
        "--gpu-bind --gpus --gpus-per-node --gpus-per-task --gres --job-name --jobid --mem --mem-per-cpu --mem-per-gpu "
        "--mpi --nodelist --nodes --ntasks --ntasks-per-gpu --ntasks-per-node --output --partition --qos --time".split()
    ),
    "xargs": frozenset({"-I", "-n", "-P", "-L", "-d", "-s", "-E", "--max-args", "--max-procs", "--delimiter"}),
    "screen": frozenset("-S -dmS -c -L -Logfile".split()),
    "gamemoderun": frozenset(),
    "caffeinate": frozenset({"-t", "-w"}),
    "uv": _UV,
    "uvx": _UV,
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
    "direnv": frozenset(),
    "doppler": frozenset("-p --project -c --config -t --token --scope --config-dir --mount --only-secrets".split()),
    "infisical": frozenset("--env --path --projectId --token --tags --domain".split()),
    "op": frozenset("--env-file --account --environment".split()),
    "aws-vault": frozenset({"-d", "--duration", "--region"}),
    "dotenv": frozenset({"-f", "--file", "-e"}),
    "chroot": frozenset(),
    "flock": frozenset("-w --wait --timeout -E --conflict-exit-code".split()),
    "unshare": frozenset(),
    "nsenter": frozenset({"-t", "--target"}),
    "setpriv": frozenset("--reuid --regid --groups --inh-caps --ambient-caps --bounding-set".split()),
    "chpst": frozenset("-u -U -b -e -d -o -p -f -c -r -t -m -/ -n -l -L".split()),
}
"""Programs that start another: their options that take a word of their own, by each one's manual page or --help."""
PAIRED = {
    "mpirun": frozenset({"-mca", "--mca", "-gmca", "--gmca"}),
    "mpiexec": frozenset({"-mca", "--mca", "-gmca", "--gmca", "-env", "-genv"}),
}
"""Options that take two words of their own."""
PLACING = {
    "env": ("-C", "--chdir"),
    "sudo": ("-D", "--chdir"),
    "systemd-run": ("--working-directory",),
    "srun": ("-D", "--chdir"),
    "mpirun": ("-wd", "--wd", "-wdir", "--wdir"),
    "mpiexec": ("-wd", "--wd", "-wdir", "--wdir"),
    "uv": ("--directory",),
    "uvx": ("--directory",),
    "conda": ("--cwd",),
    "mamba": ("--cwd",),
    "micromamba": ("--cwd",),
    "wsl": ("--cd",),
    "start": ("/d", "/D"),
}
"""Options that say where the program starts."""
N_OPERANDS = {
    "taskset": 1,
    "chrt": 1,
    "timeout": 1,
    "gosu": 1,
    "su-exec": 1,
    "distrobox": 1,
    "direnv": 1,
    "aws-vault": 1,
    "chroot": 1,
    "flock": 1,
}
"""Words of theirs before the program: a mask, a priority, a duration, an image, a user, a folder."""
SUBCOMMANDS = {
    "uv": ("run", "tool"),
    "pipx": ("run",),
    "poetry": ("run",),
    "conda": ("run",),
    "accelerate": ("launch",),
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
    "direnv": ("exec",),
    "doppler": ("run",),
    "infisical": ("run",),
    "op": ("run",),
    "aws-vault": ("exec",),
    "dotenv": ("run",),
}
_IN_FRONT = frozenset({"tool"})
"""``uv tool run``: what stands before a command of a wrapper, and is none."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind a wrapper's own words."""

    position: int
    """Of the next program, or of an assignment before it."""
    is_sure: bool = True
    """No: the word there may be the value of an option before it that is not known."""


def base_name(word: str) -> str:
    """The program's name: without its folder, in either system's spelling, and without ``.exe``.

    Windows tells no ``LLAMA-SERVER.EXE`` from ``llama-server.exe``: with that ending, a name is in lower case.
    """
    name = re.split(r"[/\\]", word)[-1]
    return name[:-4].lower() if name.lower().endswith(".exe") else name


def _is_split(following: Sequence[str]) -> bool:
    """Whether ``env`` is given a command in one word, among its own options."""
    position = 0
    while position < len(following) and following[position].startswith("-"):
        if following[position] in ("-S", "--split-string"):
            return True
        position += 2 if following[position] in WRAPPERS["env"] else 1
    return False


def has_subcommand(name: str, following: Sequence[str]) -> bool:
    """Whether it starts another at all: ``uv pip install`` does not."""
    if name in ("eval", "cmd"):  # a whole command in one word is a shell's, below
        return not any(" " in word for word in following[:2])
    if name == "env":
        return not _is_split(following)
    wanted = SUBCOMMANDS.get(name)
    return wanted is None or any(word in wanted for word in following[:8])


def _is_windows_option(name: str, words: Sequence[str], position: int) -> bool:
    """``/c`` of cmd.exe, and what ``start`` takes: switches, and a title whose quotes are gone."""
    if name not in ("start", "cmd"):
        return False
    word = words[position]
    is_title = name == "start" and base_name(words[position - 1]) == "start" and (" " in word or not word)
    return word.startswith("/") or is_title


def behind_wrapper(name: str, words: Sequence[str], position: int) -> Behind:
    """Behind the words from ``position`` on that are its own."""
    is_sure = True
    valued = WRAPPERS[name]
    operands = N_OPERANDS.get(name, 0)
    subcommands = set(SUBCOMMANDS.get(name, ()))
    while position < len(words):
        word = words[position]
        if word in ("--", "--args"):
            return Behind(position + 1)
        if word.startswith("-") or _is_windows_option(name, words, position):
            is_paired = word in PAIRED.get(name, ())
            is_sure = word in valued or is_paired or not word.startswith("--") or "=" in word
            position += 3 if is_paired else 2 if word in valued else 1
        elif word in subcommands:
            if word not in _IN_FRONT:
                subcommands.clear()
            is_sure = True
            position += 1
        elif operands:
            is_sure = True
            operands -= 1
            position += 1
            if name == "taskset" and words[position - 2] in ("-c", "--cpu-list"):
                operands = 0
        else:
            return Behind(position, is_sure)
    return Behind(position)


def folder_of(name: str, words: Sequence[str]) -> str:
    """Where the program starts by the wrapper's own words; empty where they do not say."""
    flags = PLACING.get(name, ())
    for number, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag in flags:
            return value if equals else "".join(words[number + 1 : number + 2])
    return ""
