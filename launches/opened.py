"""What stands around a program, taken off layer by layer: containers, shells, wrappers that nobody knows."""

from collections.abc import Iterator, Mapping
from dataclasses import field, replace

from launches.command import RUNTIMES, Command, Further, Program, program_of, shortened
from launches.elsewhere import runs_elsewhere
from launches.errors import LoadsElsewhere, UnknownProgram
from launches.further import further_of, quoted_of
from launches.limits import least_of
from launches.shell import commanded, known_in, script_index
from records.record import record

_MOST_COVERS = 8
"""Containers and shells around a program (ASSUMED; two are usual)."""


@record(frozen=True, slots=True, kw_only=True)
class Cover:
    """What those around a program let it have, and what of them is not understood."""

    ram_bytes: int | None = None
    swap_bytes: int | None = None
    unknown: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    is_guess: bool = False
    container: Program | None = None
    """What the innermost container starts."""

    def around(self, program: Program) -> "Cover":
        """With what stands around a script that this program is given."""
        return replace(
            self,
            ram_bytes=least_of(self.ram_bytes, program.ram_bytes),
            swap_bytes=least_of(self.swap_bytes, program.swap_bytes),
            unknown=(*self.unknown, *program.unknown),
            doubts=(*self.doubts, *program.doubts),
        )

    def over(self, program: Program) -> Program:
        """The program as it is within."""
        if self.container is not None:
            program = replace(program, image=self.container.image, given_devices=self.container.given_devices)
        return replace(
            program,
            ram_bytes=least_of(self.ram_bytes, program.ram_bytes),
            swap_bytes=least_of(self.swap_bytes, program.swap_bytes),
            unknown=(*self.unknown, *program.unknown),
            doubts=(*self.doubts, *program.doubts),
            is_guess=self.is_guess,
        )


@record(frozen=True, slots=True, kw_only=True)
class Layer:
    """A command without some of what is around it."""

    command: Command
    """As it is inside; of a shell, as the shell finds it."""
    program: Program
    """The shell, where there is a script; else the program itself."""
    cover: Cover
    script: str | None = None
    """That a shell is given in a word; what it finds set is in ``known``."""
    known: Mapping[str, str] = field(default_factory=dict)
    index: int = 0
    """Which of the command's words the script is."""
    further: tuple[Further, ...] = ()
    """Other services of the same compose file."""


@record(frozen=True, slots=True, kw_only=True)
class Opened:
    """A command without the containers and shells around it."""

    command: Command
    """As it is inside."""
    program: Program
    scripts: tuple[int, ...] = ()
    """Where it stood in one word of a shell, ``bash -c "vllm serve ..."``: which of the command's words that is, and
    which of the words in there the next one."""


def opened_of(command: Command) -> Opened:
    """The program itself, behind containers and shells too; of a script the command that counts in it.

    Raises:
        UnknownProgram: there is none.
        LoadsElsewhere: it is started on another machine.
        NoLaunch: a container's program starts no container so.
    """
    scripts: tuple[int, ...] = ()
    for layer in layers_of(command):
        if layer.script is not None:
            scripts = (*scripts, layer.index)
    program = layer.cover.over(layer.program)
    return Opened(command=replace(layer.command, directory=program.directory), program=program, scripts=scripts)


def layers_of(command: Command, cover: Cover | None = None) -> Iterator[Layer]:
    """Each script that a shell is given, then the program itself.

    Args:
        command: as it was typed, or stands in a script.
        cover: what is around it; None: nothing.

    Raises:
        UnknownProgram: as ``opened_of``.
        LoadsElsewhere: the same.
        NoLaunch: the same.
    """
    command, cover = shortened(command), cover or Cover()
    program = program_of(command)
    further: tuple[Further, ...] = ()
    for _ in range(_MOST_COVERS):
        if program is None:
            break
        _expect_here(program)
        command = replace(command, directory=program.directory)  # behind ``env -C``
        if program.name in RUNTIMES:
            from launches.container import contained  # noqa: PLC0415  # which few commands need

            # Docker asks a server to start it, which knows of no limit here; Podman starts it itself.
            ram_bytes = least_of(cover.ram_bytes, program.ram_bytes) if program.name == "podman" else None
            command, program = contained(command, program)
            cover = replace(cover, ram_bytes=least_of(ram_bytes, program.ram_bytes), container=program)
            further += program.further
        elif (index := script_index(program.name, program.arguments)) is not None:
            cover, script = cover.around(program), program.arguments[index]
            known = known_in(program.name, program.arguments, program.environment)
            inside = replace(command, environment=program.environment, directory=program.directory)
            yield Layer(
                command=inside,
                program=program,
                cover=cover,
                script=script,
                known=known,
                index=program.offset + index,
                further=further,
            )
            told = commanded(script, known)
            command = shortened(replace(inside, arguments=told.arguments, files=(*command.files, *told.files)))
            program, further = program_of(command), ()
        elif (behind := further_of(command, program)) is not None:
            cover = replace(cover, is_guess=cover.is_guess or behind.is_guess)
            program = behind
        elif (quoted := quoted_of(command, program)) is not None:
            cover = replace(cover.around(program), is_guess=True)
            cover = replace(cover, unknown=(*cover.unknown, program.name))
            index, inside = quoted
            yield Layer(command=command, program=program, cover=cover, script="", index=index, further=further)
            command, program, further = inside, program_of(inside), ()
        else:
            break
    if program is None:
        raise UnknownProgram("there is no program in this command")
    yield Layer(command=command, program=program, cover=cover, further=further)


def _expect_here(program: Program) -> None:
    """Raises: LoadsElsewhere where it starts another on another machine, or is started there."""
    if program.elsewhere or runs_elsewhere(program.name, program.arguments, program.environment):
        name = program.elsewhere or program.name
        raise LoadsElsewhere(f"what {name} starts runs on another machine, or may, and is not judged here")
