"""A command is started unchanged where it has room, and stood in the way of where it has none."""

from dataclasses import dataclass, field, replace
from shlex import split

import pytest
from commands_found import find_command

from estimator.reader import read_model
from estimator.verdict import Level
from launches.command import Command
from launches.launch import read_launches
from probes.sampler import take_one
from probes.simulate import simulated_sources
from probes.snapshot import Process
from tui.command_report import report_command
from tui.guard import REFUSED, Terminal, run_guarded
from tui.guarding import is_command
from tui.handover import uncoerced
from tui.launched import find_launch
from tui.manner import Manner
from tui.recognised import Phase, Predicted, Recognised
from tui.report import finding_text
from tui.schema import finding_json

FITS = ("vllm", "serve", "Qwen/Qwen2.5-7B-Instruct", "--max-model-len", "8192")
TOO_LONG = ("vllm", "serve", "meta-llama/Llama-3.1-8B-Instruct", "--max-model-len", "131072")
TOO_LARGE = ("vllm", "serve", "Qwen/Qwen2.5-72B-Instruct")
ENGINE_STATUS = 42


def machine(text="RTX 4090, RAM 64GiB"):
    return take_one(simulated_sources(text), 5.0)


@dataclass
class Start:
    """Stands for exec, which does not return."""

    commands: list = field(default_factory=list)

    def __call__(self, command):
        self.commands.append(command)
        return ENGINE_STATUS


def guarded(words, *, manner=None, answer=None, snapshot=machine, **environment):
    start = Start()
    status = run_guarded(
        Command(arguments=words, environment=environment),
        snapshot,
        manner or Manner(),
        terminal=Terminal(is_there=answer is not None, ask=lambda _: answer or ""),
        start=start,
        sleep=lambda _: None,
    )
    return status, [command.arguments for command in start.commands]


def test_what_fits_is_started_as_it_was_typed():
    assert guarded(FITS) == (ENGINE_STATUS, [FITS])


def test_what_does_not_fit_is_refused_before_anything_starts(capsys):
    assert guarded(TOO_LARGE) == (REFUSED, [])
    assert "FAILS" in capsys.readouterr().err


MENTIONED = (
    ("claude", " ".join(TOO_LARGE)),
    ("claude", "-p", f"{' '.join(TOO_LARGE)} gives OOM, why?"),
    ("figlet", *TOO_LARGE),
)
"""An unknown program, and words of its own that would start an engine if it gave them to a shell."""


@pytest.mark.parametrize("words", MENTIONED)
def test_what_an_unknown_program_may_only_read_is_warned_of_and_started(words, capsys):
    assert guarded(words) == (ENGINE_STATUS, [words])
    assert "FAILS" in capsys.readouterr().err


@pytest.mark.parametrize("words", MENTIONED)
def test_strictly_what_an_unknown_program_may_start_is_refused(words):
    assert guarded(words, manner=Manner(is_strict=True)) == (REFUSED, [])


@pytest.mark.parametrize("before", [("secrets", "run", "--"), ("uvx", "--newer-option", "auto")])
def test_behind_two_dashes_or_a_known_wrapper_it_is_no_guess(before):
    assert guarded((*before, *TOO_LARGE)) == (REFUSED, [])


def test_what_cargo_runs_is_its_own_program():
    words = ("cargo", "run", "--", *TOO_LARGE)
    assert guarded(words) == (ENGINE_STATUS, [words])


def test_nothing_is_said_on_the_standard_output(capsys):
    guarded(TOO_LARGE)
    guarded(FITS, answer="y")
    assert capsys.readouterr().out == ""


def test_on_a_terminal_the_person_decides():
    assert guarded(TOO_LARGE, answer="y") == (ENGINE_STATUS, [TOO_LARGE])
    assert guarded(TOO_LARGE, answer="n") == (REFUSED, [])
    assert guarded(TOO_LARGE, answer="") == (REFUSED, [])


def test_yes_starts_it_and_says_what_is_wrong(capsys):
    assert guarded(TOO_LARGE, manner=Manner(is_agreed=True)) == (ENGINE_STATUS, [TOO_LARGE])
    assert "FAILS" in capsys.readouterr().err


def test_the_flags_that_would_fit_are_said_in_the_commands_own_words(capsys):
    guarded(TOO_LONG)
    lines = [line for line in capsys.readouterr().err.splitlines() if "vllm serve" in line]
    assert any("--max-model-len" in line and "131072" not in line for line in lines)


