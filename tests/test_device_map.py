"""Where ``device_map="auto"`` puts the pieces of a model."""

from estimator.device_map import DISK, HOST, auto_device_map, balanced_limits
from estimator.modules import Module


def pieces(*sizes: int) -> list[Module]:
    """An embedding, blocks and an output of these sizes."""
    last = len(sizes) - 1
    return [
        Module(name=f"piece {i}", n_bytes=n, read_bytes=n, block=i - 1 if 0 < i < last else None)
        for i, n in enumerate(sizes)
    ]


def test_a_model_that_fits_lies_on_the_first_device() -> None:
    assert set(auto_device_map(pieces(10, 20, 20, 10), [100], 1000).devices) == {0}


def test_the_first_device_keeps_room_for_the_largest_piece_to_come() -> None:
    # 10 + 20 would fit into 45 with one more block of 20, but that room is kept for what is offloaded.
    assert auto_device_map(pieces(10, 20, 20, 20, 10), [45], 1000).devices == (0, HOST, HOST, HOST, HOST)


def test_ram_keeps_room_too_and_the_rest_goes_to_disk() -> None:
    assert auto_device_map(pieces(10, 20, 20, 20, 10), [31], 45).devices == (0, HOST, DISK, DISK, DISK)


def test_further_devices_are_filled_to_their_limit() -> None:
    assert auto_device_map(pieces(10, 20, 20, 20, 10), [50, 50], 1000).devices == (0, 0, 1, 1, 1)


def test_a_piece_that_would_fit_an_earlier_device_does_not_go_back() -> None:
    assert auto_device_map(pieces(10, 90, 1, 1), [100, 95], 1000).devices[2:] == (1, 1)


def test_one_device_is_used_to_nine_tenths() -> None:
    assert balanced_limits(pieces(10, 20), [1000]) == (900,)


def test_several_devices_share_alike_with_a_buffer_and_the_last_one_takes_the_rest() -> None:
    assert balanced_limits(pieces(10, 40, 40, 10), [1000, 1000]) == (50 + 50, 1000)


def test_a_share_is_never_more_than_is_free() -> None:
    assert balanced_limits(pieces(10, 40, 40, 10), [30, 1000]) == (30, 1000)


def test_the_largest_offloaded_block_is_what_has_to_be_copied_in() -> None:
    assert auto_device_map(pieces(10, 20, 25, 20, 10), [40], 1000).largest_offloaded_bytes == 25
    assert auto_device_map(pieces(10, 20, 25, 20, 10), [400], 1000).largest_offloaded_bytes == 0
