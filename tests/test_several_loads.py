"""Of a script or a compose file that loads several models, each is judged, those beside each other together."""

import pytest
from commands_found import find_command

from estimator.verdict import Level
from launches.command import Command
from launches.errors import UnknownProgram
from launches.loads import read_loads
from probes.sampler import take_one
from probes.simulate import simulated_sources
from tui.guard import REFUSED, Terminal, run_guarded
from tui.judging import judge
from tui.manner import Manner

SMALL = "vllm serve Qwen/Qwen3-0.6B --max-model-len 2048 --gpu-memory-utilization 0.3"
LARGE = "vllm serve Qwen/Qwen2.5-72B-Instruct"
HALF = "vllm serve Qwen/Qwen3-0.6B --max-model-len 2048 --gpu-memory-utilization 0.6"


def machine():
    return take_one(simulated_sources("RTX 4090, RAM 64GiB"), 5.0)


def guarded(script):
    terminal = Terminal(is_there=False, ask=lambda _: "")
    return run_guarded(
        Command(arguments=("bash", "-c", script)), machine, Manner(), terminal=terminal, start=lambda _: 42
    )


def judged(script):
    return find_command(Command(arguments=("bash", "-c", script)), machine())


@pytest.mark.parametrize("script", [f"{SMALL} & {LARGE} & wait", f"{SMALL}; {LARGE}", f"{SMALL}\n{SMALL}\n{LARGE}"])
def test_of_a_scripts_loads_the_one_that_goes_worst_counts(script):
    finding = judged(script)
    assert (finding.assessment.verdict.level, finding.model.name) == (Level.FAILS, "Qwen2.5 72B")
    assert guarded(script) == REFUSED


@pytest.mark.parametrize(
    ("script", "level"),
    [
        (f"{HALF} & {HALF}", Level.FAILS),
        (f"{HALF} > a.log 2>&1 & sleep 9\n{HALF}", Level.FAILS),
        (f"{SMALL} & {SMALL}; {HALF}", Level.FITS),
        (f"{HALF} 2>&1 && {HALF}", Level.FITS),
        (f"{HALF} & wait; {HALF}", Level.FITS),
    ],
)
def test_loads_that_run_beside_each_other_count_together_and_others_do_not(script, level):
    assert judged(script).assessment.verdict.level is level


PARTED = [
    (f"if nvidia-smi; then {SMALL}; else {LARGE}; fi", LARGE, "where `nvidia-smi` fails"),
    (f"[ -f x ] || {LARGE}; {SMALL}", LARGE, "where `[ -f x ]` does not hold"),
    (
        f"[ -f /etc/passwd ] && M={LARGE[11:]} || M={SMALL[11:27]}; vllm serve $M",
        LARGE,
        "where `[ -f /etc/passwd ]` holds",
    ),
    (f"[ -f x ] && {LARGE}; {SMALL}", LARGE, "where `[ -f x ]` holds"),
    (f"[ -f x ] && exec {LARGE}; exec {SMALL}", LARGE, "where `[ -f x ]` holds"),
    (f"case $1 in big) {LARGE};; *) {SMALL};; esac", LARGE, "where `$1` is `big`"),
    (f'if [ "$1" = big ]; then {LARGE}; else {SMALL}; fi', LARGE, 'where `[ "$1" = big ]` holds'),
    (f"V=$(nvidia-smi -q); if [ $V -gt 9 ]; then {LARGE}; else {SMALL}; fi", LARGE, "where `[ $V -gt 9 ]` holds"),
    (
        f"A=1; if [ $A = 1 ] && [ $A = 2 ]; then {LARGE}; else {SMALL}; fi",
        LARGE,
        "where `[ $A = 1 ] && [ $A = 2 ]` holds",
    ),
    (f"{HALF} & if nvidia-smi; then {HALF}; else wait; {SMALL}; fi", HALF, "where `nvidia-smi` succeeds"),
    (f"{HALF} & if nvidia-smi; then {HALF}; else wait; {HALF}; fi", HALF, "on another way through the script"),
    (f"if nvidia-smi; then {SMALL} --port 81 & {HALF} --port 82 & fi; {HALF}", HALF, "where `nvidia-smi` succeeds"),
]


@pytest.mark.parametrize(("script", "load", "branch"), PARTED)
def test_where_only_some_branches_fit_it_is_tight_and_the_load_that_does_not_is_named(script, load, branch):
    verdict = judged(script).assessment.verdict
    assert verdict.level is Level.TIGHT
    assert f"{' '.join(load.split()[:3])} would not fit, {branch}: " in verdict.reason


