"""What a CUDA program sees: every rule of CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER on two machines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.nvml_visibility import VISIBLE_DEVICES, CudaDevice, visibility

A = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"
B = "GPU-8932f940-1111-4106-c12f-20bd9faed9f6"
C = "GPU-0aaaaaaa-2222-4106-c12f-20bd9faed9f6"
X = "MIG-11111111-3333-5106-c12f-20bd9faed9f6"
Y = "MIG-11112222-3333-5106-c12f-20bd9faed9f6"


def gpu(key: str, bus: str, model: str = "H100", speed: float = 1.0) -> CudaDevice:
    return CudaDevice(key=key, bus_address=bus, model=model, speed=speed)


ALIKE = (gpu(A, "0000:1b:00.0"), gpu(B, "0000:43:00.0"), gpu(C, "0000:9d:00.0"))
SPLIT = (
    CudaDevice(key=X, bus_address="0000:1b:00.0", parent_key=A, instances=(2, 0), model="H100", speed=1.0),
    CudaDevice(key=Y, bus_address="0000:1b:00.0", parent_key=A, instances=(3, 0), model="H100", speed=1.0),
    gpu(B, "0000:43:00.0"),
)


@pytest.mark.parametrize(
    ("variable", "seen"),
    [
        (None, [A, B, C]),
        ("", []),
        ("0", [A]),
        ("2,1", [C, B]),
        (" 0 , 2 ", [A, C]),
        ("0,2,-1,1", [A, C]),
        ("-1", []),
        ("-1,0", []),
        ("3", []),
        ("0,3,1", [A]),
        ("0,0", []),
        ("1,0,1", []),
        ("0,,1", [A]),
        (",0", []),
        ("0,1,", [A, B]),
        ("00", [A]),
        ("+1", []),
        ("1.0", []),
        ("0x1", []),
        ("99999999999999999999", []),
        ("\u0661", []),
        ("all", []),
        ("NoDevFiles", []),
        (A, [A]),
        (f"{C},{A}", [C, A]),
        ("GPU-8932f937", [A]),
        ("GPU-8932f9", []),
        ("GPU-0", [C]),
        ("GPU-0,GPU-8932f94", [C, B]),
        ("GPU-0,GPU-7,GPU-8932f94", [C]),
        (f"GPU-0,{C}", []),
        ("8932f937", []),
        (f"0,{B}", [A]),
        (f"{B},0", [B]),
        (X, []),
        ("0" * 100_000, []),
        ("," * 100_000, []),
    ],
)
def test_the_list_is_read_as_cuda_reads_it(variable: str | None, seen: list[str]) -> None:
    assert list(visibility(ALIKE, variable, None).order) == seen


@pytest.mark.parametrize(
    ("variable", "seen", "seen_before_570"),
    [
        (None, [X, Y, B], [X]),
        ("", [], []),
        ("0", [X, Y], [X]),
        ("1", [B], [B]),
        ("1,0", [B, X, Y], [X]),
        ("2", [], []),
        (X, [X], [X]),
        (Y, [Y], [Y]),
        (f"{Y},{X}", [Y, X], [Y]),
        ("MIG-11112", [Y], [Y]),
        ("MIG-1111", [], []),
        (f"MIG-{A}/3/0", [Y], [Y]),
        (f"MIG-{A}/3/1", [], []),
        (f"MIG-{A}", [], []),
        (A, [X, Y], [X]),
        (B, [B], [B]),
        (f"{B},{Y}", [B, Y], [Y]),
        (f"{Y},{Y}", [], []),
        (f"{Y},{A}", [], []),
    ],
)
def test_what_is_seen_of_split_gpus_depends_on_the_driver(
    variable: str | None, seen: list[str], seen_before_570: list[str]
) -> None:
    assert list(visibility(SPLIT, variable, None, driver_major=580).order) == seen
    assert list(visibility(SPLIT, variable, None, driver_major=550).order) == seen_before_570


def test_of_a_gpu_instance_one_compute_instance_is_seen() -> None:
    first = CudaDevice(key=X, bus_address="0000:1b:00.0", parent_key=A, instances=(2, 0))
    second = CudaDevice(key=Y, bus_address="0000:1b:00.0", parent_key=A, instances=(2, 1))
    assert visibility((first, second), None, None).order == (X,)
    assert visibility((first, second), f"{Y},{X}", None).order == (Y,)
    assert visibility((first, second), None, None).hidden_by[Y].startswith("MIG")


def test_no_more_than_64_parts_are_seen() -> None:
    parts = [
        CudaDevice(
            key=f"MIG-{n}", bus_address=f"0000:{n // 7:02x}:00.0", parent_key=f"GPU-{n // 7}", instances=(n % 7, 0)
        )
        for n in range(70)
    ]
    assert len(visibility(parts, None, None).order) == 64


def test_what_is_not_seen_says_what_hides_it() -> None:
    assert visibility(ALIKE, "1", None).hidden_by == {A: VISIBLE_DEVICES, C: VISIBLE_DEVICES}
    hidden_by = visibility(SPLIT, None, None, driver_major=550).hidden_by
    assert set(hidden_by) == {Y, B}
    assert all(text.startswith("MIG") for text in hidden_by.values())


UNLIKE = (gpu(A, "0000:01:00.0", "GTX 1080", 1.0), gpu(B, "0000:02:00.0", "TITAN RTX", 2.0))


def test_the_fastest_comes_first_and_that_is_a_guess() -> None:
    found = visibility(UNLIKE, None, None)
    assert (found.order, found.is_guessed) == ((B, A), True)
    assert visibility(UNLIKE, "0", "FASTEST_FIRST").order == (B,)
    assert visibility(UNLIKE, "0", "pci_bus_id").order == (B,)


def test_before_all_have_been_read_they_stand_by_the_bus_and_nothing_is_said_to_differ() -> None:
    found = visibility((gpu(A, "0000:01:00.0", "", 0.0), UNLIKE[1]), None, None)
    assert (found.order, found.is_guessed) == ((A, B), False)


def test_by_the_bus_nothing_is_guessed() -> None:
    found = visibility(UNLIKE[::-1], "0", "PCI_BUS_ID")
    assert (found.order, found.is_guessed) == ((A,), False)


def test_equally_fast_ones_stand_in_the_order_of_the_bus() -> None:
    devices = (gpu(A, "000f:01:00.0"), gpu(B, "0000:9d:00.0"), gpu(C, "0000:1b:00.0"))
    found = visibility(devices, None, None)
    assert (found.order, found.is_guessed) == ((C, B, A), False)


@given(
    st.one_of(
        st.text(max_size=60), st.lists(st.sampled_from(["0", "1", "5", "-1", A, "GPU-0", X, "", " 2"])).map(",".join)
    )
)
def test_any_text_names_each_device_once_or_hides_it(variable: str) -> None:
    found = visibility(SPLIT, variable, None)
    assert sorted((*found.order, *found.hidden_by)) == sorted(device.key for device in SPLIT)


def test_unlike_gpus_that_stand_in_order_anyway_are_no_guess_unless_numbers_are_given() -> None:
    devices = (gpu(A, "0000:01:00.0", "TITAN RTX", 2.0), gpu(B, "0000:02:00.0", "GTX 1080", 1.0))
    assert not visibility(devices, None, None).is_guessed
    assert not visibility(devices, A, None).is_guessed
    assert visibility(devices, "1", None).is_guessed
