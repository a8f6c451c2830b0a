"""What stands around a command where people post it is not taken for a part of it."""

import pytest
from command_lines import launches_of

from launches.line import words_of
from launches.posting import prepared


@pytest.mark.parametrize(
    "text",
    [
        "~/dev/llama.cpp $ llama-cli -m a",
        "🐟 ❯ llama-cli -m a",
        "ik_llama.cpp$ llama-cli -m a",
        "user@host ~/dev/ik_llama.cpp $ llama-cli -m a",
        "[root@host models]# llama-cli -m a",
        "user@host ~ % llama-cli -m a",
        "[user@host]$ llama-cli -m a",
        "(env) ➜  llama.cpp git:(master) ✗ llama-cli -m a",
        "~/llama.cpp ❯ llama-cli -m a",
        "user in ~/llama.cpp on main ❯ llama-cli -m a",
        "user@host ~/llama.cpp> llama-cli -m a",
        "$> llama-cli -m a",
        "C:\\b> llama-cli ^\nMore?   -m ^\nMore?   a",
        "`$ llama-cli -m a`",
        "I run it with the command `llama-cli -m a`, and it fails.",
        "(just ```llama-cli -m a``` and then a plot)",
        "PS C:\\b> llama-cli `\n>>   -m `\n>>   a",
        "llama-cli -m a>log.txt 2>&1",
        "llama-cli -m a</dev/null",
        "Here is the command I am running: llama-cli -m a",
        "./start.sh: line 2: 18560 Aborted (core dumped) llama-cli -m a",
        "│   0  280302 C    user 23.12GiB  20   13.3  08:27 llama-cli -m a",
        "+ llama-cli -m a",
        " 1999  llama-cli -m a",
        "```bash\nllama-cli -m a\n```",
        "[Service]\nExecStartPre=/bin/sleep 1\nExecStartPre=llama-cli -m a\nExecStart=x",
        'ENTRYPOINT ["llama-cli"]\nCMD ["-m", "a"]',
        "models:\n  one:\n    cmd: llama-cli -m a",
        "[program:it]\ndirectory=/x\ncommand = llama-cli -m a\nautostart=true",
        "models:\n  one:\n    cmd: |\n      llama-cli \\\n      # a remark\n      -m a\n    ttl: 5",
        'macros:\n  "cli": llama-cli -m\nmodels:\n  one:\n    cmd: ${cli} a',
        "macros:\n  exe: llama-cli\n  cli: >\n    ${exe}\n    -m\n\nmodels:\n  one:\n    cmd: ${cli} a",
    ],
)
def test_only_the_command_is_read(text):
    assert words_of(text) == ["llama-cli", "-m", "a"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("Exec=llama-cli -m a", ["x", "llama-cli", "-m", "a"]),
        ("Exec=llama-cli \\\n  -m a", ["x", "llama-cli", "-m", "a"]),
        ("Environment=A=1 'B=2 3'", ["-e", "A=1", "-e", "B=2 3", "x"]),
        ("Volume = %h/a:/b", ["--volume", "~/a:/b", "x"]),
        ("AddDevice=-/dev/dri", ["--device", "/dev/dri", "x"]),
        ("PodmanArgs=--gpus all", ["--gpus", "all", "x"]),
        ("ContainerName=a", ["x"]),
        ("Environment='A", ["x"]),
    ],
)
def test_a_unit_of_podman_is_the_command_that_it_stands_for(setting, words):
    text = f"[Unit]\nDescription=x\n\n[Container]\n{setting}\nImage=x\n\n[Install]\nWantedBy=default.target"
    assert prepared(text).splitlines()[3].split()[:2] == ["podman", "run"]
    assert words_of(prepared(text).splitlines()[3]) == ["podman", "run", *words]


def test_a_unit_of_podman_without_an_image_is_left_as_it_is():
    assert prepared("[Container]\nA=1\n") == "[Container]\nA=1\n\n"


def test_a_shell_that_an_image_starts_takes_its_command():
    text = 'ENTRYPOINT ["/bin/sh"]\nCMD ["-c", "exec llama-cli -m a"]'
    assert words_of(text) == ["/bin/sh", "-c", "exec llama-cli -m a"]


def test_a_variable_of_llama_swap_is_one_of_the_shell():
    assert prepared("cmd: x -m ${env.HOME}/a") == "cmd: x -m ${HOME}/a"


def test_macros_that_double_with_each_line_come_to_no_end():
    lines = "".join(f"  m{n}: ${{m{n - 1}}} ${{m{n - 1}}}\n" for n in range(1, 60))
    assert len(prepared(f"macros:\n  m0: aaaaaaaa\n{lines}models:\n  x:\n    cmd: ${{m59}}\n")) < 1 << 17


def test_a_unit_starts_in_its_folder_wherever_that_line_stands():
    text = "[Service]\nExecStart=llama-cli -m a\nWorkingDirectory=%h/models"
    assert words_of(text) == ["env", "-C", "~/models", "llama-cli", "-m", "a"]


def test_an_image_starts_in_its_folder():
    assert words_of("FROM x\nWORKDIR /app\nCMD llama-cli -m a") == ["env", "-C", "/app", "llama-cli", "-m", "a"]


def test_a_list_of_launchd_is_a_command():
    text = """<key>ProgramArguments</key>
    <array>
        <string>llama-cli</string>
        <!-- model -->
        <string>-m</string>
        <string>a &amp; b</string>
    </array>"""
    assert words_of(text) == ["llama-cli", "-m", "a & b"]


@pytest.mark.parametrize(
    "text",
    ["ssh gpu llama-cli -m a", "pkill -f llama-cli -m a", "docker stop llama-cli -m a", "echo run llama-cli -m a"],
)
def test_behind_what_starts_nothing_here_no_engine_is_looked_for(text):
    assert words_of(text)[:1] != ["llama-cli"]


def test_a_file_that_is_left_out_is_no_redirection():
    assert words_of("llama-bench -m <model.gguf> -ngl 99") == ["llama-bench", "-m", "<model.gguf>", "-ngl", "99"]
    assert words_of("llama-cli -m a <in.txt >out.txt") == ["llama-cli", "-m", "a"]


@pytest.mark.parametrize(
    "word", ["/home/<user>/a.gguf", "<model>", "a->b", "<path to model>/a.gguf", "{path to model's file}"]
)
def test_what_a_person_left_out_is_no_redirection(word):
    assert words_of(f"llama-cli -m {word} -c 1")[2:-2] == [word]


@pytest.mark.parametrize(
    "text",
    [
        "vllm serve in 4090 x4\n```\nvllm serve a/b\n```\nworks",
        "```sh\nexport MODEL=a/b\n```\nand then vllm serve does not load a model\n```\nvllm serve $MODEL\n```",
        "```\ntorch.OutOfMemoryError: CUDA out of memory\n```\nof vllm serve a/b\n",
        "vllm serve a/b\n```\nvllm serve in 4090 x4\n```",
        '"vllm serve\n   a/b --max-model-len 5"',
        "'vllm serve a/b --max-model-len 5'",
        "export A=1 \\\n#B=2 \\\nvllm serve a/b",
        "export A=1 \\\n  #B=2 \\\n  # C=3\n./vllm serve a/b",
    ],
)
def test_what_is_written_around_a_command_is_no_part_of_it(text):
    (launch,) = launches_of(text)
    assert (launch.source, launch.refusal) == ("a/b", "")


def test_flags_go_on_behind_a_remark_as_they_stand():
    assert words_of("llama-cli \\\n  # -c 5 \\\n  -m a") == words_of("llama-cli # -c 5 -m a")
