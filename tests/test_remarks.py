"""Passing remarks: they stand where the keys do, and leave what is looked at readable."""

import asyncio

import pytest
from pictures import app_of, settle, text_of

from tui.app import PlimsollApp

REMARK = "this plan is kept: change something"


async def with_remark(app: PlimsollApp, size: tuple[int, int], keys: tuple[str, ...], text: str) -> tuple[str, str]:
    """What is seen before, and with it."""
    async with app.run_test(size=size, notifications=True) as pilot:
        await settle(app, pilot)
        await pilot.press(*keys)
        await settle(app, pilot)
        app.clear_notifications()
        await pilot.pause()
        before = text_of(app)
        app.tell(text)
        for _ in range(400):
            await pilot.pause(0.005)
            if text.split(" ", maxsplit=1)[0] in text_of(app):
                break
        return before, text_of(app)


@pytest.mark.parametrize("keys", [(), ("c",), ("w",), ("g",)])
@pytest.mark.parametrize("size", [(60, 16), (80, 24)])
def test_a_remark_covers_the_line_of_keys_alone(size: tuple[int, int], keys: tuple[str, ...]) -> None:
    before, now = asyncio.run(with_remark(app_of("one-gpu"), size, keys, REMARK))

    assert now.split("\n")[:-1] == before.split("\n")[:-1]
    assert now.split("\n")[-1].strip(" ▌") == REMARK


def test_a_long_remark_is_said_whole() -> None:
    text = "not saved: " + "/a/long/path " * 8 + "end"
    before, now = asyncio.run(with_remark(app_of("one-gpu"), (80, 24), (), text))

    assert now.split("\n")[:-2] == before.split("\n")[:-2]
    assert " ".join(now.replace("▌", " ").split()).endswith(" ".join(text.split()))