def test_a_length_left_to_the_engine_fits_and_the_longest_that_surely_would_is_said():
    finding = find_command(
        Command(arguments=("vllm", "serve", "meta-llama/Llama-3.1-8B-Instruct", "--max-model-len", "auto")), machine()
    )
    assert (finding.assessment.verdict.level, finding.assessment.verdict.reason) == (Level.FITS, "")
    assert 16384 < finding.advice.longest_context_tokens < finding.plan.workload.context_tokens < 131072


def test_a_proposed_command_is_let_through():
    finding = find_command(Command(arguments=TOO_LONG), machine())
    proposed = next(line for line in finding.rewrites if "--max-model-len" in line)
    assert guarded(tuple(proposed.split()))[0] == ENGINE_STATUS


LEFT_TO_IT = ("llama-server", "-hf", "bartowski/Llama-3.3-70B-Instruct-GGUF:Q4_K_M", "-c", "4096")
SMALL = ("llama-server", "-hf", "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q8_0", "-c", "8192")


REFUSED_CACHE = (*SMALL, "-fa", "off", "-ctv", "q8_0")


def test_what_the_engine_is_known_to_refuse_fails_and_is_not_started(capsys):
    finding = find_command(Command(arguments=REFUSED_CACHE), machine())
    assert (finding.is_refused, finding.exit_status) == (True, 1)
    assert "FAILS" in finding_text(finding)
    assert finding_json(finding)["verdict"]["level"] == "fails"
    assert guarded(REFUSED_CACHE) == (REFUSED, [])
    assert "flash attention" in " ".join(capsys.readouterr().err.split())


def test_quantised_keys_alone_are_not_refused():
    finding = find_command(Command(arguments=(*SMALL, "-fa", "off", "-ctk", "q8_0")), machine())
    assert finding.assessment.verdict.level is Level.FITS


def test_a_refusal_is_not_waited_for():
    assert guarded(REFUSED_CACHE, manner=Manner(wait_seconds=1e9)) == (REFUSED, [])


def test_of_several_loads_of_one_level_the_one_nearest_to_the_line_is_told():
    alone = find_command(Command(arguments=("llama-bench", *SMALL[1:3], "-ngl", "99")), machine())
    both = find_command(Command(arguments=("llama-bench", *SMALL[1:3], "-ngl", "0,99")), machine())
    assert alone.assessment.verdict.level is both.assessment.verdict.level is Level.FITS
    assert both.assessment.verdict.headroom_bytes == alone.assessment.verdict.headroom_bytes


@pytest.mark.parametrize(
    ("words", "variables"),
    [(("ssh", "gpu01", *SMALL), {}), (("ollama", "run", "qwen3:8b"), {"OLLAMA_HOST": "10.0.0.5"})],
)
def test_what_is_loaded_elsewhere_is_not_judged(words, variables, capsys):
    assert report_command(Command(arguments=words, environment=variables), machine, Manner()) == 3
    assert guarded(words, **variables) == (ENGINE_STATUS, [words])
    assert guarded(words, manner=Manner(is_strict=True), **variables) == (3, [])
    assert "machine" in capsys.readouterr().err


def test_what_loads_nothing_is_no_failure(capsys):
    assert report_command(Command(arguments=("ollama", "list")), machine, Manner()) == 0


def test_where_the_engine_would_put_it_is_told_by_place():
    finding = find_command(Command(arguments=LEFT_TO_IT), machine())
    gpu, ram = finding_json(finding)["places"]
    assert gpu["settled_load_bytes"] < gpu["free_bytes"] < gpu["load_bytes"]
    assert ram["settled_load_bytes"] > 10 * ram["load_bytes"]
    assert "as llama.cpp would place it: GPU 0" in " ".join(finding_text(finding).split())


def test_ram_that_the_engines_own_plan_would_just_fill_is_tight():
    n_needed = find_command(Command(arguments=LEFT_TO_IT), machine()).settled.n_bytes(["RAM"])
    finding = find_command(Command(arguments=LEFT_TO_IT), machine(f"RTX 4090, RAM {n_needed / 2**30 + 0.1:.1f}GiB"))
    assert "RAM is tight then" in finding.assessment.verdict.reason


SEEING = ("llama-server", "-hf", "ggml-org/gemma-3-27b-it-GGUF:Q4_K_M", "-c", "65536", "-ngl", "99")


