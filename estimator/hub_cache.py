"""Models that were downloaded before: Hugging Face's cache, and LM Studio's folder.

Layouts of huggingface_hub 1.0 (file_download.py, `repo_folder_name`; constants.py) and LM Studio 0.3.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence

from estimator.errors import UnreadableModel
from estimator.file_cursor import regular_file_bytes

MAX_NAMES = 2000
_ID = re.compile(r"(?:(?P<owner>[\w][\w.-]{0,95})/)?(?P<name>[\w][\w.-]{0,95})", re.ASCII)
_FOLDER = re.compile(r"models--(?:(?P<owner>[\w.-]+?)--)?(?P<name>[\w.-]+)", re.ASCII)
_REVISION = re.compile(r"[0-9a-zA-Z._-]{1,64}")


def cache_roots(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Where the cache is, if there is one: as huggingface_hub looks for it."""
    stated = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE")
    home = environment.get("HF_HOME") or os.path.join(environment.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    root = os.path.expanduser(stated or os.path.join(home, "hub"))
    return (root,) if os.path.isdir(root) else ()


def studio_roots(_: Mapping[str, str]) -> tuple[str, ...]:
    """Where LM Studio keeps its models, if it is there."""
    places = map(os.path.expanduser, ("~/.lmstudio/models", "~/.cache/lm-studio/models"))
    return tuple(place for place in places if os.path.isdir(place))


def find_in_cache(text: str, roots: Sequence[str]) -> str | None:
    """The directory of the downloaded revision of ``owner/name``, or of ``name`` where only one owner has it."""
    wanted = _ID.fullmatch(text)
    if wanted is None or ".." in text:
        return None
    for root in roots:
        alike = [
            folder
            for folder, owner, name in _folders(root)
            if name.casefold() == wanted["name"].casefold()
            and (wanted["owner"] is None or owner.casefold() == wanted["owner"].casefold())
        ]
        if len(alike) == 1:
            return _snapshot(os.path.join(root, alike[0]))
    return None


def names_in_cache(roots: Sequence[str]) -> Iterator[str]:
    """Every ``owner/name`` that has files."""
    for root in roots:
        for folder, owner, name in _folders(root):
            if _snapshot(os.path.join(root, folder)) is not None:
                yield f"{owner}/{name}" if owner else name


def find_in_studio(text: str, roots: Sequence[str]) -> str | None:
    """The directory of ``publisher/model``."""
    wanted = _ID.fullmatch(text)
    if wanted is None or wanted["owner"] is None or ".." in text:
        return None
    for root in roots:
        path = os.path.join(root, wanted["owner"], wanted["name"])
        if os.path.isdir(path):
            return path
    return None


def _folders(root: str) -> Iterator[tuple[str, str, str]]:
    """(folder, owner or nothing, name)."""
    for folder in _listed(root):
        found = _FOLDER.fullmatch(folder)
        if found is not None:
            yield folder, found["owner"] or "", found["name"]


def repository_name(folder: str) -> str | None:
    """``owner/name``, or ``name``, of a folder ``models--owner--name``; None of any other."""
    found = _FOLDER.fullmatch(folder)
    if found is None:
        return None
    return f"{found['owner']}/{found['name']}" if found["owner"] else found["name"]


def revision_of_main(folder: str) -> str | None:
    """What ``main`` of a repository's folder points to; whether that is there is not looked at."""
    path = os.path.join(folder, "refs", "main")
    try:
        regular_file_bytes(path, path)
        with open(path, encoding="ascii") as file:
            revision = file.read(65).strip()
    except (OSError, ValueError, UnreadableModel):
        return None
    return revision if _REVISION.fullmatch(revision) and ".." not in revision else None


def _snapshot(folder: str) -> str | None:
    """The revision that ``main`` points to, or the only one there is."""
    snapshots = os.path.join(folder, "snapshots")
    revision = revision_of_main(folder)
    if revision is not None:
        path = os.path.join(snapshots, revision)
        if os.path.isdir(path):
            return path
    others = _listed(snapshots)
    return os.path.join(snapshots, others[0]) if len(others) == 1 else None


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))[:MAX_NAMES]
    except OSError:  # one that others may not read
        return []
