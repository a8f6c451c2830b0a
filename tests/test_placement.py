from dataclasses import replace

from measured import measured_model

from estimator.model import Model, Tensor
from estimator.placement import HOST, place_layers
from estimator.weights import weight_table


def model_of(name: str) -> Model:
    model = measured_model(name)
    assert model is not None
    return model


def test_the_last_layers_go_to_the_device_and_the_output_layer_counts_as_one() -> None:
    assert place_layers(4, 2, [1.0]) == (HOST, HOST, HOST, 0, 0)


def test_shares_decide_where_the_layers_are_cut() -> None:
    assert place_layers(7, 99, [3.0, 1.0]) == (0, 0, 0, 0, 0, 0, 1, 1)


def test_without_a_device_all_stays_on_the_host() -> None:
    assert place_layers(3, 99, []) == (HOST,) * 4


def test_devices_without_free_memory_get_nothing_rather_than_an_error() -> None:
    assert place_layers(3, 99, [0.0, 0.0]) == (HOST,) * 4


def test_every_tensor_is_in_the_table_once() -> None:
    model = model_of("qwen3-30b-a3b")
    table = weight_table(model, "cpu")
    parts = (*table.layer_bytes, *table.expert_bytes, table.input_bytes, table.output_bytes, table.rope_bytes)
    measured_on_the_host = 17_693 * (1 << 20)  # Q4_K_M of 30.5 billion parameters, 17.28 GiB
    assert abs(sum(parts) - measured_on_the_host) < 0.01 * measured_on_the_host


def test_rows_are_filled_up_on_cuda_only() -> None:
    model = model_of("llama-3.1-8b")
    odd = replace(model, tensors=(*model.tensors, Tensor("blk.0.extra.weight", (288, 4), "Q8_0")))
    extra = {
        kind: weight_table(odd, kind).layer_bytes[0] - weight_table(model, kind).layer_bytes[0]
        for kind in ("cuda", "cpu")
    }
    assert extra["cpu"] == 4 * 288 // 32 * 34 + 24  # up to a multiple of 32
    assert extra["cuda"] == 4 * 288 // 32 * 34 + (512 - 288) // 32 * 34 + 74  # up to one of 128


def test_layers_that_predict_further_tokens_are_not_loaded() -> None:
    model = model_of("llama-3.1-8b")
    assert weight_table(replace(model, n_predictor_layers=1), "cuda").layer_bytes[-1] == 0
