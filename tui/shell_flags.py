"""What can be typed behind ``plimsoll completions`` and ``plimsoll alias``."""

import argparse

from tui.parser import Parser

SHELLS = ("bash", "zsh", "fish")


def completions_parser() -> argparse.ArgumentParser:
    parser = Parser(
        "plimsoll completions",
        usage="plimsoll completions {bash,zsh,fish}",
        description="Prints a script that completes commands, options and models. bash: add "
        "`source <(plimsoll completions bash)` to ~/.bashrc; zsh: the same with zsh in ~/.zshrc, below compinit; fish: "
        "plimsoll completions fish > ~/.config/fish/completions/plimsoll.fish",
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    return parser


def alias_parser() -> argparse.ArgumentParser:
    parser = Parser(
        "plimsoll alias",
        usage="plimsoll alias [{bash,zsh,fish}] [--all]",
        description="Prints wrappers of the engines on the PATH, so that each launch that is typed is judged first: "
        "llama-server becomes plimsoll run -- llama-server. They hold in interactive shells alone, never in scripts.",
    )
    parser.add_argument(
        "shell", nargs="?", choices=SHELLS, metavar="SHELL", help=f"{', '.join(SHELLS)} (default: as SHELL says)"
    )
    parser.add_argument("--all", dest="is_all", action="store_true", help="of engines that are not on the PATH, too")
    return parser
