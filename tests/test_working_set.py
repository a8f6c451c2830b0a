"""Metal's default budget by the size of the RAM, against what Metal said in public logs."""

import pytest

from probes.working_set import estimated_metal_bytes

GIB = 1 << 30
MIB = 1 << 20


@pytest.mark.parametrize(
    ("ram_gib", "told_bytes"),
    [
        (16, 12713120000),
        (18, 14302250000),
        (32, 26800600000),
        (36, 30150670000),
    ],
)
def test_since_macos_26_the_share_grows_with_the_ram(ram_gib: int, told_bytes: int) -> None:
    assert estimated_metal_bytes(ram_gib * GIB, "26.5.1") == pytest.approx(told_bytes, rel=1e-6)


@pytest.mark.parametrize(
    ("ram_gib", "told_bytes"),
    [(8, 5726633984), (24, 19069665280), (48, 40200896512), (64, 55662788608), (128, 115448725504)],
)
def test_where_metal_told_bytes_it_is_to_the_byte(ram_gib: int, told_bytes: int) -> None:
    assert estimated_metal_bytes(ram_gib * GIB, "26.5.1") == told_bytes


@pytest.mark.parametrize(
    ("ram_gib", "told_bytes"),
    [
        (8, 5726630000),
        (16, 10922.67 * MIB),
        (32, 21845.34 * MIB),
        (64, 51539610000),
        (96, 73728 * MIB),
        (192, 144 * GIB),
        (256, 223338299392),
        (512, 498216206336),
    ],
)
def test_before_it_was_two_thirds_or_three_quarters_or_all_but_48_gib(ram_gib: int, told_bytes: float) -> None:
    assert estimated_metal_bytes(ram_gib * GIB, "15.6") == pytest.approx(told_bytes, rel=0.0001)


@pytest.mark.parametrize("macos", [None, "", "27.0", "not told", "²", "9" * 5000])
def test_without_a_version_it_is_that_of_today(macos: str | None) -> None:
    assert estimated_metal_bytes(128 * GIB, macos) == 115448725504
