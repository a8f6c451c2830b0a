"""The settings' file: what it says, what is wrong with it, and how it is changed."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tui.settings import Alerts, Settings, help_of, keys
from tui.settings_file import ReadSettings, read_settings, with_value, write_settings


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    found = read_settings(tmp_path / "config.toml")

    assert found.settings == Settings()
    assert found.complaints == ()


def test_what_the_file_says_holds(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('theme = "nord"\ninterval_seconds = 2\n[alerts]\nused_percent = 90\n')

    found = read_settings(path)

    assert found.settings == Settings(theme="nord", interval_seconds=2, alerts=Alerts(used_percent=90))
    assert found.complaints == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('them = "nord"', "'them' is not known; is theme meant?"),
        ("[alerts]\nbel = true", "'alerts.bel' is not known; is alerts.bell meant?"),
        ("used_percent = 5", "'used_percent' is not known; is alerts.used_percent meant?"),
        ("zzz = 1", "'zzz' is not known"),
        ("interval_seconds = 0", "interval_seconds: a number from 0.1 to 3600 is meant; 1.0 holds"),
        ("interval_seconds = true", "interval_seconds: input should be a valid number; 1.0 holds"),
        (f"interval_seconds = 1{'0' * 400}", "interval_seconds: a number from 0.1 to 3600 is meant; 1.0 holds"),
        ("theme = 3", "theme: input should be a valid string; 'plimsoll' holds"),
        ("remember_plan = 1", "remember_plan: input should be a valid boolean; True holds"),
        ("alerts.used_percent = 90.0", "alerts.used_percent: input should be a valid integer; 0 holds"),
        ("alerts.used_percent = true", "alerts.used_percent: input should be a valid integer; 0 holds"),
        ("ascii_only = [1]", "ascii_only: input should be 'auto', 'on' or 'off'; 'auto' holds"),
        (f"alerts.used_percent = 1{'0' * 5000}", "is not TOML"),
        ('interval_seconds = "fast"', "interval_seconds: input should be a valid number; 1.0 holds"),
        ('ascii_only = "yes"', "ascii_only: input should be 'auto', 'on' or 'off'; 'auto' holds"),
        ('low_bandwidth = "maybe"', "low_bandwidth: input should be 'auto', 'on' or 'off'; 'auto' holds"),
        ("alerts = 3", "alerts is a table: [alerts], and below it lines such as bell = true"),
        ("theme = ", "is not TOML"),
        ('theme = "\\u0000', "is not TOML"),
    ],
)
def test_what_is_wrong_is_said_and_all_else_holds(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"read_only = true\n{text}\n")

    found = read_settings(path)

    assert len(found.complaints) == 1
    assert said in found.complaints[0]
    assert found.settings == (Settings() if "TOML" in said else Settings(read_only=True))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a" * 300_000, b"[" * 100_000], ids=["binary", "long", "deep"])
def test_a_file_that_is_something_else_stops_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)

    found = read_settings(path)

    assert found.settings == Settings()
    assert len(found.complaints) == 1


def test_a_directory_in_its_place_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()

    assert read_settings(tmp_path / "config.toml").settings == Settings()


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "config.toml"
    settings = Settings(theme="nord", low_bandwidth="on", alerts=Alerts(command="notify-send x", bell=False))

    write_settings(settings, path)

    assert read_settings(path).settings == settings
    assert read_settings(path).complaints == ()


def test_a_new_file_names_every_option_with_what_it_is_for(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    write_settings(Settings(), path)

    text = path.read_text()
    assert [key for key in keys() if f"{help_of(key)}\n# {key.rpartition('.')[2]} = " not in text] == []
    assert read_settings(path).settings == Settings()


def test_comments_and_unknown_keys_of_a_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('# mine\ntheme = "nord"  # blue\nfuture = 1\n')

    write_settings(replace(read_settings(path).settings, read_only=True), path)

    assert path.read_text() == '# mine\ntheme = "nord"  # blue\nfuture = 1\nread_only = true\n'


def test_a_setting_that_is_the_default_again_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('theme = "nord"\n')

    write_settings(Settings(), path)

    assert path.read_text() == ""


def test_a_broken_file_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("theme = ")

    with pytest.raises(ValueError, match="is not TOML"):
        write_settings(Settings(read_only=True), path)
    assert path.read_text() == "theme = "


def test_a_number_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"from 0 to 100"):
        with_value(Settings(), "alerts.used_percent", 101)


def test_no_number_is_out_of_range_as_well(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("interval_seconds = nan\n")

    found = read_settings(path)

    assert found.settings == Settings()
    assert "interval_seconds: a number from 0.1 to 3600 is meant; 1.0 holds" in found.complaints[0]


def test_what_stands_in_place_of_a_table_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("alerts = 3\n")

    with pytest.raises(ValueError, match="alerts is no table"):
        write_settings(Settings(ascii_only="on"), path)
    assert path.read_text() == "alerts = 3\n"


def test_a_file_that_is_linked_to_is_changed_where_it_lies(tmp_path: Path) -> None:
    own, link = tmp_path / "dotfiles.toml", tmp_path / "config.toml"
    own.write_text("")
    link.symlink_to(own)

    write_settings(Settings(ascii_only="on"), link)

    assert link.is_symlink()
    assert read_settings(own).settings.ascii_only == "on"


@pytest.mark.parametrize(("text", "value"), [("true", "on"), ("false", "off"), ('"auto"', "auto")])
def test_a_switch_may_be_given_as_true_or_false(tmp_path: Path, text: str, value: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"ascii_only = {text}\n")

    assert read_settings(path) == ReadSettings(settings=Settings(ascii_only=value))  # type: ignore[arg-type]


def test_each_line_of_a_new_file_holds_once_its_mark_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    wanted = Settings(model_folders='C:\\a "b"', alerts=Alerts(bell=False))
    write_settings(wanted, path)
    path.write_text(re.sub(r"^# (\w+ = )", r"\1", path.read_text(), flags=re.MULTILINE))

    assert read_settings(path) == ReadSettings(settings=wanted)


def test_what_is_set_in_a_new_file_stands_below_what_it_is_for(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    write_settings(Settings(alerts=Alerts(bell=False)), path)

    assert f"# {help_of('alerts.bell')}\nbell = false\n" in path.read_text()
