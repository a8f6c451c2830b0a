import json
import shlex
from dataclasses import replace

import pytest
from measured import measured_model

from estimator.engine import load_engine
from estimator.engines.llamacpp import Options
from estimator.errors import Unjudgeable
from estimator.ledger import Overflow, Place, Workload
from estimator.patience import pausing
from estimator.reader import read_model
from estimator.verdict import Level
from probes.sampler import take_one
from probes.simulate import simulated_sources
from probes.snapshot import HOST_POOL, Device, Pool, Process, Snapshot
from tui.advice import advise, option_flags, quants_offered
from tui.cli import main
from tui.matrix import matrix
from tui.pace import pacing_of
from tui.places import places_of
from tui.plan import (
    Assessment,
    Plan,
    _first_that_holds,
    assess,
    default_plan,
    judged_again,
    level_of,
    rough_assessment,
    with_quant,
)

GIB = 1 << 30


def plan_of(name: str = "llama-3.1-8b", tokens: int = 8192, **more: object) -> Plan:
    model = measured_model(name)
    assert model is not None
    return replace(default_plan(model), workload=Workload(context_tokens=tokens), **more)  # type: ignore[arg-type]  # any field


def gpu(free_gib: float, number: int = 0, total_gib: float = 24) -> Place:
    return Place(
        name=f"GPU {number}", kind="cuda", total_bytes=int(total_gib * GIB), free_bytes=int(free_gib * GIB),
        reserve_bytes=GIB // 2, n_multiprocessors=128,
    )  # fmt: skip


RAM = Place(
    name="RAM", kind="host", total_bytes=64 * GIB, free_bytes=60 * GIB, reserve_bytes=GIB, overflow=Overflow.SWAPPED
)


def test_one_device_is_used_where_the_load_fits_on_one() -> None:
    assert assess(plan_of(), [gpu(20), gpu(20, 1), RAM]).device_names == ("GPU 0",)


def test_one_device_is_used_that_holds_what_is_not_to_stay_in_ram() -> None:
    plan = plan_of("qwen3-30b-a3b", options=Options(n_cpu_moe_layers=36))

    assert assess(plan, [gpu(12), gpu(12, 1), RAM]).device_names == ("GPU 0",)


@pytest.mark.parametrize(
    "options", [Options(tensor_overrides="blk\\.4.*=CUDA1"), Options(is_cpu_moe=True, split_mode="none", main_device=1)]
)
def test_what_names_a_second_device_is_tried_on_both(options: Options) -> None:
    made = assess(plan_of("qwen3-30b-a3b", options=options), [gpu(12), gpu(12, 1), RAM])

    assert made.device_names == ("GPU 0", "GPU 1")


def test_the_larger_device_is_tried_first() -> None:
    assert assess(plan_of(), [gpu(11, 0, 12), gpu(20, 1), RAM]).device_names == ("GPU 1",)


def test_the_first_with_more_free_is_found_behind_those_that_lack_it() -> None:
    devices = [gpu(3, 0), gpu(2, 1), gpu(3, 2), gpu(9, 3), gpu(20, 4)]

    assert assess(plan_of(), (*devices, RAM)).device_names == ("GPU 3",)


def test_of_devices_of_one_kind_none_is_asked_that_has_less_free_than_one_that_lacks_it() -> None:
    rested: list[None] = []
    plan = plan_of()

    def n_rests(*free_gib: float) -> int:
        rested.clear()
        with pausing(lambda: rested.append(None)):
            _first_that_holds(plan, [gpu(free, number) for number, free in enumerate(free_gib)], (RAM,))
        return len(rested)

    n_rests(5.0, 4.5)

    assert n_rests(5.0, 4.9, 4.8, 4.7, 5.0) == n_rests(5.0)


def test_all_devices_are_used_where_none_is_enough() -> None:
    assert assess(plan_of("qwen3-30b-a3b"), [gpu(12), gpu(12, 1), RAM]).device_names == ("GPU 0", "GPU 1")


def test_devices_that_were_named_are_used_and_no_other() -> None:
    assert assess(plan_of(devices=("GPU 1",)), [gpu(20), gpu(20, 1), RAM]).device_names == ("GPU 1",)


def test_no_device_is_the_cpu() -> None:
    made = assess(plan_of(devices=()), [gpu(20), RAM])
    assert made.device_names == ()
    assert made.verdict.place == "RAM"


