"""What can be typed behind ``plimsoll models``."""

import argparse

from tui.parser import Parser


def models_parser() -> argparse.ArgumentParser:
    parser = Parser(
        "plimsoll models",
        usage="plimsoll models [FOLDER ...] [options]",
        description="Lists the models on this machine: Ollama's store, Hugging Face's cache, LM Studio, llama.cpp, "
        "ModelScope, Jan, GPT4All, text-generation-webui, ComfyUI, the folders of the setting model_folders and those "
        "given here. Each once, whatever links and blobs several names share, with what is broken or not all there.",
        epilog="exit status: 0; 1 with --strict where one is broken or unfinished; 2 wrong use; 3 where the output "
        "could not be written.",
    )
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="to look through as well")
    parser.add_argument("--json", dest="is_json", action="store_true", help="JSON of schema 1, bytes as whole numbers")
    parser.add_argument(
        "--all",
        dest="is_all",
        action="store_true",
        help="image parts (mmproj), adapters (LoRA), VAEs and the like, too",
    )
    parser.add_argument(
        "--quick", dest="is_quick", action="store_true", help="read no file that is not known from the last time"
    )
    parser.add_argument(
        "--strict", dest="is_strict", action="store_true", help="exit status 1 where one is broken or unfinished"
    )
    parser.add_argument("--names", dest="is_names", action="store_true", help=argparse.SUPPRESS)
    return parser
