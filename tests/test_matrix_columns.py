"""The columns of the matrix: all contexts where there is room, else those about the plan's, and that there are more."""

from dataclasses import replace

import pytest
from scenes import desktop, model, server
from test_app import app_on, text_of
from test_widgets import drawn, view_of
from textual.geometry import Size

from tui.contexts import contexts_of, contexts_shown
from tui.plan import Plan, default_plan
from tui.screens.dashboard import wants_of
from tui.widgets.arrange import Wants, arrange_panels
from tui.widgets.matrix import MatrixPanel, matrix_width
from tui.widgets.view import View


def long_plan(native: int = 1 << 20, own: int = 8192) -> Plan:
    plan = default_plan(model("Llama 3.1 8B"))
    return replace(plan, model=replace(plan.model, native_context_tokens=native)).with_context(own)


def view_with(plan: Plan) -> View:
    """With cells of two quants at every context of the plan."""
    view = view_of(desktop(), plan.model, is_studied=True)
    some = view.cells[0]
    cells = [
        replace(some, quant=quant, context_tokens=tokens, plan=plan.with_context(tokens))
        for quant in ("Q4_K_M", "Q2_K")
        for tokens in contexts_shown(plan)
    ]
    return replace(view, plan=plan, cells=tuple(cells))


@pytest.mark.parametrize("native", [40_960, 131_072, 262_144, 1 << 20, 10 << 20, 1_010_000])
def test_the_last_column_is_what_the_model_has(native: int) -> None:
    shown = contexts_shown(long_plan(native))

    assert shown[0] == 2048
    assert shown[-1] == native


def test_a_key_leads_to_each_column_from_2k_on() -> None:
    plan = long_plan(10 << 20)

    assert contexts_shown(plan) == [tokens for tokens in contexts_of(plan.model) if tokens >= 2048]


def test_a_context_between_the_columns_is_one_of_its_own() -> None:
    assert 12_000 in contexts_shown(long_plan(own=12_000))


@pytest.mark.parametrize(("width", "n_shown"), [(200, 10), (240, 10), (120, 6)])
def test_the_matrix_is_as_wide_as_its_columns_where_the_screen_is(width: int, n_shown: int) -> None:
    view = replace(view_of(server()), plan=long_plan())
    panels = arrange_panels(Size(width, 50), wants_of(view, width))
    head = drawn(MatrixPanel(), view_with(long_plan()), panels["matrix"].width - 4).split("\n")[0]

    assert len([word for word in head.split() if word[0].isdigit()]) == n_shown
    assert panels["processes"].width >= 45


def test_columns_that_have_no_room_are_pointed_to() -> None:
    wide, narrow = MatrixPanel(), MatrixPanel()
    plan = long_plan(own=65_536)
    whole = drawn(wide, view_with(plan), matrix_width(10)).split("\n")[0]
    cut = drawn(narrow, view_with(plan), 71).split("\n")[0]

    assert "←" not in whole
    assert "→" not in whole
    assert cut.split() == ["←", "8k", "16k", "32k", "64k", "128k", "256k", "→"]
    assert wide._subtitle == ""
    assert narrow._subtitle == "6 of 10 contexts, ← →"


@pytest.mark.parametrize(("own", "signs"), [(2048, "→"), (1 << 20, "←")])
def test_at_an_end_only_the_other_is_pointed_to(own: int, signs: str) -> None:
    head = drawn(MatrixPanel(), view_with(long_plan(own=own)), 71).split("\n")[0]

    assert [sign for sign in "←→" if sign in head] == list(signs)


def test_a_long_name_of_a_quant_is_set_off_from_its_cells() -> None:
    view = view_with(long_plan())
    named = tuple(replace(cell, quant="GPTQ-Int4") if cell.quant == "Q2_K" else cell for cell in view.cells)
    head, *rows = drawn(MatrixPanel(), replace(view, cells=named), 100).split("\n")

    assert next(row for row in rows if row.startswith("GPTQ")).startswith("GPTQ-Int4  ")
    assert head.index("2k") - rows[0].index("●") == head.index("2k") - rows[1].index("●")


async def test_the_arrow_keys_move_the_columns_to_the_last() -> None:
    app = app_on(desktop(), model=long_plan().model)
    async with app.run_test(size=(120, 40)) as pilot:
        while app.is_busy:
            await pilot.pause(0.01)
        await pilot.press(*["right"] * 10)
        for _ in range(1000):
            await pilot.pause(0.01)
            if not app.is_busy and "[" in text_of(app):
                break

        words = next(line for line in text_of(app).split("\n") if "256k" in line).split("│")[1].split()
        assert [word for word in words if word != "tok/s"][-1] == "1M"


def test_processes_keep_their_place_beside_a_matrix_of_many_columns() -> None:
    wants = Wants(n_rows=2, has_plan=True, has_processes=True, n_matrix_cells=matrix_width(30))
    for width in range(118, 260, 7):
        assert arrange_panels(Size(width, 50), wants)["processes"].width >= 45 - 2
