"""Where programs keep their models on this machine, by their own rules; nothing is said of whether it is there.

Each rule with its source, as of 2026-11:

- Ollama: `ModelsDir` of envconfig/config.go; the service's own user is created by its install script.
- Hugging Face, and with it vLLM, SGLang, Transformers and mlx-lm (`scan_cache_dir` in mlx_lm/manage.py 0.32):
  huggingface_hub 2.4, constants.py, `HF_HUB_CACHE`.
- llama.cpp: `fs_get_cache_directory` of common/common.cpp; newer builds put what ``-hf`` fetches into Hugging Face's
  cache, or into LLAMA_CACHE in the same layout (`get_cache_directory` of common/hf-cache.cpp).
- LM Studio: its home is named in ``~/.lmstudio-home-pointer``, else it is ``~/.lmstudio`` or ``~/.cache/lm-studio``;
  its ``settings.json`` has ``downloadsFolder`` where somebody chose another one (LM Studio 0.4).
- ModelScope: `MODELSCOPE_CACHE` of modelscope_hub 0.5, constants.py; layouts in `_find_legacy_repo_dir`.
- Jan: `resolve_jan_data_folder` of src-tauri/src/core/app/commands.rs, and the folders of its two engines below.
- GPT4All: `defaultLocalModelsPath` of gpt4all-chat/src/mysettings.cpp (Qt's AppLocalDataLocation), and the cache of its
  Python package.
- text-generation-webui: ``--model-dir`` of modules/shared.py, ``user_data/models``, earlier ``models``.
- ComfyUI: folder_paths.py below its own folder; where that is, nobody writes down: `DEFAULT_COMFY_WORKSPACE` of
  comfy_cli 1.23, what its manual tells people to clone, and the configuration of its desktop app.
"""

import json
import ntpath
import os
import posixpath
import sys
from collections.abc import Callable, Iterable, Mapping

from estimator.comfy_paths import extra_paths
from estimator.found_model import ADAPTER, MODEL, PART
from records.record import record

OLLAMA, HUGGING_FACE, LM_STUDIO, LLAMA_CPP = "Ollama", "Hugging Face", "LM Studio", "llama.cpp"
MODEL_SCOPE, JAN, GPT4ALL, TEXT_GENERATION = "ModelScope", "Jan", "GPT4All", "text-generation-webui"
COMFY_UI, FOLDER = "ComfyUI", "folder"
SOURCES = (
    OLLAMA, HUGGING_FACE, LM_STUDIO, LLAMA_CPP, MODEL_SCOPE, JAN, GPT4ALL, TEXT_GENERATION, COMFY_UI, FOLDER,
)  # fmt: skip
"""In the order in which they name a model that several have."""

_MOST_SETTINGS_BYTES = 1 << 20
_WHOLE = frozenset({"checkpoints", "diffusion_models", "unet", "diffusers", "llm", "llm_gguf"})
"""Folders of ComfyUI with what is a model by itself."""
_ADAPTERS = frozenset({"loras", "lora", "lycoris"})


@record(frozen=True, slots=True, kw_only=True)
class Root:
    """One folder to look through."""

    source: str
    path: str
    role: str = MODEL
    """Of what lies in it, where the folder says so."""
    has_pickles: bool = False
    """Every ``.ckpt``, ``.pt``, ``.pth`` and ``.bin`` in it is a model."""
    is_named: bool = False
    """Somebody asked for it: that it is not there is worth a word."""


def model_roots(
    environment: Mapping[str, str], folders: Iterable[str] = (), platform: str = sys.platform
) -> tuple[Root, ...]:
    """Every place, those of ``folders`` last."""
    places = _Places(environment, platform)
    roots = [
        *places.ollama(),
        *(Root(source=HUGGING_FACE, path=path) for path in places.hub()),
        *(Root(source=LM_STUDIO, path=path) for path in places.studio()),
        *(Root(source=LLAMA_CPP, path=path) for path in places.llama()),
        *(Root(source=MODEL_SCOPE, path=path) for path in places.model_scope()),
        *(Root(source=JAN, path=path) for path in places.jan()),
        *(Root(source=GPT4ALL, path=path) for path in places.gpt4all()),
        *(Root(source=TEXT_GENERATION, path=path) for path in places.text_generation()),
        *places.comfy(),
        *(Root(source=FOLDER, path=places.expanded(path), is_named=True) for path in folders if path),
    ]
    return tuple({root.path: root for root in reversed(roots)}.values())[::-1]


def comfy_role(folder: str) -> str:
    """What lies in a folder of ComfyUI, by the folder's name."""
    folded = folder.casefold()
    return MODEL if folded in _WHOLE else ADAPTER if folded in _ADAPTERS else PART


