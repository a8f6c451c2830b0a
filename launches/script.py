"""What a script for Python asks of Transformers: a ``from_pretrained``, and the ``generate`` behind it.

Only what stands there literally is read, and nothing is run.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass

MOST_CHARACTERS = 1 << 16
MOST_CALLS = 1000


@dataclass(frozen=True, slots=True)
class Script:
    """The one load in it."""

    source: str
    loading: Mapping[str, object]
    """Arguments of ``from_pretrained``; those that are no literals are left out, and named in ``unread``."""
    generating: Mapping[str, object]
    unread: tuple[str, ...] = ()


def script_of(text: str) -> Script | None:
    """None where it loads no model, or is no script that can be read."""
    if len(text) > MOST_CHARACTERS:
        return None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    calls = [node for node in _nodes(tree) if isinstance(node, ast.Call)][:MOST_CALLS]
    names = _literal_names(tree)
    models = _model_names(tree)
    load = next((call for call in calls if _method(call) == "from_pretrained" and _owner(call) in models), None)
    if load is None or not load.args:
        return None
    source = _value(load.args[0], names)
    if not isinstance(source, str):
        return None
    loading, unread = _arguments(load, names)
    generating: dict[str, object] = {}
    for call in calls:
        if _method(call) == "generate":
            found, more = _arguments(call, names)
            generating |= found
            unread += more
    return Script(source, loading, generating, tuple(unread))


def _nodes(tree: ast.AST) -> list[ast.AST]:
    try:
        return list(ast.walk(tree))
    except RecursionError:
        return []


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _owner(call: ast.Call) -> str:
    found = call.func.value if isinstance(call.func, ast.Attribute) else None
    return found.id if isinstance(found, ast.Name) else found.attr if isinstance(found, ast.Attribute) else ""


def _model_names(tree: ast.AST) -> set[str]:
    """Names that a class of models goes by: itself, and as what it is imported."""
    found = set()
    for node in _nodes(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "transformers":
            for each in node.names:
                if each.name.startswith("AutoModel") or each.name.endswith(("ForCausalLM", "ForConditionalGeneration")):
                    found.add(each.asname or each.name)
        elif isinstance(node, ast.Attribute) and node.attr.startswith("AutoModel"):
            found.add(node.attr)
    return found


def _literal_names(tree: ast.AST) -> dict[str, object]:
    """Variables that are given a literal."""
    found: dict[str, object] = {}
    for node in _nodes(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            value = _value(node.value, {})
            if value is not None:
                found[node.targets[0].id] = value
    return found


def _arguments(call: ast.Call, names: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    found: dict[str, object] = {}
    unread = []
    for keyword in call.keywords:
        if keyword.arg is None:
            continue
        value = _value(keyword.value, names)
        if value is None and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is None):
            unread.append(keyword.arg)
        else:
            found[keyword.arg] = value
    return found, unread


def _value(node: ast.AST, names: Mapping[str, object]) -> object:
    """A literal, ``dict(a=1)``, ``torch.bfloat16``, or a name for one; None otherwise."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "torch":
        return node.attr
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else _method(node)
        if not node.args and name in ("dict", "BitsAndBytesConfig"):
            return _arguments(node, names)[0]
        return None
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