@pytest.mark.parametrize(
    ("words", "level"),
    [
        (SEEING, Level.TIGHT),
        ((*SEEING, "--no-mmproj"), Level.FITS),
        (("llama-bench", *SEEING[1:3], "-d", "65536"), Level.FITS),
    ],
)
def test_an_image_part_that_a_repository_brings_is_room_that_is_not_sure(words, level):
    assert find_command(Command(arguments=words), machine()).assessment.verdict.level is level


def test_of_a_model_that_only_reads_no_image_part_is_told():
    words = ("llama-server", "-hf", "ggml-org/Qwen3-8B-GGUF:Q4_K_M", "-c", "8192")
    assert not any("image" in doubt for doubt in find_command(Command(arguments=words), machine()).doubts)


def test_what_ollama_would_fetch_may_bring_an_image_part():
    finding = find_command(Command(arguments=("ollama", "run", "gemma3:27b")), machine())
    assert any(term.label.startswith("mmproj") for term in finding.assessment.estimate.terms)


def test_layers_that_are_left_to_the_engine_are_as_asked_and_what_they_cost_is_said(capsys):
    assert guarded(LEFT_TO_IT) == (ENGINE_STATUS, [LEFT_TO_IT])
    told = " ".join(capsys.readouterr().err.split())
    assert "SPILLS" in told
    assert "layers to the CPU, which the command lets it choose" in told
    assert "times slower" in told


def test_what_ollama_answers_is_of_what_it_would_do():
    busy = machine("RTX 4090, used 16GiB, RAM 32GiB")
    finding = find_command(Command(arguments=("ollama", "run", "llama3.1:8b")), busy)
    n_layers = finding.assessment.fallback.n_gpu_layers
    told = next(line for line in finding_text(finding).splitlines() if "layers on the GPU" in line)
    assert told.split()[-3:] == [str(n_layers), "of", "33"]


def test_a_hostile_word_of_a_command_is_told_without_its_escapes(capsys):
    words = (*SMALL[:-1], "65536", "--alias", "a\x1b[2Jb")
    busy = machine("RTX 4090, used 10GiB, RAM 64GiB")
    assert guarded(words, snapshot=lambda: busy) == (ENGINE_STATUS, [words])
    told = capsys.readouterr().err
    assert "would fit with" in told
    assert "\x1b" not in told


def test_strictly_no_layer_may_spill():
    assert guarded(LEFT_TO_IT, manner=Manner(is_strict=True)) == (REFUSED, [])


def test_layers_that_were_asked_for_and_have_no_room_are_refused():
    assert guarded((*LEFT_TO_IT, "-ngl", "99")) == (REFUSED, [])


def other_engine(_):
    """Holds 12 GiB of RAM."""
    return (
        Recognised(
            pid=77,
            started_ticks=1,
            pids=frozenset({77, 78}),
            program="llama-server",
            engine_name="llamacpp",
            model_name="Qwen3 8B",
            held={"RAM": 12 << 30},
        ),
    )


def test_who_holds_the_ram_that_is_short_is_named(capsys):
    words = (
        "llama-server",
        "-hf",
        "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q8_0",
        "-c",
        "8192",
        "--load-mode",
        "none",
    )
    short = machine("RAM 16GiB, RAM used 12GiB")
    assert guarded(words, manner=Manner(neighbours=other_engine), snapshot=lambda: short) == (REFUSED, [])
    assert "after stopping 77 (12.0 GiB, Qwen3 8B in llama-server)" in capsys.readouterr().err


def test_nobody_is_looked_for_where_it_fits():
    def refuse(_):
        raise AssertionError

    assert guarded(FITS, manner=Manner(neighbours=refuse))[0] == ENGINE_STATUS


def test_what_the_engine_would_leave_to_a_disk_is_refused():
    assert guarded(LEFT_TO_IT, snapshot=lambda: machine("RTX 4090, RAM 16GiB")) == (REFUSED, [])


def test_of_a_choice_of_the_engine_only_what_keeps_all_on_the_gpu_is_proposed():
    busy = machine("RTX 4090, used 16GiB, RAM 64GiB")
    finding = find_command(Command(arguments=(*SMALL[:-1], "65536")), busy)
    assert (finding.exit_status, finding.assessment.verdict.level) == (0, Level.SPILLS)
    assert all("-ngl" not in line for line in finding.rewrites)