def test_a_named_device_that_is_not_there_can_not_be_judged() -> None:
    with pytest.raises(Unjudgeable, match="GPU 7"):
        assess(plan_of(devices=("GPU 7",)), [gpu(20), RAM])


def test_advice_that_is_taken_fits() -> None:
    for name, free in (("llama-3.1-8b", 6.2), ("qwen3-30b-a3b", 17), ("gemma-3-12b", 9.5)):
        plan, places = plan_of(name, 32768), [gpu(free), RAM]
        advice = advise(plan, places)
        assert level_of(plan, places) >= Level.SPILLS
        assert advice.changes
        for change in advice.changes:
            if change.is_applicable:
                assert level_of(change.plan, places) <= Level.TIGHT, change.label


def methods(plan: Plan, places: tuple[Place, ...], **how: bool) -> set[str]:
    """How the compute buffers of an assessment were found."""
    made = assess(plan, places, is_quick=True, **how)
    return {term.source.split(" of ")[0] for term in made.estimate.terms if term.label == "compute buffer"}


def test_a_quick_estimate_is_made_again_to_the_byte_where_its_band_leaves_a_doubt_unless_told_not_to() -> None:
    plan = plan_of(options=Options(n_gpu_layers=16))
    there = assess(plan, (gpu(24), RAM), is_quick=True)
    room = there.estimate.n_bytes(("GPU 0",)) / GIB
    narrow = (gpu(room), RAM)

    assert methods(plan, (gpu(24), RAM)) == {"closed form"}
    assert methods(plan, narrow) == {"simulation"}
    assert methods(plan, narrow, may_ask_again=False) == {"closed form"}


def test_the_longest_context_fits() -> None:
    plan, places = plan_of(), [gpu(12), RAM]
    longest = advise(plan, places).longest_context_tokens
    assert longest is not None
    assert level_of(replace(plan, workload=Workload(context_tokens=longest)), places) is Level.FITS


def test_nothing_is_advised_where_it_fits() -> None:
    assert advise(plan_of(), [gpu(20), RAM]).changes == ()


def test_layers_that_were_asked_for_and_do_not_fit_are_traded_for_fewer() -> None:
    plan, places = plan_of(options=Options(n_gpu_layers=99)), [gpu(4), RAM]
    lighter = [change for change in advise(plan, places).changes if "layers to the CPU" in change.label]
    assert level_of(plan, places) is Level.FAILS
    assert lighter
    assert lighter[0].plan.options.n_gpu_layers < 33


def test_stopping_the_smallest_process_that_is_enough_is_advised() -> None:
    card = Pool(key="a", total_bytes=24 * GIB, used_bytes=22 * GIB, free_bytes=2 * GIB)
    host = Pool(key=HOST_POOL, total_bytes=64 * GIB, used_bytes=4 * GIB, free_bytes=60 * GIB)
    snapshot = Snapshot(
        taken_seconds=0,
        pools=(card, host),
        devices=(Device(key="a", name="RTX", vendor="nvidia", index=0, pool_key="a"),),
        processes=(
            Process(pid=1, device_key="a", used_bytes=GIB, name="small"),
            Process(pid=2, device_key="a", used_bytes=9 * GIB, name="medium"),
            Process(pid=3, device_key="a", used_bytes=12 * GIB, name="large"),
        ),
    )
    changes = advise(plan_of(tokens=2048), places_of(snapshot), snapshot).changes
    by_hand = [change.label for change in changes if not change.is_applicable]
    assert by_hand == ["after stopping 2 (9.0 GiB, medium)", "a second RTX beside it"]


def test_beside_two_cards_the_next_is_no_second_one() -> None:
    pools = [Pool(key=key, total_bytes=24 * GIB, used_bytes=20 * GIB, free_bytes=4 * GIB) for key in "ab"]
    host = Pool(key=HOST_POOL, total_bytes=64 * GIB, used_bytes=4 * GIB, free_bytes=60 * GIB)
    devices = [
        Device(key=key, name="RTX", vendor="nvidia", index=index, pool_key=key) for index, key in enumerate("ab")
    ]
    snapshot = Snapshot(taken_seconds=0, pools=(*pools, host), devices=tuple(devices))
    changes = advise(plan_of(tokens=131072), places_of(snapshot), snapshot).changes
    assert "another RTX beside it" in [change.label for change in changes]


