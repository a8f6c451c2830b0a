"""Which devices are used where nobody has chosen any."""

from measured import measured_model

from estimator.engine import ANY_VENDOR, load_engine
from estimator.ledger import Place, Surroundings, Workload
from tui.default_devices import default_devices, runs_on, together
from tui.plan import Assessment, Plan, assess

GIB = 1 << 30
RAM = Place(name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=60 * GIB)


def device(
    name: str, gib: float, vendor: str = "nvidia", *, is_integrated: bool = False, is_part: bool = False
) -> Place:
    n_bytes = int(gib * GIB)
    return Place(
        name=name,
        kind="cuda" if vendor == "nvidia" else "gpu",
        total_bytes=n_bytes,
        free_bytes=n_bytes,
        draws_on="RAM" if is_integrated else None,
        is_part=is_part,
        surroundings=Surroundings(vendor=vendor, memory="unified" if is_integrated else "own"),
    )


CARD = device("GPU 0", 8)
CHIP = device("GPU 1", 31, "intel", is_integrated=True)


def on(*places: Place, context_tokens: int = 8192) -> Assessment:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    plan = Plan(
        model=model, workload=Workload(context_tokens=context_tokens), options=load_engine("llamacpp").Options()
    )
    return assess(plan, (*places, RAM))


def test_a_card_goes_before_a_larger_integrated_gpu() -> None:
    assert on(CARD, CHIP).device_names == ("GPU 0",)


def test_an_integrated_gpu_is_not_added_where_a_card_is_too_small() -> None:
    assert on(CARD, CHIP, context_tokens=131072).device_names == ("GPU 0",)


def test_an_integrated_gpu_alone_is_used() -> None:
    assert on(CHIP).device_names == ("GPU 1",)


def test_what_no_engine_here_runs_on_is_left_out() -> None:
    assert on(device("GPU 0", 96, "gaudi")).device_names == ()
    assert not runs_on(device("GPU 0", 96, "tpu"), ANY_VENDOR)


def test_a_place_that_was_typed_is_taken_at_its_word() -> None:
    typed = Place(name="GPU 0", kind="gpu", total_bytes=GIB, free_bytes=GIB)

    assert default_devices((typed, RAM), ANY_VENDOR) == (typed,)


def test_a_part_is_used_alone_and_never_beside_a_whole_device() -> None:
    parts = (device("GPU 0:0", 10, is_part=True), device("GPU 0:1", 20, is_part=True))

    assert together(parts) == (parts[1],)
    assert together((*parts, CARD)) == (CARD,)