def test_waiting_goes_on_while_layers_would_spill(capsys):
    readings = [machine("RTX 4090, used 20GiB, RAM 64GiB"), machine("RTX 4090, used 20GiB, RAM 64GiB"), machine()]
    status = guarded(SMALL, manner=Manner(wait_seconds=60), snapshot=lambda: readings.pop(0))
    assert (status, readings) == ((ENGINE_STATUS, [SMALL]), [])
    assert "waiting: GPU 0 has" in capsys.readouterr().err


def test_what_would_always_spill_is_started_without_waiting(capsys):
    assert guarded(LEFT_TO_IT, manner=Manner(wait_seconds=1e9)) == (ENGINE_STATUS, [LEFT_TO_IT])
    assert "not waited for" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        'vllm serve Qwen/Qwen3-0.6B --speculative-config \'{"model":"Qwen/Qwen3-32B"}\'',
        "vllm serve Qwen/Qwen3-0.6B --enable-lora",
        "python -m sglang.launch_server --model-path Qwen/Qwen3-0.6B --speculative-draft-model-path Qwen/Qwen3-32B",
        "llama-server -m Qwen3-0.6B.gguf -c 4096 --lora large.gguf",
        "bash -c 'llama-server -hf Qwen/Qwen3-0.6B-GGUF -c 4096 & llama-server -m b.gguf'",
        "mlx_lm.server --model Qwen/Qwen3-0.6B --draft-model Qwen/Qwen3-32B",
        "koboldcpp Qwen3-0.6B.gguf --usemtp",
        "text-generation-launcher --model-id Qwen/Qwen3-0.6B --lora-adapters a/b",
    ],
)
def test_memory_that_is_not_counted_makes_a_fit_tight(line):
    words = tuple(word.replace("Qwen3-0.6B.gguf", "Qwen3 0.6B") for word in split(line))
    verdict = find_command(Command(arguments=words), machine()).assessment.verdict
    assert verdict.level is Level.TIGHT
    assert "counted" in verdict.reason


def test_an_option_that_is_not_known_makes_a_fit_tight(capsys):
    words = (*FITS, "--quite-new-option", "7")
    assert guarded(words, manner=Manner(is_strict=True)) == (REFUSED, [])
    assert "--quite-new-option" in capsys.readouterr().err
    assert guarded(words) == (ENGINE_STATUS, [words])


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("vllm serve nobody/nothing-1b", "once its configuration is here (hf download nobody/nothing-1b config.json)"),
        ("llama-server -hf nobody/nothing-1b-GGUF", "once its file is here"),
        ("ollama run nothing-known", "once it is here (ollama pull nothing-known)"),
    ],
)
def test_of_a_model_that_nobody_knows_it_is_said_what_makes_it_known(line, hint, capsys):
    guarded(tuple(line.split()))
    assert hint in capsys.readouterr().err


def test_a_command_is_told_no_option_of_ours(capsys):
    guarded(FITS, snapshot=lambda: machine("RAM 64GiB"))
    told = capsys.readouterr().err
    assert "there is none here" in told
    assert "--engine" not in told


def test_an_option_that_is_not_known_is_named_of_a_tight_load_too(capsys):
    words = (*SMALL[:-1], "125000", "-np", "1", "-ngl", "99", "--quite-new-option", "7")
    assert guarded(words)[0] == ENGINE_STATUS
    told = capsys.readouterr().err
    assert "TIGHT" in told
    assert "--quite-new-option" in told


def test_no_line_is_offered_that_the_engine_would_refuse_as_well():
    words = ("vllm", "serve", "Qwen/Qwen3-8B", "--gpu-memory-utilization", "1.5")
    finding = find_command(Command(arguments=words), machine())
    printed = [line for line in finding.rewrites if line]
    assert printed
    assert not any("1.5" in line for line in printed)


def test_a_program_that_is_not_known_is_started_and_named(capsys):
    assert guarded(("ls", "-l")) == (ENGINE_STATUS, [("ls", "-l")])
    assert "ls is no engine" in capsys.readouterr().err


def test_strictly_a_program_that_is_not_known_is_not_started():
    assert guarded(("ls", "-l"), manner=Manner(is_strict=True)) == (3, [])


def test_a_command_that_loads_nothing_is_started_without_a_word(capsys):
    assert guarded(("vllm", "--version")) == (ENGINE_STATUS, [("vllm", "--version")])
    assert capsys.readouterr().err == ""


