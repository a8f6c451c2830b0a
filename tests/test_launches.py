"""What is no engine's command is said to be none."""

import pytest

from launches.command import Command
from launches.errors import UnknownProgram
from launches.launch import read_launches


@pytest.mark.parametrize("words", [(), ("ls", "-l"), ("python", "train.py"), ("A=b",)])
def test_an_unknown_program_is_said_to_be_unknown(words):
    with pytest.raises(UnknownProgram):
        read_launches(Command(arguments=words))
