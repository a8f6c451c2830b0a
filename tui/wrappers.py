"""``plimsoll alias``: wrappers of engines, for a shell's start-up file."""

from collections.abc import Iterator, Sequence

WRAPPED = (
    "llama-server", "llama-cli", "llama-bench", "ollama", "vllm", "koboldcpp", "llamafile", "mlx_lm.server",
    "mlx_lm.generate", "text-generation-launcher", "trtllm-serve", "transformers",
)  # fmt: skip
"""Programs that a person types and that load a model; what of them loads nothing is started as it is."""
_HOW = {
    "bash": ("~/.bashrc", "source <(plimsoll alias bash)"),
    "zsh": ("~/.zshrc", "source <(plimsoll alias zsh)"),
    "fish": ("~/.config/fish/config.fish", "plimsoll alias fish | source"),
}


def wrapper_lines(shell: str, names: Sequence[str]) -> Iterator[str]:
    """The script, with how to add it and how to go past it said in comments.

    An alias or a function is this shell's own: ``plimsoll run`` looks its program up on the PATH: the real one.
    """
    file, line = _HOW[shell]
    first = names[0] if names else WRAPPED[0]
    past = f"command {first}" if shell == "fish" else f"\\{first}, or command {first}"
    yield f"# Each launch is judged before it starts. To keep these, add to {file}: {line}"
    yield f"# Without being judged, once: {past}"
    for name in names:
        if shell == "fish":
            yield f"function {name} --wraps {name} --description 'judged by plimsoll first'"
            yield f"    command plimsoll run -- {name} $argv"
            yield "end"
        else:
            yield f"alias {name}='plimsoll run -- {name}'"
    if not names:
        yield "# none of these engines is on the PATH; --all prints all wrappers"