def test_waiting_lasts_until_there_is_room():
    readings = [machine("RTX 4090, used 20GiB, RAM 64GiB"), machine("RTX 4090, used 20GiB, RAM 64GiB"), machine()]
    status = guarded(FITS, manner=Manner(wait_seconds=60), snapshot=lambda: readings.pop(0))
    assert (status, readings) == ((ENGINE_STATUS, [FITS]), [])


def test_waiting_ends_with_a_refusal():
    busy = machine("RTX 4090, used 20GiB, RAM 64GiB")
    assert guarded(FITS, manner=Manner(wait_seconds=0), snapshot=lambda: busy) == (REFUSED, [])


def test_an_environment_decides_which_devices_count():
    two = machine("2x RTX 4090, RAM 64GiB")
    words = (*FITS, "--tensor-parallel-size", "2")
    assert guarded(words, snapshot=lambda: two)[0] == ENGINE_STATUS


@pytest.mark.parametrize("words", [FITS, TOO_LONG, TOO_LARGE])
def test_a_check_and_the_guard_say_the_same(words):
    finding = find_command(Command(arguments=words), machine())
    assert (finding.exit_status == 0) == (guarded(words)[0] == ENGINE_STATUS)


def test_a_report_of_a_command_proposes_no_other_line():
    text = finding_text(find_command(Command(arguments=FITS), machine()))
    assert "vllm serve" not in text


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("docker run vllm/vllm-openai --model a/b", True),
        ("docker ps", True),
        ("docker run alpine ls", False),
        ("bash -c 'vllm serve a/b'", True),
        ("my models/a model.gguf", False),
    ],
)
def test_a_line_in_one_word_is_a_command_where_an_engine_is_found_in_it(line, is_one):
    assert is_command([line]) is is_one


def test_a_model_shared_with_other_machines_is_not_judged_by_this_one(capsys):
    words = (*FITS, "--tensor-parallel-size", "8", "--nnodes", "2")
    assert guarded(words, manner=Manner(is_strict=True)) == (3, [])
    assert "2 machines share" in capsys.readouterr().err


def test_what_would_never_have_room_is_not_waited_for(capsys):
    assert guarded(TOO_LARGE, manner=Manner(wait_seconds=1e9)) == (REFUSED, [])
    assert "even if nothing else held memory" in capsys.readouterr().err


def test_what_no_driver_could_tell_is_not_waited_for(capsys):
    words = ("llama-server", "-m", "Qwen3 0.6B", "--mmproj", "/nowhere/mmproj.gguf")
    assert guarded(words, manner=Manner(wait_seconds=1e9)) == (ENGINE_STATUS, [words])
    assert "started without a judgement" in capsys.readouterr().err


def test_what_a_driver_does_not_tell_now_is_waited_for():
    known = machine()
    silent = replace(known, pools=tuple(pool for pool in known.pools if pool.key != known.devices[0].pool_key))
    snapshots = [silent, silent, known]
    found = guarded(FITS, manner=Manner(wait_seconds=1e9), snapshot=lambda: snapshots.pop(0))
    assert (found, snapshots) == ((ENGINE_STATUS, [FITS]), [])


def test_a_value_that_the_engine_refuses_is_not_waited_for():
    words = ("vllm", "serve", "Qwen/Qwen2.5-7B-Instruct", "--max-model-len", "abc")
    assert guarded(words, manner=Manner(wait_seconds=1e9))[0] == REFUSED


def test_a_server_that_loads_later_is_started_without_a_word(capsys):
    assert guarded(("ollama", "serve"), manner=Manner(is_strict=True))[0] == ENGINE_STATUS
    assert capsys.readouterr().err == ""


def test_what_python_adds_to_its_own_environment_is_not_handed_on():
    environment = {"A": "1", "LC_CTYPE": "C.UTF-8"}
    assert uncoerced(environment, b"A=1\0") == {"A": "1"}
    assert uncoerced(environment, b"LC_CTYPE=POSIX\0A=1\0") == {"A": "1", "LC_CTYPE": "POSIX"}
    assert uncoerced(environment, b"") == environment


def test_what_would_fit_is_in_the_json_as_a_whole_command():
    advice = finding_json(find_command(Command(arguments=TOO_LONG), machine()))["advice"]
    assert [change["command"] for change in advice["changes"] if change["label"].startswith("context")] == [
        f"vllm serve meta-llama/Llama-3.1-8B-Instruct --max-model-len {advice['longest_context_tokens']}"
    ]