@pytest.mark.parametrize("script", [PARTED[0][0], PARTED[-3][0]])
def test_where_only_some_branches_fit_it_is_started_unless_strict(script):
    strict = find_command(Command(arguments=("bash", "-c", script)), machine(), is_strict=True)
    assert (judged(script).exit_status, guarded(script), strict.exit_status) == (0, 42, 1)


def test_the_figures_are_of_what_has_room_where_only_some_branches_fit():
    finding = judged(PARTED[0][0])
    assert finding.model.name == "Qwen3 0.6B"
    assert "goes worst where there is room for all: vllm serve Qwen/Qwen3-0.6B" in finding.notes[0]


def test_only_what_has_room_is_claimed_where_only_some_branches_fit():
    def claimed(script):
        loads = read_loads(Command(arguments=("bash", "-c", script)))
        return judge(loads, machine(), Manner()).n_bytes

    assert claimed(PARTED[0][0]) == claimed(SMALL)


@pytest.mark.parametrize(
    "script",
    [
        f"if nvidia-smi; then {LARGE}; fi",
        f"[ -f x ] && {LARGE}",
        f"{SMALL} && {LARGE}",
        f"{LARGE} || {SMALL}",
        f"if nvidia-smi; then {LARGE}; else {LARGE} --port 81; fi",
        f"if nvidia-smi; then {SMALL}; else echo; fi; {LARGE}",
        f"if nvidia-smi; then {LARGE}; else vllm serve ./nowhere; fi",
    ],
)
def test_where_no_branch_fits_it_does_not(script):
    assert judged(script).assessment.verdict.level is Level.FAILS
    assert guarded(script) == REFUSED


def test_the_only_branch_that_loads_is_named():
    assert "where `nvidia-smi` succeeds" in judged(f"if nvidia-smi; then {LARGE}; fi").notes[0]


@pytest.mark.parametrize(
    "script",
    [
        f"if nvidia-smi; then {SMALL}; else {HALF}; fi",
        f"if nvidia-smi; then {LARGE}; else {LARGE} --port 81; fi",
        f"{SMALL}; if nvidia-smi; then export X=1; else export X=2; fi; {LARGE}",
        f"if nvidia-smi; then {SMALL}; fi",
    ],
)
def test_where_all_branches_go_alike_none_is_named(script):
    assert not any("where `" in note for note in judged(script).notes)


@pytest.mark.parametrize("script", [f"{SMALL}; make big", f"make big & {SMALL}", f"if [ -f x ]; then ./x; fi; {SMALL}"])
def test_beside_what_is_not_recognised_a_fit_is_not_sure(script):
    verdict = judged(script).assessment.verdict
    assert verdict.level is Level.TIGHT
    assert "only what is recognised was judged" in verdict.reason
    assert find_command(Command(arguments=("bash", "-c", script)), machine(), is_strict=True).exit_status == 1


def test_services_of_a_compose_file_count_together(tmp_path):
    service = "  {}:\n    image: vllm/vllm-openai\n    gpus: all\n    command: --model {}\n"
    words = ("docker", "compose", "up")
    own = "Qwen/Qwen3-0.6B --max-model-len 2048 --gpu-memory-utilization 0.6"
    path = tmp_path / "compose.yaml"
    found = []
    for models in ((own,), (own, own), (own, "Qwen/Qwen2.5-72B-Instruct")):
        path.write_text("services:\n" + "".join(service.format(f"s{n}", model) for n, model in enumerate(models)))
        finding = find_command(Command(arguments=words, directory=str(tmp_path)), machine())
        found.append((finding.assessment.verdict.level, finding.model.name))
    assert found == [
        (Level.FITS, "Qwen3 0.6B"),
        (Level.FAILS, "Qwen3 0.6B"),
        (Level.FAILS, "Qwen2.5 72B"),
    ]


SERVED = """services:
  a:
    image: vllm/vllm-openai
    gpus: all
    command: --model Qwen/Qwen3-0.6B --max-model-len 2048 --gpu-memory-utilization 0.3
"""


def composed(folder, *words, text=SERVED, name="compose.yaml", **environment):
    (folder / name).write_text(text)
    command = Command(arguments=("docker", "compose", *words), directory=str(folder), environment=environment)
    return find_command(command, machine()).assessment.verdict.level


