"""The parts of an import that need no system: its keys, its journal, what answers mean."""

from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.importing.answers import Done, Hopeless, Later, Refused, meaning_of
from gateway.importing.items import Item, found_in, key_of, of_list
from gateway.importing.journal import open_journal
from models.settings import SettingsError

NAMES = st.text(min_size=1, max_size=20)


@given(NAMES, NAMES, st.dictionaries(NAMES, NAMES, max_size=3), st.integers(0, 3))
def test_a_key_is_the_same_for_the_same_and_another_for_anything_else(
    name: str, digest: str, fields: dict[str, str], turn: int
) -> None:
    key = key_of(Item(name), digest, fields, turn)
    assert key == key_of(Item(name), digest, dict(reversed(fields.items())), turn)
    assert len(key) <= 255
    others = (
        key_of(Item(name + "x"), digest, fields, turn),
        key_of(Item(name), digest + "x", fields, turn),
        key_of(Item(name), digest, fields | {"more than": "before"}, turn),
        key_of(Item(name), digest, fields, turn + 1),
    )
    assert len({key, *others}) == 5


@given(st.floats(0, 1))
def test_a_journal_that_was_cut_off_anywhere_knows_what_was_whole_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, part: float
) -> None:
    file = tmp_path_factory.mktemp("journal") / "journal"
    with open_journal(file) as journal:
        for number in range(3):
            journal.begin(f"k{number}", f"p{number}.jpg")
            journal.end(f"k{number}", f"p{number}.jpg", [f"i{number}"])
    written = file.read_bytes()
    cut = int(part * len(written))
    file.write_bytes(written[:cut])
    whole = written[:cut].count(b'"done"') - (b'"done"' in written[:cut].rpartition(b"\n")[2])
    with open_journal(file) as journal:
        assert whole <= len(journal.done) <= whole + 1  # a line without its end may be whole
        before = set(journal.done)
        journal.end("new", "new.jpg", ["n"])
    with open_journal(file) as journal:
        assert set(journal.done) == before | {"new"}


def test_two_imports_do_not_share_a_journal(tmp_path: Path) -> None:
    with (
        open_journal(tmp_path / "journal"),
        pytest.raises(SettingsError, match="Another import"),
        open_journal(tmp_path / "journal"),
    ):
        pass


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("dear diary")
    with pytest.raises(SettingsError, match="not the journal"), open_journal(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").read_text() == "dear diary"


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (200, {"data": [{"id": "a"}]}, Done),
        (400, {"code": "not-an-image"}, Refused),
        (402, {"code": "out-of-credits"}, Hopeless),
        (401, {"code": "unauthorized"}, Hopeless),
        (409, {"code": "still-running"}, Later),
        (409, {"code": "answer-lost"}, Done),
        (413, {}, Refused),
        (429, {"code": "too-many-requests"}, Later),
        (502, {"code": "bad-source"}, Refused),
        (502, {}, Later),
        (503, {"code": "overloaded"}, Later),
    ],
)
def test_what_an_answer_means(status: int, body: dict[str, object], meaning: type) -> None:
    answer = httpx2.Response(status, json=body, headers={"Retry-After": "7"})
    found = meaning_of(answer)
    assert isinstance(found, meaning)
    if isinstance(found, Later):
        assert found.seconds == 7


def test_a_proxys_page_is_no_reason_to_give_up() -> None:
    found = meaning_of(httpx2.Response(502, text="<html>Bad gateway</html>"))
    assert isinstance(found, Later)
    assert not found.everybody


def test_a_list_has_each_url_once_and_names_the_line_that_is_none() -> None:
    listed = of_list(["# mine", "", "https://a/1.jpg", " https://a/1.jpg "], "list")
    assert [one.name for one in listed.items] == ["https://a/1.jpg"]
    with pytest.raises(SettingsError, match=r"Line 2 of list"):
        of_list(["https://a/1.jpg", "photo.jpg"], "list")


def test_links_to_folders_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "p.jpg").write_bytes(b"x")
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    assert [one.name for one in found_in(tmp_path).items] == ["a/p.jpg"]