def test_of_a_tight_load_no_change_is_missed():
    words = ("llama-server", "-m", "Qwen3 0.6B", "-ngl", "99", "-c", "256", "-np", "1")
    tight = find_command(Command(arguments=words), machine("RTX 4090, used 23GiB, RAM 64GiB"))
    assert (tight.assessment.verdict.level, tight.advice.best_quant) == (Level.TIGHT, None)
    assert "no single change" not in finding_text(tight)


def holding(text, pid, gib):
    known = machine(text)
    process = Process(pid=pid, device_key=known.devices[0].key, used_bytes=gib << 30, name="ollama")
    return replace(known, processes=(process,))


def ollama_runner(pid, gib, **known):
    given = {"program": "ollama runner", "engine_name": "ollama", "model_name": "Qwen3 14B", **known}
    return Recognised(pid=pid, started_ticks=1, pids=frozenset({pid}), held={"GPU 0": gib << 30}, **given)


def test_what_ollama_would_end_to_make_room_counts_as_free():
    words = ("ollama", "run", "llama3.1:8b")
    full = holding("RTX 4090, used 16GiB, RAM 64GiB", 41000, 15)
    alone = find_launch(read_launches(Command(arguments=words))[0], read_model(words[2]), full)
    beside = find_launch(
        read_launches(Command(arguments=words))[0],
        read_model(words[2]),
        full,
        neighbours=lambda _: (ollama_runner(41000, 15),),
    )
    assert (alone.assessment.verdict.level, beside.assessment.verdict.level) == (Level.SPILLS, Level.FITS)
    assert beside.notes[0] == (
        "Ollama would end Qwen3 14B in ollama runner to make room, once it is idle: 15.0 GiB count as free"
    )


def test_others_are_not_ended_for_ollama():
    words = ("ollama", "run", "llama3.1:8b")
    finding = find_launch(
        read_launches(Command(arguments=words))[0],
        read_model(words[2]),
        holding("RTX 4090, used 16GiB, RAM 64GiB", 41000, 15),
        neighbours=lambda _: (ollama_runner(41000, 15, program="llama-server", engine_name="llamacpp"),),
    )
    assert finding.assessment.verdict.level is Level.SPILLS
    assert "after stopping 41000" in finding_text(finding)


def loading(pid, held_gib, predicted_gib, **known):
    n_bytes = predicted_gib << 30
    predicted = {"GPU 0": Predicted(n_bytes=n_bytes, low_bytes=n_bytes, high_bytes=n_bytes)}
    given = {"program": "llama-server", "engine_name": "llamacpp", "phase": Phase.LOADING, **known}
    held = {"GPU 0": held_gib << 30}
    return Recognised(pid=pid, started_ticks=1, pids=frozenset({pid}), predicted=predicted, held=held, **given)


BESIDE = ("llama-server", "-m", "Qwen3 8B", "-ngl", "99", "-c", "8192")


def test_what_an_engine_that_loads_will_take_counts_as_used(capsys):
    manner = Manner(launching=lambda _: (loading(41000, 1, 20),))
    assert guarded(BESIDE) == (ENGINE_STATUS, [BESIDE])
    assert guarded(BESIDE, manner=manner) == (REFUSED, [])
    told = " ".join(capsys.readouterr().err.split())
    assert "llama-server 41000 loads now: 19.0 GiB of GPU 0 that it will take count as used" in told


@pytest.mark.parametrize(
    "engine",
    [
        loading(41000, 19, 20),
        loading(41000, 1, 20, phase=Phase.RESTING),
        loading(41000, 1, 20, is_by_name=True),
        loading(41000, 1, 20, outcome="out of memory"),
    ],
    ids=["as good as loaded", "at rest", "known by name only", "will fail itself"],
)
def test_of_who_may_take_no_more_nothing_counts_as_used(engine):
    assert guarded(BESIDE, manner=Manner(launching=lambda _: (engine,))) == (ENGINE_STATUS, [BESIDE])


def test_a_launch_waits_for_memory_that_another_one_still_takes():
    others = [(loading(41000, 1, 20),), (loading(41000, 2, 20),), ()]
    manner = Manner(launching=lambda _: others.pop(0), wait_seconds=1e9)
    assert (guarded(BESIDE, manner=manner), others) == ((ENGINE_STATUS, [BESIDE]), [])


def test_a_model_that_is_not_there_is_named_without_its_password(capsys):
    guarded(["llama-server", "-m", "http://me:hunter2@host/a.gguf"])
    told = capsys.readouterr().err
    assert "no such file" in told
    assert "hunter2" not in told
