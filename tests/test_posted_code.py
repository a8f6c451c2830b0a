"""A command in a program's text is read as the words that it starts something with."""

import pytest

from launches.line import words_of
from launches.posted_code import started_in
from launches.powershell import plain_commands

WORDS = ["llama-cli", "-m", "a", "-c", "512"]


@pytest.mark.parametrize(
    "text",
    [
        'subprocess.Popen(["llama-cli", "-m", "a", "-c", "512"])',
        "cmd = ['llama-cli', '-m', 'a', '-c', str(512)]",
        '["llama-cli","-m","a","-c","512"]',
        'MODEL = "a"\nN = 512\ncmd = [\n    "llama-cli",  # it\n    "-m", MODEL,\n    "-c", str(N),\n]\nrun(cmd)',
        'cmd = ["llama-cli", "-m", "a"]\ncmd += ["-c", "512"]',
        'cmd = ["llama-cli", "-m", "a"]\ncmd.extend(["-c", "512"])',
        'spawn("llama-cli", ["-m", "a", "-c", "512"], { stdio: "inherit" });',
        'os.system("llama-cli -m a -c 512")',
        "subprocess.run('''llama-cli\n -m a -c 512'''.split())",
    ],
)
def test_a_command_in_code_is_read(text):
    assert words_of(text) == WORDS


def test_what_code_works_out_stays_a_variable():
    assert words_of('Popen(["llama-cli", "-m", args.model, "-c", f"{n}"])') == [
        "llama-cli", "-m", "$args_model", "-c", "$n",
    ]  # fmt: skip


def test_a_list_among_the_words_of_a_command_is_none():
    line = """llama-cli -m a -p '["llama-cli", "-m", "b"]'"""
    assert words_of(line)[:3] == ["llama-cli", "-m", "a"]


@pytest.mark.parametrize(
    "text",
    [
        'Start-Process -FilePath "llama-cli.exe" -ArgumentList "-m a -c 512" -NoNewWindow -Wait',
        '$p = Start-Process llama-cli.exe `\n  -ArgumentList "-m","a","-c","512" `\n  -WindowStyle Hidden -PassThru',
        "saps llama-cli.exe '-m a -c 512' -RedirectStandardOutput out.log",
        'Start-Process -ArgumentList @("-m", "a",\n  "-c", 512) -FilePath llama-cli.exe',
        '$told = @("-m", "a",  # it\n  "-c", "512"\n)\n& llama-cli.exe @told',
        '$told = "-m", "a"\n$told += "-c", "512"\nllama-cli.exe @told',
        '$told = @("-m", "a", "-c", 512)\nStart-Process -FilePath llama-cli.exe -ArgumentList $told',
    ],
)
def test_what_powershell_starts_is_read(text):
    assert words_of(text) == ["llama-cli.exe", *WORDS[1:]]


def test_a_path_with_a_blank_stays_one_word_of_an_array():
    assert words_of('$told = @("-m", "C:\\a b.gguf")\n& .\\llama-cli.exe @told')[1:] == ["-m", "C:\\a b.gguf"]


def test_an_array_of_something_else_is_left_alone():
    assert words_of('$names = @("a", "b")\nllama-cli.exe -m c')[-2:] == ["-m", "c"]


@pytest.mark.parametrize("again", ["[", '["a", ', "[" * 50 + "]" * 50, '$a = @("-m", ', "Start-Process ", "'"])
def test_endless_code_is_no_command(again):
    text = again * 300
    assert max(len(started_in(text) or ""), len(plain_commands(text))) <= len(text)
