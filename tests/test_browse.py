"""The list of models, filtered and sorted; and what of it lies on this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from scenes import desktop, stale_driver
from shelves import OllamaStore
from test_app import app_on, show, text_of
from textual.pilot import Pilot

from estimator.errors import EstimatorError
from estimator.found_model import Facts as FileFacts
from estimator.found_model import FoundModel
from estimator.inventory import Inventory
from estimator.ledger import Place
from estimator.llama_options import Options
from estimator.readers.catalogue import entries, read
from probes.snapshot import Snapshot
from tui.app import PlimsollApp
from tui.appraisal import Appraisal, plan_like
from tui.browse import Facts, Item, facts_of, items
from tui.messages import PlanChanged
from tui.model_choice import Choice, chosen, sorted_by, stepped
from tui.plan import default_plan
from tui.screens.palette import commands_of
from tui.screens.picker import Picker
from tui.widgets.model_rows import ModelTable


def here(name: str, key: str | None = None, **settings: object) -> FoundModel:
    """A model that lies on this machine."""
    told: dict[str, object] = {"sources": ("folder",), "format": "gguf", "files": (), "path": key or name} | settings
    return FoundModel(names=(name,), key=key or name, **told)  # type: ignore[arg-type]


ALL = items(
    entries(), (here("llama3.1:8b"), here("someone/odd-model"), here("mine-Q4_K_M", "/models/mine-Q4_K_M.gguf"))
)
GIB = 1 << 30


def names(choice: Choice, facts: dict[str, Facts] | None = None, text: str = "") -> list[str]:
    return [item.name for item in chosen(ALL, facts or {}, choice, text, lambda _: set())]


def key_of(name: str) -> str:
    return next(item.key for item in ALL if item.name == name)


def test_what_lies_here_is_listed_and_marked_where_the_catalogue_knows_it() -> None:
    here = [item.name for item in ALL if item.is_here]

    assert "Llama 3.1 8B" in here
    assert here[-3:] == ["llama3.1:8b", "someone/odd-model", "mine-Q4_K_M"]
    assert names(Choice(is_here_only=True)) == sorted(here, key=here.index) or set(
        names(Choice(is_here_only=True))
    ) == set(here)


def test_kinds_and_licences_are_told_apart() -> None:
    for choice, holds in (
        (Choice(kind="code"), lambda item: item.entry.kind == "code"),
        (Choice(licence="mit"), lambda item: item.entry.licence == "mit"),
        (Choice(licence="open"), lambda item: item.entry.licence in ("mit", "apache-2.0")),
        (Choice(licence="other"), lambda item: item.entry.licence not in ("mit", "apache-2.0")),
        (Choice(least_context_tokens=131072), lambda item: item.entry.native_context_tokens >= 131072),
    ):
        wanted = {item.name for item in ALL if item.entry is not None and holds(item)}
        assert set(names(choice)) == wanted
        assert wanted


def test_only_what_fits_now_is_left() -> None:
    facts = {key_of("Llama 3.1 8B"): Facts(level=0), key_of("Qwen3 14B"): Facts(level=1)}
    facts[key_of("Llama 3.3 70B")] = Facts(level=2)

    assert sorted(names(Choice(is_fitting_only=True), facts)) == ["Llama 3.1 8B", "Qwen3 14B"]


def test_what_fitted_is_listed_until_it_is_judged_again() -> None:
    facts = {key_of("Llama 3.1 8B"): Facts(level=0).outdated(), key_of("Llama 3.3 70B"): Facts(level=2).outdated()}
    assert names(Choice(is_fitting_only=True), facts) == ["Llama 3.1 8B"]

    facts[key_of("Llama 3.1 8B")] = replace(facts[key_of("Llama 3.1 8B")], level=3)
    assert names(Choice(is_fitting_only=True), facts) == []


def test_memory_that_moves_twice_does_not_make_a_verdict_forgotten() -> None:
    twice = Facts(level=1, tokens_per_second=9.0).outdated().outdated()

    assert (twice.level, twice.listed_level, twice.tokens_per_second) == (None, 1, None)


def test_by_speed_models_stand_still_while_they_are_judged_again() -> None:
    fast, slow = key_of("Qwen3 30B-A3B"), key_of("Llama 3.1 8B")
    facts = {
        slow: Facts(level=0, quant="Q4_K_M", tokens_per_second=120.0).outdated(),
        fast: Facts(level=0, quant="Q4_K_M", tokens_per_second=180.0).outdated().outdated(),
    }
    assert names(Choice(sort="speed"), facts)[:2] == ["Qwen3 30B-A3B", "Llama 3.1 8B"]

    facts[fast] = replace(facts[fast], level=2, tokens_per_second=9.0)
    assert names(Choice(sort="speed"), facts)[:2] == ["Llama 3.1 8B", "Qwen3 30B-A3B"]


def test_the_last_speed_counts_no_more_where_it_is_found_that_there_is_none() -> None:
    before = Facts(level=0, quant="Q4_K_M", tokens_per_second=120.0).outdated()

    assert replace(before, level=3).listed_tokens_per_second is None


def test_a_survey_of_all_models_does_not_make_their_last_speeds_forgotten() -> None:
    appraisal, key = Appraisal(), key_of("Llama 3.1 8B")
    appraisal.facts = {key: Facts(level=0, quant="Q4_K_M", tokens_per_second=120.0).outdated()}

    places = [
        Place(name=name, kind=kind, total_bytes=24 * GIB, free_bytes=20 * GIB)
        for name, kind in (("GPU 0", "cuda"), ("RAM", "host"))
    ]
    found = appraisal.work([], places, None, int)

    known = found()[key]
    assert (known.level, known.tokens_per_second, known.listed_tokens_per_second) == (0, None, 120.0)


def test_files_that_are_read_do_not_make_the_last_verdict_and_speed_forgotten() -> None:
    appraisal, item = Appraisal(), Item(key="/x/a.gguf", name="a", is_here=True, found=here("a"))
    appraisal.facts = {item.key: Facts(level=1, quant="Q4_K_M", tokens_per_second=120.0).outdated()}

    appraisal.see_files([item])

    assert (appraisal.of(item).listed_level, appraisal.of(item).listed_tokens_per_second) == (1, 120.0)


def test_the_largest_that_fits_comes_first_by_fit_and_what_does_not_fit_last() -> None:
    facts = {
        key_of("Llama 3.1 8B"): Facts(level=0, file_bytes=5 * GIB),
        key_of("Qwen3 14B"): Facts(level=0, file_bytes=9 * GIB),
        key_of("Llama 3.3 70B"): Facts(level=2, file_bytes=40 * GIB),
    }

    assert names(Choice(sort="fit"), facts)[:3] == ["Qwen3 14B", "Llama 3.1 8B", "Llama 3.3 70B"]


def test_the_fastest_comes_first_by_speed_and_what_is_not_known_last() -> None:
    facts = {
        key_of("Llama 3.1 8B"): Facts(tokens_per_second=120.0),
        key_of("Qwen3 30B-A3B"): Facts(tokens_per_second=180.0),
    }

    assert names(Choice(sort="speed"), facts)[:2] == ["Qwen3 30B-A3B", "Llama 3.1 8B"]


def test_the_newest_comes_first_by_release() -> None:
    released = {item.name: item.entry.released for item in ALL if item.entry is not None}
    listed = [released[name] for name in names(Choice(sort="release")) if name in released]

    assert listed == sorted(listed, reverse=True)


def test_a_file_that_only_lies_here_is_found_by_part_of_its_name() -> None:
    assert names(Choice(), text="mine-q4") == ["mine-Q4_K_M"]


def test_each_filter_goes_round() -> None:
    choice = Choice()
    for name in ("sort", "is_fitting_only", "kind", "licence", "is_here_only", "least_context_tokens"):
        seen = {choice}
        following = stepped(choice, name)
        while following not in seen:
            seen.add(following)
            following = stepped(following, name)
        assert following == choice


def test_what_is_set_is_said() -> None:
    choice = Choice(sort="fit", is_fitting_only=True, kind="code", least_context_tokens=131072)

    assert choice.said() == "by fit · fits now · code · context from 128k"


def test_parts_that_lie_here_are_no_models() -> None:
    parts = [here("mmproj", role="projector"), here("lora", role="adapter"), here("vae", role="part")]

    assert items((), parts) == ()


def test_a_broken_file_does_not_make_the_catalogues_model_one_that_is_here() -> None:
    found = items(entries(), (here("llama3.1:8b", trouble="truncated"),))

    assert [item.name for item in found if item.is_here] == ["llama3.1:8b"]


def test_what_lies_here_is_told_before_it_is_judged() -> None:
    told = facts_of(here("it", facts=FileFacts(quant="Q8_0", n_parameters=5, context_tokens=4096)))

    assert (told.quant, told.n_parameters, told.context_tokens, told.reason) == ("Q8_0", 5, 4096, "")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"trouble": "truncated: x"}, "truncated: x"),
        ({"facts": FileFacts(note="not a language model")}, "not a language model"),
        ({"format": "diffusers"}, "diffusers files are not judged"),
    ],
)
def test_why_what_lies_here_is_not_judged_is_said(settings: dict[str, object], reason: str) -> None:
    assert facts_of(here("it", **settings)).reason == reason


SMALL, LARGE = "mine-Q4_K_M", "someone/odd-model"


@pytest.mark.parametrize(("sort", "first"), [("size", SMALL), ("speed", LARGE), ("params", SMALL), ("context", LARGE)])
def test_what_is_not_known_comes_last_whichever_way_it_is_sorted(sort: str, first: str) -> None:
    facts = {
        "/models/mine-Q4_K_M.gguf": Facts(file_bytes=2, tokens_per_second=2.0, n_parameters=2, context_tokens=2),
        "someone/odd-model": Facts(file_bytes=3, tokens_per_second=3.0, n_parameters=3, context_tokens=3),
    }
    choice = sorted_by(Choice(), sort)
    listed = [
        [item.name for item in chosen(ALL[-3:], facts, each, "", lambda _: set())]
        for each in (choice, sorted_by(choice, sort))
    ]

    second = LARGE if first == SMALL else SMALL
    assert listed == [[first, second, "llama3.1:8b"], [second, first, "llama3.1:8b"]]


def test_the_oldest_comes_first_where_releases_are_turned_round_and_what_has_none_last() -> None:
    released = {item.name: item.entry.released for item in ALL if item.entry is not None}
    listed = names(sorted_by(sorted_by(Choice(), "release"), "release"))
    days = [released[name] for name in listed[:-3]]

    assert days == sorted(days)
    assert listed[-3:] == sorted(("llama3.1:8b", LARGE, SMALL))


def test_an_order_is_turned_round_by_asking_for_it_again_where_it_has_another_way() -> None:
    by_size, by_fit = sorted_by(Choice(), "size"), sorted_by(Choice(), "fit")

    assert [sorted_by(by_size, "size").is_reversed, sorted_by(by_fit, "fit").is_reversed] == [True, False]
    assert sorted_by(sorted_by(by_size, "size"), "size") == by_size
    assert sorted_by(sorted_by(by_size, "size"), "speed") == Choice(sort="speed")
    assert stepped(sorted_by(by_size, "size"), "sort") == Choice(sort="speed")
    assert sorted_by(by_size, "size").said() == "by size · largest first"


@pytest.mark.parametrize("width", [61, 80, 100, 140, 200])
def test_each_title_sorts_by_its_own_column_or_by_nothing(width: int) -> None:
    table = ModelTable(width, Choice(), {})
    sorts = {
        "model": "name", "params": "params", "quant": "", "size": "size", "context": "context", "tok/s": "speed",
        "verdict": "fit", "released": "release", "kind": "", "licence": "",
    }  # fmt: skip
    titles = [title for title in sorts if title in table.head]
    ends = [(table.head.index(title), table.head.index(title) + len(title) - 1) for title in titles]

    assert [[table.sort_at(x) for x in end] for end in ends] == [[sorts[title]] * 2 for title in titles]
    assert len(titles) >= 4


@pytest.mark.parametrize("width", [61, 80, 100, 140, 200])
def test_the_column_that_is_sorted_by_is_marked_and_none_moves(width: int) -> None:
    plain = ModelTable(width, Choice(), {}).head
    for sort, title in (("name", "model"), ("size", "size"), ("fit", "verdict"), ("params", "params")):
        head = ModelTable(width, Choice(sort=sort), {}).head
        assert head.count("▼") + head.count("▲") == 1
        assert title in head.split("▲")[0].split("▼")[0]
        assert plain.index("params") - (sort == "params") <= head.index("params") <= plain.index("params")


@pytest.mark.parametrize(
    ("n_tokens", "said"), [(262144, "   256k "), (500_000, "500\u00a0000 "), (1_010_000, " 1\u00a0010\u00a0000")]
)
def test_a_context_has_room_however_it_is_written(n_tokens: int, said: str) -> None:
    item = items((), (here("it", facts=FileFacts(context_tokens=n_tokens)),))[0]
    row = ModelTable(100, Choice(), {item.key: Facts(context_tokens=n_tokens)}).row(item)

    assert [text for text, _ in row if said in text]


async def until(app: PlimsollApp, pilot: Pilot[None], text: str) -> str:
    shown = ""
    for _ in range(400):
        shown = text_of(app)
        if text in shown:
            return shown
        await pilot.pause(0.02)
    raise AssertionError(f"{text!r} is not on the screen:\n{shown}")


@asynccontextmanager
async def only_what_fits(first: Snapshot | None) -> AsyncIterator[tuple[PlimsollApp, Pilot[None], Picker]]:
    """The list of models by name, filtered. Without a reading nothing is judged aside: the test hands in verdicts."""
    app = app_on(first)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("m", "f3", "f2", "f2", "f2", "f2", "f2")
        assert isinstance(app.screen, Picker)
        yield app, pilot, app.screen


async def test_the_list_is_filtered_and_sorted_by_keys() -> None:
    async with only_what_fits(None) as (app, pilot, screen):
        screen._take_facts(
            {"Qwen/Qwen3-8B": Facts(level=0), "Qwen/Qwen3-0.6B": Facts(level=2)}, screen._appraisal.n_changes
        )
        shown = await until(app, pilot, "● fits")
        assert "by name · fits now" in shown
        assert "Qwen3 0.6B" not in shown

        await pilot.press("f3", *"qwen3 0.6b")
        await until(app, pilot, "◆ spills")


async def test_the_order_is_turned_round_and_back_by_a_key() -> None:
    async with only_what_fits(None) as (app, pilot, _):
        await pilot.press("f8")
        await until(app, pilot, "by name · from the end · fits now")

        await pilot.press("f8")
        await until(app, pilot, "by name · fits now")


async def test_the_key_that_turns_the_order_round_does_and_is_said_to_do_nothing_where_there_is_one_way() -> None:
    app = app_on(None)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("m", "f8", "f2", "f8")
        shown = await until(app, pilot, "by fit")
        assert isinstance(app.screen, Picker)
        assert app.screen._choice == Choice(sort="fit")
        assert "F8" not in shown
        assert "F8" not in {command.keys for command in commands_of(app.screen)}

        await pilot.press("f2")
        await until(app, pilot, "F8 turn")
        assert "F8" in {command.keys for command in commands_of(app.screen)}


async def test_the_list_is_filtered_and_sorted_as_it_was_when_it_was_left() -> None:
    async with only_what_fits(None) as (app, pilot, _):
        await pilot.press("escape", "m")
        await until(app, pilot, "by name · fits now")


async def test_the_filter_waits_for_verdicts_and_says_for_what() -> None:
    async with only_what_fits(None) as (app, pilot, _):
        await until(app, pilot, "what fits is said once the memory has been read")
        await show(app, pilot, desktop())
        await until(app, pilot, "● fits")


async def test_nothing_is_said_to_fit_where_no_gpu_can_be_read() -> None:
    async with only_what_fits(stale_driver()) as (app, pilot, _):
        shown = await until(app, pilot, "no GPU's memory is known now")
        assert "● fits" not in shown


async def test_verdicts_of_another_memory_are_made_again() -> None:
    async with only_what_fits(desktop()) as (_, _, screen):
        screen._appraisal.facts = {}
        screen._take_facts({"Qwen/Qwen3-8B": Facts(level=0)}, screen._appraisal.n_changes - 1)
        assert (screen._appraisal.facts, screen._appraisal.is_running) == ({}, True)


async def test_what_cannot_be_judged_at_once_is_judged_one_by_one() -> None:
    async with only_what_fits(desktop()) as (app, pilot, screen):
        screen._appraisal.facts = {}
        screen._take_facts(EstimatorError("unexpected"), screen._appraisal.n_changes)
        assert (screen._shown, screen._appraisal.is_running, screen._appraisal.can_survey) == ([], True, False)
        await until(app, pilot, "● fits")


@pytest.mark.parametrize(
    ("known", "said"), [(Facts(level=0), "…"), (Facts(level=0, quant="Q4_K_M"), "–"), (Facts(reason="not read"), "–")]
)
def test_a_speed_that_is_still_to_come_is_told_from_one_that_is_not_known(known: Facts, said: str) -> None:
    row = ModelTable(120, Choice(), {ALL[0].key: known}).row(ALL[0])

    assert [text.strip() for text, _ in row if text.strip() in {"…", "–"}] == [said]


async def test_where_judging_fails_the_list_says_so() -> None:
    async with only_what_fits(None) as (app, pilot, screen):
        for _ in range(2):
            screen._take_facts(EstimatorError("unexpected"), screen._appraisal.n_changes)
        await until(app, pilot, "not all could be judged")


@pytest.mark.parametrize("name", ["\x1b[31m[bold]evil\x07", "\u202eevil"])
async def test_names_from_disk_are_plain_text(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = OllamaStore(tmp_path / "ollama")
    store.weights("a")
    store.name(f"library/{name}/1b", [store.layer("a")])
    monkeypatch.setenv("OLLAMA_MODELS", str(store.root))
    app = app_on(desktop())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("m", "f6")
        shown = await until(app, pilot, "evil")
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)


async def test_what_lies_here_is_listed_with_whose_it_is_and_what_the_matter_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = OllamaStore(tmp_path / "ollama")
    store.weights("a")
    store.name("library/tiny/1b", [store.layer("a")])
    store.name("library/gone/1b", [store.layer("b")])
    monkeypatch.setenv("OLLAMA_MODELS", str(store.root))
    app = app_on(desktop())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("m", "f6")
        shown = await until(app, pilot, "tiny:1b · Ollama")
        assert "weights are missing" in shown
        shown = await until(app, pilot, "● fits")
        assert "Q4_K_M" in next(line for line in shown.split("\n") if "tiny:1b" in line)


async def test_rows_that_come_into_sight_are_judged() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("m", *"qwen")
        screen = app.screen
        assert isinstance(screen, Picker)
        while screen._appraisal.is_running or screen._unjudged():
            await pilot.pause(0.01)
        screen._appraisal.facts = {}
        screen.listing.on_resize()
        await pilot.pause()

        assert screen._appraisal.is_running or not screen._unjudged()


async def test_the_cursor_follows_its_model_when_files_are_found() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("m", "f2", "f2", "f2", "f2", "f2", "down", "down")
        before = next(line for line in text_of(app).split("\n") if "▸" in line)
        app.screen._take_local(Inventory(models=(here("0-first-by-name"),)))  # type: ignore[attr-defined]
        shown = await until(app, pilot, "0-first-by-name")
        assert next(line for line in shown.split("\n") if "▸" in line)[:30] == before[:30]


def test_a_model_is_planned_without_what_was_said_of_the_layers_of_the_last_one() -> None:
    said = Options(n_cpu_moe_layers=36, tensor_split=(1.0, 2.0), projector="mmproj.gguf", n_ubatch_tokens=1024)
    before = replace(default_plan(read("Qwen3 30B-A3B")), options=said)

    assert plan_like(before, read("Qwen3 8B")).options == Options(n_ubatch_tokens=1024)


async def test_models_are_judged_on_the_devices_that_are_planned_on() -> None:
    app = app_on(desktop())
    async with app.run_test(size=(120, 36)) as pilot:
        app.post_message(PlanChanged(replace(default_plan(read("Qwen3 8B")), devices=()), is_model_new=True))
        await pilot.press("m", *"qwen3 8b")
        await until(app, pilot, "● fits")
        assert isinstance(app.screen, Picker)
        while app.screen._appraisal.is_running:
            await pilot.pause(0.01)
        facts = app.screen._appraisal.facts["Qwen/Qwen3-8B"]

    assert facts.tokens_per_second is not None
    assert facts.tokens_per_second < 20  # of the RAM; 60 of the GPU


async def test_what_fits_is_said_to_be_found_so_far_while_others_are_not_judged_yet() -> None:
    async with only_what_fits(None) as (app, pilot, screen):
        screen._take_facts({"Qwen/Qwen3-8B": Facts(level=0)}, screen._appraisal.n_changes)
        await until(app, pilot, "1 found so far")