@pytest.mark.parametrize(
    ("words", "own", "level"),
    [
        (("up",), "", Level.FITS),
        (("up", "--scale", "a=3"), "", Level.FITS),
        (("up", "--scale", "a=4"), "", Level.FAILS),
        (("up", "-d", "--scale=a=4"), "", Level.FAILS),
        (("up",), "    scale: 4\n", Level.FAILS),
        (("up",), "    deploy: {replicas: 4}\n", Level.FAILS),
        (("up", "--scale", "a=1"), "    deploy: {replicas: 4}\n", Level.FITS),
        (("run", "a"), "    deploy: {replicas: 4}\n", Level.FITS),
        (("up", "--scale", "b=4"), "", Level.FITS),
    ],
)
def test_copies_of_a_service_count_together(tmp_path, words, own, level):
    assert composed(tmp_path, *words, text=SERVED + own) is level


def test_copies_beyond_those_that_are_judged_are_named(tmp_path):
    many = SERVED.replace("0.3", "0.05")
    (tmp_path / "compose.yaml").write_text(many)
    command = Command(arguments=("docker", "compose", "up", "--scale", "a=500"), directory=str(tmp_path))
    assert read_loads(command)[0].launches[0].unknown == ("a (a service that starts vllm serve)",)
    assert len(read_loads(command)) < 10


LARGER = SERVED.replace("Qwen3-0.6B", "Qwen2.5-72B-Instruct")


def test_the_file_that_a_variable_names_is_read(tmp_path):
    (tmp_path / "other.yml").write_text(LARGER)
    assert composed(tmp_path, "up") is Level.FITS
    assert composed(tmp_path, "up", COMPOSE_FILE="other.yml") is Level.FAILS
    assert composed(tmp_path, "up", COMPOSE_FILE="compose.yaml,other.yml", COMPOSE_PATH_SEPARATOR=",") is Level.FAILS
    (tmp_path / ".env").write_text("COMPOSE_FILE=other.yml\n")
    assert composed(tmp_path, "up") is Level.FAILS
    assert composed(tmp_path, "-f", "compose.yaml", "up") is Level.FITS


def test_a_service_of_one_of_the_profiles_that_a_variable_names_is_started(tmp_path):
    text = SERVED + LARGER.partition("\n")[2].replace("  a:", "  b:\n    profiles: [big, huge]")
    assert composed(tmp_path, "up", text=text) is Level.FITS
    assert composed(tmp_path, "up", text=text, COMPOSE_PROFILES="x,big") is Level.FAILS
    assert composed(tmp_path, "--profile", "*", "up", text=text) is Level.FAILS


def test_a_second_model_that_cannot_be_read_is_no_sure_fit():
    verdict = judged(f"{SMALL} & llama-server -m nowhere.gguf").assessment.verdict
    assert verdict.level is Level.TIGHT
    assert "nowhere.gguf: no such file" in verdict.reason


def test_a_server_that_names_no_model_hides_no_load():
    assert guarded(f"OLLAMA_HOST=0.0.0.0 ollama serve & {LARGE}") == REFUSED


@pytest.mark.parametrize("needs", ["[a]", "{a: {condition: service_healthy}}"])
@pytest.mark.parametrize("task", ["up", "run"])
def test_what_a_named_service_depends_on_is_started_too(tmp_path, needs, task):
    text = f"{LARGER}  b:\n    image: app\n    depends_on: {needs}\n  c:\n    image: web\n    depends_on: [b, c]\n"
    assert composed(tmp_path, task, "c", text=text) is Level.FAILS
    with pytest.raises(UnknownProgram):
        composed(tmp_path, task, "--no-deps", "c", text=text)


def test_loads_on_devices_of_their_own_do_not_count_together():
    own = f"CUDA_VISIBLE_DEVICES=0 {HALF} & CUDA_VISIBLE_DEVICES={{}} {HALF}"
    found = []
    for device in (0, 1):
        snapshot = take_one(simulated_sources("2x RTX 4090, RAM 64GiB"), 5.0)
        finding = find_command(Command(arguments=("bash", "-c", own.format(device))), snapshot)
        found.append(finding.assessment.verdict.level)
    assert found == [Level.FAILS, Level.FITS]


def test_each_round_of_a_loop_is_judged_on_its_device():
    script = f"for i in {{0..1}}; do CUDA_VISIBLE_DEVICES=$i {HALF} & done; wait"
    snapshot = take_one(simulated_sources("2x RTX 4090, RAM 64GiB"), 5.0)
    finding = find_command(Command(arguments=("bash", "-c", script)), snapshot)
    assert finding.assessment.verdict.level is Level.FITS


def test_what_comes_behind_a_job_is_judged_beside_the_largest_part_of_it():
    assert judged(f"({SMALL}; {HALF}) & {HALF}").assessment.verdict.level is Level.FAILS
    assert judged(f"({SMALL}; {SMALL}) & {HALF}").assessment.verdict.level is Level.FITS