def test_stopping_a_process_makes_room_in_unified_memory_too() -> None:
    host = Pool(key=HOST_POOL, total_bytes=64 * GIB, used_bytes=60 * GIB, free_bytes=4 * GIB)
    snapshot = Snapshot(
        taken_seconds=0,
        pools=(host,),
        devices=(Device(key="a", name="GB10", vendor="nvidia", index=0, pool_key=HOST_POOL),),
        processes=(Process(pid=7, device_key="a", used_bytes=40 * GIB, name="vllm"),),
    )
    changes = advise(plan_of(), places_of(snapshot), snapshot).changes
    assert [change.label for change in changes if not change.is_applicable] == ["after stopping 7 (40.0 GiB, vllm)"]


def test_a_split_that_was_asked_for_is_not_traded_for_one_device() -> None:
    made = assess(plan_of(options=Options(tensor_split=(1.0, 1.0))), [gpu(20), gpu(20, 1), RAM])
    assert made.device_names == ("GPU 0", "GPU 1")


def test_the_best_quant_is_never_below_what_the_model_has_and_fits() -> None:
    plan, places = plan_of(), [gpu(40, total_gib=48), RAM]
    for quant, best in (("F16", "F16"), ("Q3_K_S", "Q8_0"), ("IQ3_M", "Q8_0")):
        assert advise(replace(plan, model=with_quant(plan.model, quant)), places).best_quant == best


def test_a_model_asked_for_twice_under_a_quant_is_made_once() -> None:
    plan = plan_of()
    assert with_quant(plan.model, "Q8_0") is with_quant(plan.model, "Q8_0")


def test_the_matrix_holds_every_quant_at_every_context() -> None:
    cells = matrix(plan_of(), [gpu(12), RAM], (2048, 8192), ("Q8_0", "Q4_K_M"))
    assert [(cell.quant, cell.context_tokens) for cell in cells] == [
        ("Q8_0", 2048), ("Q8_0", 8192), ("Q4_K_M", 2048), ("Q4_K_M", 8192),
    ]  # fmt: skip
    assert cells[0].n_bytes > cells[2].n_bytes
    assert cells[1].n_bytes > cells[0].n_bytes


def test_a_context_is_not_longer_than_the_models_own_to_begin_with() -> None:
    model = measured_model("llama-3.1-8b")
    assert model is not None
    assert default_plan(replace(model, native_context_tokens=4096)).workload.context_tokens == 4096


def test_a_second_device_is_advised_where_two_would_do() -> None:
    changes = advise(plan_of("qwen3-30b-a3b", 8192), [gpu(15, total_gib=16), RAM]).changes
    assert "a second GPU 0 beside it" in [change.label for change in changes if not change.is_applicable]


def test_devices_that_were_left_out_are_advised() -> None:
    plan, places = plan_of("qwen3-30b-a3b", devices=("GPU 0",)), [gpu(15), gpu(15, 1), RAM]
    more = [change for change in advise(plan, places).changes if change.plan.devices == ("GPU 0", "GPU 1")]
    assert more
    assert level_of(more[0].plan, places) <= Level.TIGHT


def test_a_quant_under_three_bits_is_warned_of() -> None:
    (note,) = advise(replace(plan_of(), model=with_quant(plan_of().model, "IQ2_XS")), [gpu(20), RAM]).notes
    assert note.startswith("IQ2_XS: under 3 bits")


def test_four_bits_are_not_warned_of() -> None:
    assert advise(plan_of(), [gpu(20), RAM]).notes == ()


def test_a_larger_model_at_four_bits_is_named_where_eight_fit() -> None:
    plan = default_plan(read_model("Qwen3 8B", "Q8_0"))
    (note,) = advise(plan, [gpu(15), RAM]).notes
    assert note.startswith("Qwen3 14B at Q4_K_M would fit here too")


def test_no_larger_model_is_named_where_none_fits() -> None:
    plan = default_plan(read_model("Qwen3 8B", "Q8_0"))
    assert advise(plan, [gpu(10, total_gib=12), RAM]).notes == ()


