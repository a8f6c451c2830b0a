"""What an app that runs for days must not pile up."""

import gc
import weakref

from scenes import model, workstation
from test_app import show
from textual.widgets._toast import ToastHolder

from estimator.model import Model
from estimator.readers.catalogue import entries
from tui.app import PlimsollApp
from tui.appraisal import _judged
from tui.browse import Facts, items
from tui.places import places_of
from tui.plan import default_plan


async def test_remarks_that_are_replaced_leave_nothing_on_the_screen() -> None:
    app = PlimsollApp(plan=default_plan(model()))
    async with app.run_test(notifications=True) as pilot:
        await show(app, pilot, workstation())
        for number in range(10):
            app.tell(f"remark {number}")
            await pilot.pause()
        assert len(app.screen.query(ToastHolder)) <= 1


async def test_what_a_screen_has_drawn_goes_with_it() -> None:
    app = PlimsollApp()
    async with app.run_test() as pilot:
        await show(app, pilot, workstation())
        await pilot.press("p")
        await pilot.pause()
        drawn = [weakref.ref(widget._styles_cache) for widget in app.screen.walk_children()]
        await pilot.press("escape")
        await pilot.pause()
        gc.collect()
        assert drawn
        assert not any(found() for found in drawn)


def test_the_list_of_models_keeps_none_that_it_has_judged() -> None:
    places = places_of(workstation())
    facts: dict[str, Facts] = {}
    known = items(entries(), ())
    gc.collect()
    before = sum(isinstance(found, Model) for found in gc.get_objects())
    for number in range(0, 200, 20):
        facts |= _judged(known[number : number + 1], places, None, facts, wait=lambda: None)
    gc.collect()
    assert len(facts) == 10
    assert sum(isinstance(found, Model) for found in gc.get_objects()) == before
