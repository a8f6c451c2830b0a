"""llama-server's ready-made settings: one flag that stands for several (the end of `common_params_parser_init`)."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from launches.words import Given

_FILL_IN = "--ubatch-size 1024 --batch-size 1024 --ctx-size 0 --port 8012"
_CODER = "--hf-repo-draft ggml-org/Qwen2.5-Coder-0.5B-Q8_0-GGUF --hf-file-draft qwen2.5-coder-0.5b-q8_0.gguf"
_GPT_OSS = "--ubatch-size 2048 --batch-size 32768 --parallel 2 --ctx-size 262144 --port 8013"
_VISION = "--ctx-size 0 --port 8014"


def _hub(repository: str, file: str = "") -> str:
    named = f" --hf-file {file}" if file else ""
    return f"--hf-repo ggml-org/{repository}{named}"


def _former(name: str) -> str:
    """A small model for embeddings, which llama.cpp had until 2025 (common/arg.cpp of 2025-05)."""
    return f"{_hub(f'{name}-Q8_0-GGUF', f'{name}-q8_0.gguf')} --ctx-size 512 --embedding 1"


PRESETS: Mapping[str, str] = MappingProxyType(
    {
        "--embd-gemma-default": _hub("embeddinggemma-300M-qat-q4_0-GGUF", "embeddinggemma-300M-qat-Q4_0.gguf")
        + " --ubatch-size 2048 --batch-size 2048 --parallel 32 --ctx-size 65536 --port 8011 --embedding 1",
        "--embd-bge-small-en-default": _former("bge-small-en-v1.5"),
        "--embd-e5-small-en-default": _former("e5-small-v2"),
        "--embd-gte-small-default": _former("gte-small"),
        "--tts-oute-default": "--hf-repo OuteAI/OuteTTS-0.2-500M-GGUF --hf-file OuteTTS-0.2-500M-Q8_0.gguf "
        "--model-vocoder WavTokenizer-Large-75-F16.gguf",
        "--fim-qwen-1.5b-default": f"{_hub('Qwen2.5-Coder-1.5B-Q8_0-GGUF', 'qwen2.5-coder-1.5b-q8_0.gguf')} {_FILL_IN}",
        "--fim-qwen-3b-default": f"{_hub('Qwen2.5-Coder-3B-Q8_0-GGUF', 'qwen2.5-coder-3b-q8_0.gguf')} {_FILL_IN}",
        "--fim-qwen-7b-default": f"{_hub('Qwen2.5-Coder-7B-Q8_0-GGUF', 'qwen2.5-coder-7b-q8_0.gguf')} {_FILL_IN}",
        "--fim-qwen-7b-spec": f"{_hub('Qwen2.5-Coder-7B-Q8_0-GGUF', 'qwen2.5-coder-7b-q8_0.gguf')} {_FILL_IN} {_CODER}",
        "--fim-qwen-14b-spec": f"{_hub('Qwen2.5-Coder-14B-Q8_0-GGUF', 'qwen2.5-coder-14b-q8_0.gguf')} {_FILL_IN} "
        + _CODER,
        "--fim-qwen-30b-default": _hub(
            "Qwen3-Coder-30B-A3B-Instruct-Q8_0-GGUF", "qwen3-coder-30b-a3b-instruct-q8_0.gguf"
        )
        + f" {_FILL_IN}",
        "--gpt-oss-20b-default": f"{_hub('gpt-oss-20b-GGUF', 'gpt-oss-20b-mxfp4.gguf')} {_GPT_OSS}",
        "--gpt-oss-120b-default": f"{_hub('gpt-oss-120b-GGUF')} {_GPT_OSS}",
        "--vision-gemma-4b-default": f"{_hub('gemma-3-4b-it-qat-GGUF')} {_VISION}",
        "--vision-gemma-12b-default": f"{_hub('gemma-3-12b-it-qat-GGUF')} {_VISION}",
    }
)
"""Flag -> the flags it stands for."""


def with_preset(given: Given) -> Given:
    """What a preset sets, in its own place: flags that stand behind it in the command override it, others don't."""
    for flag, text in PRESETS.items():
        at = [span.first for span in given.spans if span.flag == flag]
        if not at:
            continue
        words = text.split()
        later = {span.flag for span in given.spans if span.first > at[-1]}
        told = {name: ((value,),) for name, value in zip(words[::2], words[1::2], strict=True) if name not in later}
        given = replace(given, values={**given.values, **told})
    return given
