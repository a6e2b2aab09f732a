"""Images from prompts: what is answered, what it costs, and what becomes of it when things die."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.gemini import (
    KEY,
    Answer,
    Gemini,
    answer_of,
    blocked_prompt,
    error_info,
    finished,
    gemini_server,
    google_error,
    image_part,
    painted,
    retry_info,
    said,
)
from tests.pictures import animated_gif, jpeg, png
from tests.prove.generations import COST, TASTE, is_square, problems_of, rows
from tests.system.drawn import photo, size_of
from tests.system.world import CALOTYPE, World, clean_environment, eventually, world

PICTURE = png(1408, 736)


@pytest.fixture(scope="module")
def model() -> Iterator[Gemini]:
    with gemini_server(PICTURE) as server:
        yield server


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory, model: Gemini) -> Iterator[World]:
    """A system of its own, whose model fails it: its patience is short."""
    folder = tmp_path_factory.mktemp("generate") / "data"
    with world(folder, **model.environment, **SHORT) as made:
        yield made


SHORT = {
    "CALOTYPE_GEMINI_SECONDS": "5",
    "CALOTYPE_ATTEMPTS": "2",
    "CALOTYPE_MAX_FILE_BYTES": "2000000",
}


def events_of(system: World, order: str) -> list[tuple[str, Any]]:
    """Every server-sent event of an order, until its last."""
    found = []
    with system.http.stream("GET", f"/api/v1/orders/{order}/events", timeout=90) as stream:
        name = ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((name, json.loads(line.removeprefix("data: "))))
    return found


def test_a_generation_costs_forty_and_one_for_each_file(maker: World) -> None:
    before = maker.credits()
    answer = maker.generate(
        "A lighthouse", resizeOptions=[{"width": 60}, {"width": 30}], description="Two\nlines"
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["accountStatistics"]["creditsUsed"] == 42
    assert body["imageGenerateResponse"]["metadata"]["modelVersion"] == "gemini-3-pro-image"
    assert maker.credits() == before - 42
    shown = maker.http.get(f"/api/v1/images/{body['data'][0]['id']}").json()["data"]
    assert shown == body["data"][0]
    assert shown["originalName"] == "A lighthouse 1:[60x31]"
    found = httpx2.get(body["simpleData"][0]["variants"]["webp"], trust_env=False)
    assert size_of(found.content) == ("WEBP", 60, 31)
    eventually(lambda: not maker.staging())
    is_square(maker)


def busy(delay: str = "0s") -> Answer:
    return google_error(429, "RESOURCE_EXHAUSTED", "Quota exceeded", retry_info(delay))


AWAY = google_error(503, "UNAVAILABLE", "The model is overloaded")
NO_KEY = google_error(400, "INVALID_ARGUMENT", f"{KEY} is not valid", error_info("API_KEY_INVALID"))

FAILURES: dict[str, tuple[list[Answer], int, str]] = {
    "a blocked prompt": ([blocked_prompt("SAFETY")], 422, "prompt-blocked"),
    "an unsafe image": ([finished("IMAGE_SAFETY")], 422, "image-blocked"),
    "a recitation": ([finished("IMAGE_RECITATION")], 422, "image-recited"),
    "no image": ([finished("NO_IMAGE")], 422, "no-image-made"),
    "words only": ([finished("STOP", "", {"text": "Sorry."})], 422, "no-image-made"),
    "an option it has not": (
        [google_error(400, "INVALID_ARGUMENT", "4K is not supported")],
        422,
        "request-rejected",
    ),
    "our key": ([NO_KEY], 502, "model-refuses-us"),
    "an empty image": ([said(answer_of(image_part(b"")))], 502, "empty-image-made"),
    "no picture at all": ([painted(b"certainly not")], 502, "not-an-image-made"),
    "half a picture": ([painted(PICTURE[:20_000])], 502, "not-an-image-made"),
    "too large a picture": ([painted(PICTURE + bytes(2_000_000))], 502, "image-made-too-large"),
    "a quota": ([busy(), busy()], 503, "model-busy"),
    "an outage": ([AWAY, AWAY], 502, "model-away"),
    "a broken line": ([Answer(b"", reset=True)] * 2, 502, "model-away"),
    "a cut body": ([painted(PICTURE, cut=9_000)] * 2, 502, "model-answer-broken"),
    "no JSON": ([Answer(b"<html>")] * 2, 502, "model-answer-broken"),
    "silence": ([painted(PICTURE, seconds=60)] * 2, 504, "model-too-slow"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_fails_has_its_cause_and_costs_nothing(maker: World, model: Gemini, name: str) -> None:
    answers, status, code = FAILURES[name]
    before, asked = maker.credits(), len(model.asked)
    model.will(*answers)
    answer = maker.generate("A lighthouse")
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert len(model.asked) - asked == len(answers)
    assert maker.credits() == before
    assert KEY not in answer.text
    assert KEY not in maker.log()
    eventually(lambda: not maker.staging())
    is_square(maker)


@pytest.mark.parametrize("first", [AWAY, busy(), painted(PICTURE, cut=9_000)], ids=str)
def test_what_passes_is_tried_again_and_paid_once(
    maker: World, model: Gemini, first: Answer
) -> None:
    before = maker.credits()
    model.will(first)
    assert maker.generate("A lighthouse").status_code == 200
    assert maker.credits() == before - COST
    is_square(maker)


def test_a_refusal_says_the_models_reason(maker: World, model: Gemini) -> None:
    model.will(blocked_prompt("PROHIBITED_CONTENT", "Nobody may see that."))
    said_so = maker.generate("A lighthouse").json()
    assert said_so["error"] == (
        "The model refused the prompt: PROHIBITED_CONTENT: Nobody may see that."
    )


def test_a_template_reaches_the_model_as_a_clean_picture(maker: World, model: Gemini) -> None:
    exif = photo(3000, 1500)
    assert maker.generate("Winter", exif).status_code == 200
    template = model.asked[-1].template
    assert template is not None
    assert size_of(template) == ("PNG", 2048, 1024)
    assert maker.generate("Winter", animated_gif(), name="moving").status_code == 200
    template = model.asked[-1].template
    assert template is not None
    assert template.startswith(b"\x89PNG")
    assert b"acTL" not in template


def test_a_template_that_is_broken_is_its_senders_and_nobody_is_asked(
    maker: World, model: Gemini
) -> None:
    before, asked = maker.credits(), len(model.asked)
    cut = maker.generate("Winter", jpeg(320, 200)[:1500])
    assert (cut.status_code, cut.json()["code"]) == (400, "damaged-image")
    none = maker.generate("Winter", b"certainly not an image")
    assert (none.status_code, none.json()["code"]) == (400, "not-an-image")
    assert len(model.asked) == asked
    assert maker.credits() == before
    is_square(maker)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "prompt"),
        ({"prompt": " \n"}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        (
            {"prompt": "x", "aiConfig": '{"httpOptions": {"baseUrl": "http://x"}}'},
            "aiConfig.httpOptions",
        ),
        ({"prompt": "x", "aiConfig": "{"}, "aiConfig"),
        ({"prompt": "x", "ratio": "0"}, "ratio"),
        ({"prompt": "x", "storageKeyHandling": "unique"}, "storageKeyHandling"),
        ({"prompt": "x", "galleries": "1"}, "galleries"),
    ],
)
def test_a_wrong_field_is_named_and_nobody_is_asked(
    maker: World, model: Gemini, fields: dict[str, str], field: str
) -> None:
    asked = len(model.asked)
    form = {name: (None, value) for name, value in fields.items()} or {"name": (None, "x")}
    answer = maker.http.post("/api/v1/generate", files=form)
    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["details"]] == [field]
    assert len(model.asked) == asked


@pytest.mark.parametrize(
    ("fields", "template", "aspect"),
    [
        ({"ratio": "1.777"}, None, "16:9"),
        ({"ratio": "1.9"}, None, "16:9"),
        ({"ratio": "1.777"}, jpeg(90, 60), "16:9"),
        ({"ratio": "1.9"}, jpeg(90, 60), None),
        ({"ratio": "1", "aiConfig": {"imageConfig": {"aspectRatio": "4:3"}}}, None, "4:3"),
        ({}, None, None),
    ],
)
def test_the_models_aspect_ratio_follows_ratio(
    maker: World, model: Gemini, fields: dict[str, object], template: bytes | None, aspect: str
) -> None:
    assert maker.generate("A lighthouse", template, **fields).status_code == 200
    assert model.asked[-1].config.get("imageConfig", {}).get("aspectRatio") == aspect


def test_who_does_not_wait_gets_the_orders_place_and_can_watch(maker: World, model: Gemini) -> None:
    model.will(painted(PICTURE, seconds=2))
    accepted = maker.generate("A lighthouse", prefer="respond-async")
    assert accepted.status_code == 202
    order = accepted.json()["id"]
    assert accepted.headers["location"] == f"{maker.api}/api/v1/orders/{order}"
    events = events_of(maker, order)
    names = [name for name, _ in events]
    assert names[0] == "accepted"
    assert names[-1] == "done"
    assert set(names) == {"accepted", "generating", "rendering", "done"}
    assert all(set(said) == {"seconds"} for name, said in events if name == "generating")
    shown = maker.http.get(accepted.headers["location"]).json()
    assert shown["status"] == "done"
    assert shown["imageGenerateResponse"] == events[-1][1]["imageGenerateResponse"]
    assert shown["accountStatistics"]["creditsUsed"] == COST


def test_who_waits_a_second_is_told_where_to_ask_later(maker: World, model: Gemini) -> None:
    model.will(painted(PICTURE, seconds=3))
    late = maker.generate("A lighthouse", prefer="wait=1")
    assert (late.status_code, late.json()["status"]) == (202, "pending")
    order = late.headers["location"]
    assert eventually(lambda: maker.http.get(order).json()["status"] == "done", 30)


def test_the_same_request_again_is_the_same_generation(maker: World, model: Gemini) -> None:
    before, asked = maker.credits(), len(model.asked)
    form = {"prompt": (None, "A lighthouse")}
    again = {"Idempotency-Key": "lighthouse-1"}
    first = maker.http.post("/api/v1/generate", files=form, headers=again)
    second = maker.http.post("/api/v1/generate", files=form, headers=again)
    assert first.status_code == second.status_code == 200
    assert second.headers["idempotency-replayed"] == "true"
    assert first.json() == second.json()
    other = maker.http.post("/api/v1/generate", files={"prompt": (None, "No")}, headers=again)
    assert other.status_code == 422
    model.will(blocked_prompt("SAFETY"))
    refused = {"Idempotency-Key": "lighthouse-2"}
    both = [maker.http.post("/api/v1/generate", files=form, headers=refused) for _ in range(2)]
    assert [one.json()["code"] for one in both] == ["prompt-blocked"] * 2
    assert len(model.asked) == asked + 2
    assert maker.credits() == before - COST


def test_a_key_needs_the_permission_and_an_account_the_credits(maker: World, model: Gemini) -> None:
    asked = len(model.asked)
    body = {"name": "uploader", "permissions": ["images-create"]}
    key = maker.http.post("/api/v1/keys", json=body).json()["key"]["secret"]
    refused = asked_with(maker, key)
    assert refused.status_code == 403
    assert "images-generate" in refused.json()["error"]
    open_poor_account(maker)
    made = maker.run("keys", "create", "--account", "poor", "--permission", "all", "--json")
    assert asked_with(maker, made["key"]).status_code == 402
    assert len(model.asked) == asked


def open_poor_account(system: World) -> None:
    """One credit short."""
    subprocess.run(
        [CALOTYPE, "accounts", "create", "poor", "--data", system.data],
        check=True,
        capture_output=True,
        env=clean_environment() | {"CALOTYPE_FREE_CREDITS": str(COST - 1)},
    )


def asked_with(system: World, key: str) -> httpx2.Response:
    return httpx2.post(
        f"{system.api}/api/v1/generate",
        files={"prompt": (None, "A lighthouse")},
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
    )


def test_uploads_do_not_wait_for_generations(maker: World, model: Gemini) -> None:
    """Every slot of the worker would be taken, if those who only wait held one."""
    many = 8
    model.will(*[painted(PICTURE, seconds=4)] * many)
    asked = len(model.asked)
    with ThreadPoolExecutor(many) as crowd:
        answers = [crowd.submit(maker.generate, f"A lighthouse {n}") for n in range(many)]
        eventually(lambda: len(model.asked) == asked + many, 30)
        assert maker.upload(photo(200, 100)).status_code == 200
        waiting = sum(not one.done() for one in answers)
        assert {one.result().status_code for one in answers} == {200}
    assert waiting == many
    is_square(maker)


def test_without_a_key_it_is_said_what_to_set_and_nothing_is_charged(tmp_path: Path) -> None:
    with world(tmp_path / "data") as system:
        answer = system.generate("A lighthouse")
        assert (answer.status_code, answer.json()["code"]) == (503, "no-model")
        assert "CALOTYPE_GEMINI_KEY" in answer.json()["error"]
        assert rows(system, "SELECT count(*) FROM orders") == [(0,)]
        assert system.credits() == 10_000


# Kills: whatever dies and whenever, it is delivered and charged once, or refunded. Four at a time:
# most of it is waiting until the bus believes that a worker is dead.


def test_whatever_dies_it_is_delivered_and_charged_once_or_refunded(tmp_path: Path) -> None:
    assert problems_of(TASTE, tmp_path) == []
