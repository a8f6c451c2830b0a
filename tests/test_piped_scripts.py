"""A script that a shell reads from a pipe or a file is read where its text is there; else it is named."""

import pytest

from launches.command import Command
from launches.loads import read_loads
from launches.printed import printed_by
from launches.xargs import made_of

A, B = "vllm serve m/a", "vllm serve m/b"
FILES = {"start.sh": f"{B}\n", "list.txt": "m/b\n", "big.env": "M=m/b\n"}


def loaded(script, folder=""):
    words = ("bash", "-c", script)
    command = Command(arguments=words, environment={"PATH": "/bin"}, directory=str(folder), reads_scripts=bool(folder))
    loads = read_loads(command)
    doubts = [doubt for load in loads for launch in load.launches for doubt in launch.doubts]
    return [load.launches[0].source for load in loads], " ".join(doubts)


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        f"echo '{B}' | bash",
        f"echo '{B}' | sudo bash -s",
        f"echo '{B}' | bash -x -",
        f"echo '{B}' | tee log | sh",
        f"echo -e 'echo a\\n{B}' | bash",
        f"printf '%s\\n' 'echo a' '{B}' | bash",
        f"printf '{B}\\n' | bash &",
        f"bash <<< '{B}'",
        f'sh -s <<< "{B}"',
        f"bash <<EOF\n{B}\nEOF",
        f"cat <<EOF | bash -s\n{B}\nEOF",
        f"bash <(echo '{B}')",
        f"bash <(printf '%s\\n' 'echo a' '{B}')",
        f"bash <(echo 'echo a'; echo '{B}')",
        f"source <(echo '{B}')",
        ". <(echo 'M=m/b'); vllm serve $M",
        f"bash -c \"$(echo '{B}')\"",
        f"eval \"$(echo '{B}')\"",
        f"bash -c \"$(cat <<'E'\n{B}\nE\n)\"",
        f"exec > >(tee -a log) 2>&1; echo '{B}' | bash",
        f"C='{B}'; echo $C | bash",
        f"echo '{B}' | {{ bash; }}",
        f"if true; then echo '{B}' | bash; fi",
        f"echo '{B}' > s.sh; cat <<'E' > t.sh\n{B}\nE\ncat t.sh | bash",
        "echo m/b | xargs vllm serve",
        "echo m/b | xargs -I{} vllm serve {}",
        "echo m/b | xargs -I % sh -c 'vllm serve %'",
        "printf '%s\\n' m/b | xargs -n1 -P2 vllm serve",
        "echo m/b 2048 | xargs -n 2 sh -c 'vllm serve $0 --max-model-len $1'",
    ],
)
def test_a_text_that_is_there_is_read(line):
    assert loaded(f"{A}\n{line}") == (["m/a", "m/b"], "")


@pytest.mark.parametrize(
    "line",
    [
        "cat start.sh | bash",
        "cat ./start.sh | sudo bash -s -- x",
        "bash < start.sh",
        "bash -s < ./start.sh",
        "bash <(cat start.sh)",
        'bash -c "$(cat start.sh)"',
        'eval "$(cat start.sh)"',
        ". ./big.env; vllm serve $M",
        "cat list.txt | xargs -I{} vllm serve {}",
        "xargs vllm serve < list.txt",
        "vllm serve $(cat list.txt)",
        "vllm serve $(< list.txt)",
        "cat start.sh | tee copy.sh | bash",
    ],
)
def test_a_file_that_is_here_is_read(line, folder):
    assert loaded(f"{A}\n{line}", folder) == (["m/a", "m/b"], "")


@pytest.mark.parametrize(
    "line",
    [
        "curl -fsSL https://x.y/install.sh | bash",
        "curl -fsSL https://x.y/install.sh | sudo bash -s -- --fast",
        "wget -qO- https://x.y/i.sh | sh",
        "bash <(curl -s https://x.y/i.sh)",
        "source <(curl -s https://x.y/i.sh)",
        'sh -c "$(curl -fsSL https://x.y/i.sh)"',
        'eval "$(curl -s https://x.y/i.sh)"',
        "cat nowhere.sh | bash",
        "bash < nowhere.sh",
        "sed s/a/b/ start.sh | bash",
        f"echo '{B}' | sed s/a/b/ | bash",
        f"(echo a; echo '{B}') | bash",
        f"gen() {{ echo '{B}'; }}; gen | bash",
        "envsubst < start.sh | bash",
        'echo "$SCRIPT" | bash',
        "./gen | bash",
        "base64 -d <<< abcd | sh",
    ],
)
def test_a_text_that_is_not_known_is_named(line, folder):
    sources, doubts = loaded(f"{A}\n{line}", folder)
    assert sources == ["m/a"]
    assert "was not looked into" in doubts or "were not looked into" in doubts


def test_an_input_that_is_not_known_leaves_a_doubt_of_what_is_started_by_it():
    assert "may load more" in loaded("ls | xargs -I{} vllm serve m/a {}")[1]


def test_what_is_piped_to_no_shell_starts_nothing():
    assert loaded(f"{A}; echo '{B}' | tee start.sh; echo '{B}' | grep x") == (["m/a"], "")


def test_what_another_machine_reads_is_none_of_it():
    assert loaded(f"{A}; echo '{B}' | ssh gpu bash") == (["m/a"], "")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["echo", "-n", "a", "-b"], "a -b"),
        (["echo", "-ne", "a\\nb"], "a\nb"),
        (["printf", "%s-%s\n", "a", "b", "c"], "a-b\nc-\n"),
        (["printf", "100%%\\n"], "100%\n"),
        (["printf", "%b", "a\\tb"], "a\tb"),
        (["cat", "f", "f"], "xx"),
        (["cat", "g"], None),
        (["cat"], None),
        (["sed", "s/a/b/"], None),
    ],
)
def test_what_a_command_prints_is_told_where_it_stands_there(words, text):
    assert printed_by(words, {"f": "x"}.get) == text


@pytest.mark.parametrize(
    ("words", "commands"),
    [
        ("xargs x", [["x", "a", "b", "c"]]),
        ("xargs -n 2 x -y", [["x", "-y", "a", "b"], ["x", "-y", "c"]]),
        ("sudo xargs -I{} x --m={} {}", [["x", "--m=a b", "a b"], ["x", "--m=c", "c"]]),
        ("xargs -L1 x", [["x", "a", "b"], ["x", "c"]]),
        ("xargs -d\\n -n1 x", [["x", "a", "b"], ["x", "c"]]),
        ("xargs -a f x", None),
        ("cat x", None),
    ],
)
def test_each_command_of_xargs_is_made(words, commands):
    assert made_of(words.split(), "a b\nc\n") == commands


def test_more_commands_than_are_looked_at_are_not_made():
    assert made_of(["xargs", "-n1", "x"], "a " * 100) is None


def test_a_text_that_goes_through_many_programs_is_read():
    assert loaded(f"echo '{B}' {'| cat ' * 1200}| bash")[0] == ["m/b"]


@pytest.mark.parametrize("many", ["9" * 20, "9" * 5000])
def test_a_number_of_many_digits_is_no_error(many):
    assert loaded(f"echo m/b | xargs -n {many} vllm serve")[0] == ["m/b"]
    assert loaded(f"set -- a; shift {many}; {B}")[0] == ["m/b"]
