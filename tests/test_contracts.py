"""What every vendor, engine and reader has to keep, found by walking the folders: a new file is tested at once."""

import ast
import dataclasses
import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from measured import measured_model

import estimator.engines
import estimator.readers
import probes.vendors
from estimator.engine import ENGINES, Engine, load_engine
from estimator.errors import EstimatorError
from estimator.ledger import Kind, Place, Workload
from estimator.reader import READERS
from probes.errors import ProbeUnavailable
from probes.probe import real_sources
from probes.snapshot import Reading

GIB = 1 << 30


def modules_of(package: ModuleType) -> list[ModuleType]:
    return [import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)]


VENDORS = modules_of(probes.vendors)
ENGINE_MODULES = modules_of(estimator.engines)
READER_MODULES = modules_of(estimator.readers)


def short(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


@pytest.mark.parametrize("vendor", VENDORS, ids=short)
def test_a_vendor_opens_or_says_why_not(vendor: ModuleType) -> None:
    message = ""
    try:
        probe = vendor.open_probe()
    except ProbeUnavailable as reason:
        message = str(reason)
    else:
        reading = probe.sample()
        probe.close()
        assert isinstance(reading, Reading)
        return
    assert len(message.split()) >= 3, "a reason is a sentence"


@pytest.mark.parametrize("vendor", VENDORS, ids=short)
def test_a_vendor_is_among_the_sources_of_this_machine(vendor: ModuleType) -> None:
    assert short(vendor) in {source.name for source in real_sources(tell_command=" ".join)}


@pytest.mark.parametrize("engine", ENGINE_MODULES, ids=short)
def test_an_engine_is_offered_and_found_in_its_usual_spelling(engine: ModuleType) -> None:
    assert short(engine) in ENGINES
    assert load_engine(engine.NAME) is engine


@pytest.mark.parametrize("engine", ENGINE_MODULES, ids=short)
def test_an_engine_declares_its_options_with_flag_and_help(engine: ModuleType) -> None:
    assert dataclasses.is_dataclass(engine.Options)
    for option in dataclasses.fields(engine.Options):
        assert option.metadata["help"], option.name
        assert option.metadata["flag"] == "" or option.metadata["flag"].startswith("--"), option.name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(engine.Options(), dataclasses.fields(engine.Options)[0].name, None)


@pytest.mark.parametrize("engine", ENGINE_MODULES, ids=short)
def test_an_engine_has_all_of_its_face(engine: ModuleType) -> None:
    """A module is no class that mypy could check against the protocol."""
    face = {*Engine.__annotations__, *(name for name in vars(Engine) if not name.startswith("_"))}
    assert {name for name in face if not hasattr(engine, name)} == set()


@pytest.mark.parametrize("engine", ENGINE_MODULES, ids=short)
def test_an_engine_puts_every_term_into_a_place_it_was_given(engine: ModuleType) -> None:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    places = [
        Place(name="GPU 0", kind="cuda", total_bytes=24 * GIB, free_bytes=24 * GIB),
        Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=64 * GIB),
    ]
    made = engine.estimate(model, Workload(context_tokens=8192), engine.Options(), places)
    assert {term.place for term in made.terms} <= {place.name for place in places}
    assert made.n_bytes(kind=Kind.WEIGHTS) > 4 * GIB
    assert all(term.low_bytes <= term.n_bytes <= term.high_bytes for term in made.terms)
    assert all(term.source for term in made.terms)


@pytest.mark.parametrize("reader", READER_MODULES, ids=short)
def test_a_reader_is_asked(reader: ModuleType) -> None:
    assert short(reader) in READERS


@pytest.mark.parametrize("source", ["", " ", "\0", "a" * 100_000, "../..", "/", "\udcff", "-", "[red]", "nul\n"])
@pytest.mark.parametrize("reader", READER_MODULES, ids=short)
def test_a_reader_never_raises_anything_of_its_own(reader: ModuleType, source: str) -> None:
    message = "recognised, or not"
    try:
        if reader.recognises(source):
            reader.read(source)
    except EstimatorError as error:
        message = str(error)
    assert message


ROOT = Path(__file__).parent.parent
SOURCES = [
    path
    for room in ("tui", "probes", "estimator", "launches", "records")
    for path in sorted((ROOT / room).rglob("*.py"))
]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_every_module_says_what_it_is() -> None:
    silent = [path for path in SOURCES if not ast.get_docstring(parsed(path))]
    assert silent == []


def test_every_file_is_named_for_the_noun_it_holds() -> None:
    assert {path.stem for path in SOURCES}.isdisjoint(
        {"types", "utils", "common", "helpers", "base", "core", "manager"}
    )


BROAD = {"Exception", "BaseException"}


def is_broad(node: ast.AST) -> bool:
    """Whether it catches everything: ``except:``, ``except Exception``, one in a tuple, ``suppress(Exception)``."""
    if isinstance(node, ast.ExceptHandler):
        caught = [node.type] if node.type is not None else []
        if not caught:
            return True
    elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "suppress":
        caught = list(node.args)
    else:
        return False
    inner = [part for one in caught for part in ast.walk(one)]
    return any(ast.unparse(part).rpartition(".")[2] in BROAD for part in inner if isinstance(part, ast.expr))


def test_one_broad_except_is_enough() -> None:
    found = [path.name for path in SOURCES for node in ast.walk(parsed(path)) if is_broad(node)]
    assert found == ["worker.py"]


@pytest.mark.parametrize(
    "code",
    ["except:", "except Exception:", "except (OSError, BaseException):", "with suppress(Exception):"],
)
def test_a_broad_except_is_found_in_every_spelling(code: str) -> None:
    text = f"{code} pass" if code.startswith("with") else f"try: pass\n{code} pass"
    assert any(is_broad(node) for node in ast.walk(ast.parse(text)))


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, deferred or not, by its full name, and by its text for ``import_module``."""
    found: set[str] = set()
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
            "import_module",
            "__import__",
        ):
            found |= {str(name.value) for name in node.args if isinstance(name, ast.Constant)}
    return found


@pytest.mark.parametrize(("library", "home"), [("pynvml", "nvidia.py"), ("psutil", "host.py")])
def test_a_library_of_a_vendor_is_known_to_its_probe_only(library: str, home: str) -> None:
    known = [path for path in SOURCES if any(name.partition(".")[0] == library for name in imports_of(path))]
    assert known == [ROOT / "probes" / "vendors" / home]


@pytest.mark.parametrize("folder", ["probes/vendors", "estimator/engines", "estimator/readers"])
def test_neighbours_do_not_import_each_other(folder: str) -> None:
    package = folder.replace("/", ".")
    files = sorted((ROOT / folder).glob("*.py"))
    assert len(files) > 1
    assert {path.name: [n for n in imports_of(path) if n.startswith(f"{package}.")] for path in files} == {
        path.name: [] for path in files
    }
