"""Settings: what is meant is understood, what is not is named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.settings import PREFIX, Settings, SettingsError, read_settings

FIELDS = Settings.__struct_fields__


def test_without_a_variable_everything_has_a_default() -> None:
    settings = read_settings({})
    assert settings == Settings()
    assert settings.embedded_bus
    assert (settings.host, settings.port, settings.edge_port) == ("127.0.0.1", 8000, 8001)


def test_variables_are_read_with_their_types() -> None:
    settings = read_settings(
        {
            "CALOTYPE_DATA": "/srv/pictures",
            "CALOTYPE_PORT": "80",
            "CALOTYPE_READ_SECONDS": "2.5",
            "CALOTYPE_NATS_URL": "nats://a,nats://b",
        }
    )
    assert settings.data == Path("/srv/pictures")
    assert settings.port == 80
    assert settings.read_seconds == 2.5
    assert not settings.embedded_bus


def test_an_option_wins_over_a_variable_and_none_does_not() -> None:
    settings = read_settings({"CALOTYPE_PORT": "80", "CALOTYPE_HOST": "::1"}, port=90, host=None)
    assert (settings.port, settings.host) == (90, "::1")


def test_a_misspelt_variable_is_named_with_what_was_meant() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"CALOTYPE_DATABSE_URL": "postgresql://"})
    assert str(refused.value) == (
        "CALOTYPE_DATABSE_URL is not a setting. Did you mean CALOTYPE_DATABASE_URL?"
    )


def test_a_strange_variable_is_named_without_a_guess() -> None:
    with pytest.raises(SettingsError, match=r"^CALOTYPE_ZZZZZZ is not a setting\.$"):
        read_settings({"CALOTYPE_ZZZZZZ": "1"})


def test_variables_of_others_are_none_of_our_business() -> None:
    assert read_settings({"PORT": "x", "CALOTYP_PORT": "x", "XCALOTYPE_PORT": "x"}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "http"),
        ("PORT", "80.5"),
        ("PORT", ""),
        ("DATABASE_POOL", "0"),
        ("NATS_REPLICAS", "6"),
        ("RENDER_SECONDS", "0"),
        ("RENDER_SECONDS", "-1"),
        ("BODY_SECONDS", "soon"),
        ("READ_SECONDS", "nan"),
        ("READ_SECONDS", "inf"),
        ("ATTEMPTS", "0"),
        ("MAX_FILE_BYTES", "0"),
        ("CHILDREN", "-1"),
        ("FREE_CREDITS", "-1"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{PREFIX}{name}: "):
        read_settings({f"{PREFIX}{name}": value})


@given(st.sampled_from(FIELDS), st.text(max_size=20))
def test_any_text_is_a_setting_or_a_sentence_that_names_it(name: str, value: str) -> None:
    sentence = ""
    try:
        settings = read_settings({f"{PREFIX}{name.upper()}": value})
    except SettingsError as error:
        sentence = str(error)
    else:
        kind = type(getattr(Settings(), name))
        assert isinstance(getattr(settings, name), kind | float if kind is int else kind)
    assert not sentence or sentence.startswith(f"{PREFIX}{name.upper()}: ")


def test_public_addresses_follow_from_host_and_port() -> None:
    assert Settings(host="::1", port=81).public_api == "http://[::1]:81"
    assert Settings(edge_port=82).public_edge == "http://127.0.0.1:82"


def test_public_addresses_that_are_given_lose_their_slash() -> None:
    settings = Settings(api_url="https://api.example/", edge_url="https://img.example")
    assert settings.public_api == "https://api.example"
    assert settings.public_edge == "https://img.example"


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]


def test_the_readme_names_every_setting_with_its_default() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    for name in Settings.__struct_fields__:
        default = getattr(Settings(), name)
        told = f"`{default}`" if default != "" else ""
        assert f"| `CALOTYPE_{name.upper()}` | {told} |" in readme, name


def test_what_is_confidential_is_not_shown() -> None:
    secrets = ("SECRET", "NATS_TOKEN", "OBJECTS_SECRET_KEY", "GEMINI_KEY", "DATABASE_URL")
    known = {f"CALOTYPE_{name}": f"hidden-{name}" for name in secrets}
    shown = subprocess.run(
        [sys.executable, "-m", "gateway", "settings"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **known, "COLUMNS": "200"},
    ).stdout
    assert "hidden-" not in shown
    assert shown.count("(set)") >= len(secrets)