@pytest.mark.parametrize(
    ("engine", "quant", "card"),
    [("llamacpp", "Q4_K_M", "RTX 4070, used 3GiB"), ("vllm", "BF16", "RTX 4080"), ("transformers", "BF16", "RTX 4080")],
)
def test_the_flags_of_a_change_are_a_load_that_fits(
    engine: str, quant: str, card: str, capsys: pytest.CaptureFixture[str]
) -> None:
    load = ["check", "Qwen3 8B", "--quant", quant, "--engine", engine, "--context", "32k"]
    machine = ["--simulate", f"{card}, RAM 64GiB", "--json"]
    assert main([*load, *machine]) == 1
    changes = json.loads(capsys.readouterr().out)["advice"]["changes"]
    applicable = [change for change in changes if change["is_applicable"]]
    assert applicable
    for change in applicable:
        typed = shlex.split(" ".join(change["flags"]))
        assert typed
        assert main([*load, *typed, *machine]) == 0, change
        capsys.readouterr()


def test_a_change_of_options_is_named_by_its_flags() -> None:
    before = load_engine("vllm").Options()

    assert option_flags(before, replace(before, is_eager=True)) == ("--enforce-eager",)
    assert option_flags(before, before) == ()
    assert option_flags(before, load_engine("llamacpp").Options()) == ()


def test_an_estimate_made_before_is_judged_by_what_is_free_now() -> None:
    made = assess(plan_of(), [gpu(24), RAM])

    again = judged_again(made, [gpu(3), RAM])

    assert again is not None
    assert again.estimate is made.estimate
    assert (made.verdict.level, again.verdict.level > Level.TIGHT) == (Level.FITS, True)
    assert judged_again(made, [gpu(24, number=1), RAM]) is None


@pytest.mark.parametrize("name", ["Gemma 3 270M", "Llama 3.2 1B", "Qwen3 8B"])
def test_a_large_embedding_makes_no_quant_of_4_bits_a_low_one(name: str) -> None:
    plan = default_plan(read_model(name, "Q4_K_M"))
    notes = advise(plan, [gpu(20), RAM]).notes
    assert not any("3 bits" in note for note in notes)


def test_a_rule_without_the_context_in_it_says_nothing_of_the_longest() -> None:
    plan = replace(plan_of(), engine_name="generic", options=load_engine("generic").Options())
    assert advise(plan, [gpu(80, 0, 80), RAM]).longest_context_tokens is None


def test_a_model_known_by_its_size_alone_is_offered_no_quant_that_picks_among_its_tensors() -> None:
    offered = quants_offered(read_model("FLUX.1 dev", "BF16"), load_engine("generic").QUANTS)
    assert set(offered) == {"BF16", "FP8"}


def test_several_sequences_may_each_have_all_that_the_model_has() -> None:
    plan = default_plan(read_model("Qwen3 0.6B", "Q4_K_M"))
    four = replace(plan, workload=replace(plan.workload, n_sequences=4))
    assert advise(four, [gpu(80, 0, 80), RAM]).longest_context_tokens == 4 * 40960


def test_a_changed_option_is_one_word_of_the_shell() -> None:
    (flag,) = option_flags(Options(), Options(tensor_overrides="blk\\.1\\.ffn_(up|down)=CPU"))
    assert shlex.split(flag) == ["--override-tensor", "blk\\.1\\.ffn_(up|down)=CPU"]


def test_where_no_quant_fits_for_sure_one_that_is_tight_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "Qwen3 14B", "--engine", "trtllm", "--simulate", "RTX 4080, RAM 64GiB"])
    assert "AWQ, tight   --quant AWQ" in capsys.readouterr().out


@pytest.mark.parametrize("hardware", ["8x H100 80GB, used 60GiB", "RTX 4090, RAM 64GiB"])
def test_the_speed_of_a_rough_assessment_is_that_of_a_simulated_one(hardware: str) -> None:
    places = places_of(take_one(simulated_sources(hardware), 30.0))
    for name in ("Llama 3.3 70B", "Qwen3 30B-A3B", "Gemma 3 27B"):
        plan = replace(default_plan(read_model(name)), devices=None)
        rough, made = rough_assessment(plan, places), assess(plan, places, is_quick=True, may_ask_again=False)

        assert rough.verdict.level == made.verdict.level
        assert speed_in(rough) == pytest.approx(speed_in(made), rel=0.001)


def speed_in(made: Assessment) -> float | None:
    pacing = pacing_of(made)
    return None if pacing is None else pacing.speed.tokens_per_second
