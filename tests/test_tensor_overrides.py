"""Tensor overrides, as ``-ot`` has them."""

import pytest

from estimator.errors import Unjudgeable
from estimator.tensor_overrides import overrides_of, overrides_text


@pytest.mark.parametrize(
    ("text", "message"),
    [("ffn_up", "no tensor override"), ("=CPU", "no tensor override"), ("(=CPU", "regular expression"),
     ("ffn=CUDA7", "CUDA0"), ("ffn=disk", "CPU"), ("a" * 70_000, "longer")],
)  # fmt: skip
def test_an_override_that_means_nothing_is_refused_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(Unjudgeable, match=message):
        overrides_of(text, n_devices=1)


def test_overrides_of_many_blocks_are_said_once_and_read_back_as_they_were() -> None:
    each = overrides_of(",".join(rf"blk\.{n}\.ffn_(up|down)_exps=CPU" for n in (3, 4, 7)), n_devices=1)
    several = r"blk\.(3|4|7)\.ffn_(up|down)_exps=CPU"
    assert overrides_text(each, "cuda") == several
    assert overrides_of(several, n_devices=1) == each


def test_overrides_that_differ_in_more_than_the_block_stay_apart() -> None:
    text = r"blk\.3\.ffn_up=CPU,blk\.4\.ffn_down=CPU,blk\.5\.ffn_down=CUDA0"
    assert overrides_text(overrides_of(text, n_devices=1), "cuda") == text


def test_buffers_are_called_as_their_kind_of_device_calls_them() -> None:
    overrides = overrides_of("ffn=CUDA0", n_devices=1)
    assert overrides_text(overrides, "rocm") == "ffn=ROCm0"
    assert overrides_text(overrides, "metal") == "ffn=MTL0"
    assert overrides_text(overrides, "gpu") == "ffn=Vulkan0"