class _Places:
    """Paths by an environment that need not be this process's."""

    def __init__(self, environment: Mapping[str, str], platform: str) -> None:
        self._environment = environment
        self._is_mac, self._is_windows = platform == "darwin", platform == "win32"
        self._join: Callable[..., str] = ntpath.join if self._is_windows else posixpath.join
        home = environment.get("USERPROFILE" if self._is_windows else "HOME")
        self._home = home or os.path.expanduser("~")

    def expanded(self, path: str) -> str:
        if path == "~" or path.startswith(("~/", "~\\")):
            return self._join(self._home, path[2:])
        return path

    def _at_home(self, *parts: str) -> str:
        return self._join(self._home, *parts)

    def _stated(self, *names: str) -> str | None:
        return next((self.expanded(found) for name in names if (found := self._environment.get(name))), None)

    @property
    def _cache(self) -> str:
        return self._stated("XDG_CACHE_HOME") or self._at_home(".cache")

    @property
    def _data(self) -> str:
        """As Rust's dirs and Electron have it."""
        if self._is_windows:
            return self._stated("APPDATA") or self._at_home("AppData", "Roaming")
        if self._is_mac:
            return self._at_home("Library", "Application Support")
        return self._stated("XDG_DATA_HOME") or self._at_home(".local", "share")

    @property
    def _local_data(self) -> str:
        if self._is_windows:
            return self._stated("LOCALAPPDATA") or self._at_home("AppData", "Local")
        return self._data

    def ollama(self) -> list[Root]:
        stated = self._stated("OLLAMA_MODELS")
        if stated:
            return [Root(source=OLLAMA, path=stated)]
        service = [] if self._is_windows else ["/usr/share/ollama/.ollama/models", "/var/snap/ollama/common/models"]
        return [Root(source=OLLAMA, path=path) for path in (self._at_home(".ollama", "models"), *service)]

    def hub(self) -> list[str]:
        stated = self._stated("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
        home = self._stated("HF_HOME") or self._join(self._cache, "huggingface")
        return [stated or self._join(home, "hub")]

    def studio(self) -> list[str]:
        homes = [self._at_home(".lmstudio"), self._join(self._cache, "lm-studio")]
        pointed = _text_of(self._at_home(".lmstudio-home-pointer")).strip().partition("\n")[0].strip()
        if pointed:
            homes.insert(0, pointed)
        chosen = [_setting(self._join(home, "settings.json"), "downloadsFolder") for home in homes]
        if self._is_windows:
            chosen.append(_setting(self._join(self._data, "LM Studio", "settings.json"), "downloadsFolder"))
        return [*filter(None, chosen), *(self._join(home, "models") for home in homes)]

    def llama(self) -> list[str]:
        stated = self._stated("LLAMA_CACHE")
        if stated:
            return [stated]
        if self._is_mac:
            return [self._at_home("Library", "Caches", "llama.cpp")]
        return [self._join(self._local_data if self._is_windows else self._cache, "llama.cpp")]

    def model_scope(self) -> list[str]:
        root = self._stated("MODELSCOPE_CACHE") or self._at_home(".cache", "modelscope")
        return [self._join(root, "hub", "models"), self._join(root, "models")]

    def jan(self) -> list[str]:
        data = self._join(self._stated("JAN_DATA_ROOT") or self._data, "Jan")
        root = (
            self._stated("JAN_DATA_FOLDER")
            or _setting(self._join(data, "settings.json"), "data_folder")
            or self._join(data, "data")
        )
        return [self._join(root, engine, "models") for engine in ("llamacpp", "mlx")]

    def gpt4all(self) -> list[str]:
        return [self._join(self._local_data, "nomic.ai", "GPT4All"), self._at_home(".cache", "gpt4all")]

    def text_generation(self) -> list[str]:
        homes = ("text-generation-webui", "textgen")
        inner = (("user_data", "models"), ("models",))
        return [self._at_home(home, *parts) for home in homes for parts in inner]

    def comfy(self) -> list[Root]:
        homes = [self._at_home(*parts) for parts in _COMFY_HOMES]
        homes += [] if self._is_windows else ["/workspace/ComfyUI", "/opt/ComfyUI"]
        desktop = self._join(
            self._data
            if self._is_windows or self._is_mac
            else self._stated("XDG_CONFIG_HOME") or self._at_home(".config"),
            "ComfyUI",
            "extra_models_config.yaml",
        )
        roots = [Root(source=COMFY_UI, path=self._join(home, "models"), has_pickles=True) for home in homes]
        for text_path in (*(self._join(home, "extra_model_paths.yaml") for home in homes), desktop):
            for folder, path in extra_paths(_text_of(text_path), text_path, self._environment, self._home):
                roots.append(Root(source=COMFY_UI, path=path, role=comfy_role(folder), has_pickles=True))
        return roots


_COMFY_HOMES = (("ComfyUI",), ("comfy", "ComfyUI"), ("Documents", "ComfyUI"), ("Documents", "comfy", "ComfyUI"))


def _setting(path: str, key: str) -> str | None:
    """One text of a program's JSON settings."""
    try:
        found = json.loads(_text_of(path) or "null")
    except (ValueError, RecursionError):
        return None
    value = found.get(key) if isinstance(found, dict) else None
    return value if isinstance(value, str) and os.path.isabs(value) else None


def _text_of(path: str) -> str:
    """A small file's text; nothing where there is none that can be read."""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _MOST_SETTINGS_BYTES:
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_SETTINGS_BYTES)
    except (OSError, ValueError):
        return ""
