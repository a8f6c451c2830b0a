"""TabbyAPI is read as it reads itself."""

import pytest
from command_lines import launches_of

from launches.errors import NoLaunch, UnknownProgram

FLAGS = "--model-name a --max-seq-len 8192"


def read(text: str, **environment: str):
    (launch,) = launches_of(text, **environment)
    return launch


@pytest.mark.parametrize(
    "text",
    [
        f"python main.py {FLAGS}",
        f"./tabbyAPI/start.sh {FLAGS}",
        f"bash /opt/tabbyAPI/start.sh {FLAGS}",
        f"cd tabbyAPI && python start.py {FLAGS}",
        f"docker run --gpus all -v /m:/app/models ghcr.io/theroyallab/tabbyapi main.py {FLAGS}",
    ],
)
def test_it_is_told_by_its_folder_or_its_flags(text):
    launch = read(text)
    assert (launch.engine_name, launch.context_tokens, launch.kv_type) == ("exllama", 8192, None)


@pytest.mark.parametrize("text", ["python main.py", "python main.py --model-name a", "./start.sh --port 1"])
def test_another_main_is_none_of_its(text):
    with pytest.raises(UnknownProgram):
        launches_of(text)


def test_flags_count_over_the_file_beside_it(tmp_path):
    folder = tmp_path / "tabbyAPI"
    folder.mkdir()
    (folder / "config.yml").write_text(
        "network:\n  port: 5001\nmodel:\n  model_dir: /m\n  model_name: a\n  max_seq_len: 4096\n  cache_size: 16384\n"
        "  cache_mode: Q6\n  gpu_split: [20.5, 24]\n  max_batch_size: 4\n"
    )
    launch = read(f"{folder}/start.sh --cache-mode Q4 --chunk-size 512")
    assert (launch.source, launch.context_tokens, launch.n_sequences, launch.kv_type) == ("/m/a", 16384, 4, "q4")
    assert (launch.options.gpu_split, launch.options.chunk_size) == ((20.5, 24), 512)
    assert launch.address == ("127.0.0.1", 5001)


def test_a_file_that_is_named_counts_over_the_flags(tmp_path):
    (tmp_path / "c.yml").write_text("model:\n  max_seq_len: 1024\n")
    assert read(f"python tabbyAPI/main.py {FLAGS} --config {tmp_path}/c.yml").context_tokens == 1024


def test_a_setting_may_be_a_variable():
    assert read("tabbyAPI/start.sh --model-name a", TABBY_MODEL_MAX_SEQ_LEN="2048").context_tokens == 2048


@pytest.mark.parametrize(
    ("mode", "kv_type"), [("FP16", None), ("8,8", "q8"), ("6,4", "q6"), ("4,3", "q4"), ("q6", "q6")]
)
def test_a_cache_is_named_or_counted_in_bits(mode, kv_type):
    assert read(f"tabbyAPI/start.sh {FLAGS} --cache-mode {mode}").kv_type == kv_type


def test_a_mode_that_there_is_not_is_refused():
    assert "--cache-mode" in read(f"tabbyAPI/start.sh {FLAGS} --cache-mode 9,9").refusal


@pytest.mark.parametrize("text", ["tabbyAPI/start.sh download a/b", "tabbyAPI/start.sh --help"])
def test_what_loads_nothing_is_said_to_load_nothing(text):
    with pytest.raises(NoLaunch):
        launches_of(text)


def test_what_its_file_says_and_is_in_no_list_is_named(tmp_path):
    folder = tmp_path / "tabbyAPI"
    folder.mkdir()
    (folder / "config.yml").write_text("model:\n  model_name: a\n  expert_cache: 4\n  vision_depth:\nextra:\n  b: 1\n")
    unknown = read(f"cd {folder} && python main.py").unknown
    assert [word.split()[0] for word in unknown] == ["model.expert_cache", "extra.b"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--cpu-moe-split-experts 232", "232 experts of each layer"),
        ("--ngram-ram true", "n-grams in RAM"),
        ("--vision-offload true", "encoder that goes to RAM"),
        ("--sysmem-kv-cache 4096 --sysmem-recurrent-cache 1024", "5120 MiB of RAM"),
    ],
)
def test_what_it_holds_in_ram_is_said(flags, said):
    assert [said in doubt for doubt in read(f"cd tabbyAPI && python main.py {FLAGS} {flags}").doubts] == [True]


def test_pieces_of_a_prompt_are_whole_pages():
    assert read(f"cd tabbyAPI && python main.py {FLAGS} --chunk-size 1000").options.chunk_size == 1024
