"""Every curl of the public guide, sent with curl itself, and every field of every answer."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.gemini import Gemini
from tests.system.drawn import photo, size_of
from tests.system.world import World

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

Json = dict[str, Any]


class Guide:
    """The guide's shell: its variables set, its files in the folder."""

    def __init__(self, system: World, folder: Path) -> None:
        self.system = system
        self.folder = folder
        self.names = {"API_KEY": system.key, "BUCKET_KEY": "snapix_default_bucket"}

    def curl(self, command: str) -> Any:
        """What a curl line of the guide prints, as JSON; the line is as it stands there."""
        return json.loads(self.raw(command))

    def raw(self, command: str) -> bytes:
        text = command.replace("https://www.snapix.space", self.system.api)
        for name, value in self.names.items():
            text = text.replace("${" + name + "}", value)
        words = shlex.split(text.replace("\\\n", " "))
        assert words[0] == "curl"
        done = subprocess.run(
            [*words, "-sS", "--fail-with-body"], cwd=self.folder, capture_output=True, check=False
        )
        assert done.returncode == 0, (command, done.stdout[:2000], done.stderr)
        return done.stdout


@pytest.fixture
def guide(system: World, tmp_path: Path) -> Guide:
    for name in ("test-1.png", "test-1.webp", "test-117.webp"):
        (tmp_path / name).write_bytes(photo(1024, 1024, name.rpartition(".")[2].upper()))
    made = Guide(system, tmp_path)
    uploaded = system.upload(photo(1200, 630), formatOptions={"format": "png"}).json()
    made.names["SOURCE"] = uploaded["simpleData"][0]["variants"]["png"]
    return made


def is_image(image: Json, *, formats: list[str], sizes: str, galleries: list[str]) -> None:
    """Every field of one image as the guide prints it."""
    assert list(image) == [
        "id", "urlBase", "bucketKey", "originalName", "description", "metadata", "size",
        "createdAt", "updatedAt", "galleries",
    ]  # fmt: skip
    assert UUID.fullmatch(image["id"])
    assert TIME.fullmatch(image["createdAt"])
    assert TIME.fullmatch(image["updatedAt"])
    assert image["bucketKey"] == "snapix_default_bucket"
    assert image["galleries"] == [
        {"galleryId": gallery, "imageId": image["id"]} for gallery in galleries
    ]
    small, big, *asked, original = image["metadata"]
    assert [one["idSuffix"] for one in image["metadata"]] == [
        "thumb_small", "thumb_big", *[sizes] * len(formats), "original",
    ]  # fmt: skip
    assert [one["imageInfo"]["type"] for one in asked] == formats
    assert (small["imageInfo"]["width"], big["imageInfo"]["width"]) == (120, 320)
    for one in image["metadata"]:
        is_variant(one, image["id"])
    assert original["objectKey"] is None
    assert original["optimizationPercent"] == 0
    assert image["size"] == sum(one["size"] for one in asked)


def is_variant(one: Json, image_id: str) -> None:
    assert list(one) == [
        "size", "idSuffix", "imageInfo", "objectKey", "contentType", "lastModified",
        "fileExtension", "optimizationPercent",
    ]  # fmt: skip
    info = one["imageInfo"]
    assert list(info) == ["type", "ratio", "width", "height"]
    assert info["ratio"] == round(info["width"] / info["height"], 2)
    assert 0 <= one["optimizationPercent"] <= 100
    assert len(str(one["lastModified"])) == len("1746103095199")
    if one["objectKey"]:
        assert one["objectKey"].startswith(f"{image_id}-")
        assert one["objectKey"].endswith(f"{one['idSuffix']}.{one['fileExtension']}")


def is_simple(simple: Json, image: Json) -> None:
    asked = [one for one in image["metadata"] if "x" in one["idSuffix"]]
    assert simple == {
        "id": image["id"],
        "originalName": image["originalName"],
        "variants": {
            one["imageInfo"]["type"]: f"{image['urlBase']}/{one['objectKey']}" for one in asked
        },
        "info": {name: asked[0]["imageInfo"][name] for name in ("width", "height", "ratio")},
    }


def is_statistics(statistics: Json, used: int) -> None:
    assert list(statistics) == [
        "storageUsed", "totalStorage", "creditsUsed", "remainingCredits",
        "remainingCreditsPaidPlans",
    ]  # fmt: skip
    assert statistics["creditsUsed"] == used
    assert all(isinstance(value, int) for value in statistics.values())


def is_upload(answer: Json, used: int, **image: Any) -> None:
    assert set(answer) == {"data", "images", "simpleData", "accountStatistics"}
    for one, simple in zip(answer["data"], answer["simpleData"], strict=True):
        is_image(one, **image)
        is_simple(simple, one)
    is_statistics(answer["accountStatistics"], used)


def test_upload_a_file_with_the_default_output(guide: Guide) -> None:
    answer = guide.curl("""curl -X POST \\
"https://www.snapix.space/api/v1/images" \\
-H "Authorization: Bearer ${API_KEY}" \\
-F "contentType=image/png" \\
-F "name=test-1.png" \\
-F "description=Test image description" \\
-F "image=@./test-1.png" """)
    is_upload(answer, 1, formats=["webp"], sizes="1024x1024", galleries=[])
    image = answer["data"][0]
    assert (image["originalName"], image["description"]) == ("test-1.png", "Test image description")
    assert image["metadata"][-1]["contentType"] == "image/png"


def test_upload_from_a_url(guide: Guide) -> None:
    answer = guide.curl("""curl -X POST \\
"https://www.snapix.space/api/v1/images" \\
-H "Authorization: Bearer ${API_KEY}" \\
-F "url=${SOURCE}" """)
    is_upload(answer, 1, formats=["webp"], sizes="1200x630", galleries=[])


def test_several_sizes_and_formats_with_a_ratio(guide: Guide) -> None:
    answer = guide.curl("""curl -X POST \\
"https://www.snapix.space/api/v1/images" \\
-H "Authorization: Bearer ${API_KEY}" \\
-F "contentType=image/webp" \\
-F "image=@./test-1.webp" \\
-F "name=test-1.webp" \\
-F "description=Test image description" \\
-F "ratio=1.777" \\
-F 'formatOptions=[{"format": "webp"}, {"format": "avif"}]' \\
-F 'resizeOptions=[{}, {"width": 720}, {"height": 580}]' """)
    is_statistics(answer["accountStatistics"], 6)
    sizes = ["1024x576", "720x405", "1031x580"]
    for image, simple, size in zip(answer["data"], answer["simpleData"], sizes, strict=True):
        is_image(image, formats=["webp", "avif"], sizes=size, galleries=[])
        is_simple(simple, image)
    names = [image["originalName"] for image in answer["data"]]
    assert names == [f"test-1.webp {n}:[{size}]" for n, size in enumerate(sizes, 1)]


def test_options_of_the_output_with_a_background(guide: Guide) -> None:
    answer = guide.curl("""curl -X POST \\
"https://www.snapix.space/api/v1/images" \\
-H "Authorization: Bearer ${API_KEY}" \\
-F "contentType=image/webp" \\
-F "image=@./test-1.webp" \\
-F "name=test-1.webp" \\
-F "ratio=1.777" \\
-F 'formatOptions=[{"format": "webp", "options": {"background": "#FF0"}}]' \\
-F 'resizeOptions=[{"width": 720}, {"height": 580}]' """)
    is_statistics(answer["accountStatistics"], 2)
    jpeg = json.dumps([{"format": "jpeg", "options": {
        "background": "#FF0000", "quality": 70, "mozjpeg": True, "chromaSubsampling": "4:2:0",
        "progressive": True, "force": True}}])  # fmt: skip
    assert guide.system.upload(photo(), formatOptions=jpeg).status_code == 200


def test_the_jq_filter_of_the_guide_finds_every_url(guide: Guide) -> None:
    answer = guide.curl("""curl -X POST "https://www.snapix.space/api/v1/images" \\
-H "Authorization: Bearer ${API_KEY}" -F "image=@./test-1.png" """)
    urls = [
        f"{image['urlBase']}/{one['objectKey']}"
        for image in answer["images"]
        for one in image["metadata"]
        if one["objectKey"] is not None
    ]
    assert len(urls) == 3
    for url in urls:
        size_of(guide.raw(f"curl {url}"))


def test_list_and_get_and_delete(guide: Guide) -> None:
    newest = guide.system.upload(photo(200, 100)).json()["data"][0]
    for query in ("", "?bucketKey=snapix_default_bucket&page=1&limit=10&sort=asc"):
        answer = guide.curl(
            f'curl -X GET "https://www.snapix.space/api/v1/images{query}" '
            '-H "Authorization: Bearer ${API_KEY}"'
        )
        assert answer["data"][0] == newest
        is_statistics(answer["accountStatistics"], 0)
        assert list(answer["pagination"]) == [
            "page", "limit", "total", "totalPages", "hasNext", "hasPrevious", "nextPage",
            "previousPage",
        ]  # fmt: skip
    guide.names["ID"] = newest["id"]
    there = '"https://www.snapix.space/api/v1/images/${ID}" -H "Authorization: Bearer ${API_KEY}"'
    got = guide.curl(f"curl -X GET {there}")
    assert list(got) == ["data", "simpleData"]
    assert got["data"] == newest
    is_simple(got["simpleData"], newest)
    assert guide.raw(f"curl -X DELETE {there}") == b"null"


def gallery(guide: Guide, name: str = "My New Gallery", *images: str) -> Json:
    body = json.dumps({"name": name, "isPublic": False, "bucketKey": "snapix_default_bucket",
                       "imageIds": images})  # fmt: skip
    answer: Json = guide.curl(f"""curl -X POST "https://www.snapix.space/api/v1/galleries" \\
-H "Authorization: Bearer ${{API_KEY}}" \\
-H "Content-Type: application/json" \\
-d '{body}'""")
    assert list(answer) == ["gallery"]
    return dict(answer["gallery"])


def is_gallery(one: Json) -> None:
    assert {"id", "name", "isPublic", "bucketKey", "accountId", "createdAt", "updatedAt"} <= set(
        one
    )
    assert UUID.fullmatch(one["id"])
    assert TIME.fullmatch(one["createdAt"])


def test_update_with_new_pixels_and_galleries(guide: Guide) -> None:
    first, second = gallery(guide), gallery(guide)
    old = guide.system.upload(photo(), galleries=[first["id"]]).json()["data"][0]
    guide.names |= {"ID": old["id"], "GALLERY": second["id"]}
    answer = guide.curl("""curl -X PATCH \\
"https://www.snapix.space/api/v1/images/${ID}" \\
-H "Authorization: Bearer ${API_KEY}" \\
-F "contentType=image/webp" \\
-F "image=@./test-117.webp" \\
-F "name=New name" \\
-F "description=This is an updated description" \\
-F "ratio=1.777" \\
-F 'galleries=["${GALLERY}"]' \\
-F "storageKeyHandling=unique" \\
-F 'formatOptions=[{"format": "webp"}, {"format": "avif"}]' \\
-F 'resizeOptions={"width": 720}' """)
    assert list(answer) == ["data", "simpleData", "accountStatistics"]
    image = answer["data"]
    is_image(image, formats=["webp", "avif"], sizes="720x405", galleries=[second["id"]])
    is_simple(answer["simpleData"], image)
    is_statistics(answer["accountStatistics"], 2)
    assert (image["originalName"], image["description"]) == (
        "New name",
        "This is an updated description",
    )
    assert image["createdAt"] == old["createdAt"]
    words = {one["objectKey"].split("-")[5] for one in image["metadata"] if one["objectKey"]}
    assert all(word.isalpha() for word in words)


def test_update_from_a_url_only_and_out_of_all_galleries(guide: Guide) -> None:
    mine = gallery(guide)
    old = guide.system.upload(photo(), galleries=[mine["id"]]).json()["data"][0]
    guide.names["ID"] = old["id"]
    answer = guide.curl("""curl -X PATCH \\
"https://www.snapix.space/api/v1/images/${ID}" \\
-H "Authorization: Bearer ${API_KEY}" \\
-F "url=${SOURCE}" \\
-F 'resizeOptions={"width": 720}' """)
    is_image(answer["data"], formats=["webp"], sizes="720x378", galleries=[mine["id"]])
    answer = guide.curl("""curl -X PATCH \\
"https://www.snapix.space/api/v1/images/${ID}" \\
-H "Authorization: Bearer ${API_KEY}" \\
-F "galleries=[]" """)
    assert answer["data"]["galleries"] == []
    is_statistics(answer["accountStatistics"], 0)


def test_upload_into_a_bucket_and_a_prefix(guide: Guide) -> None:
    answer = guide.curl("""curl -X POST \\
"https://www.snapix.space/api/v1/images" \\
-H "Authorization: Bearer ${API_KEY}" \\
-F "contentType=image/png" \\
-F "name=test-1.png" \\
-F "image=@./test-1.png" \\
-F "bucketKey=${BUCKET_KEY}" \\
-F "prefix=example-prefix/" """)
    image = answer["data"][0]
    assert image["urlBase"].endswith("/example-prefix")
    for variant in image["metadata"][:-1]:
        size_of(guide.raw(f"curl {image['urlBase']}/{variant['objectKey']}"))


@pytest.mark.parametrize(
    ("fields", "kind", "size"),
    [
        ('-F "image=@./test-1.webp"', "WEBP", (1024, 1024)),
        ('-F "url=${SOURCE}"', "WEBP", (1200, 630)),
        (
            """-F "contentType=image/webp" -F "image=@./test-1.webp" -F "name=test-1.webp" \
-F "ratio=1.78" \
-F 'formatOptions={"format": "avif", "options": {"background": "#FF0"}}' \
-F 'resizeOptions={"width": 1024}'""",
            "AVIF",
            (1024, 575),
        ),
    ],
)
def test_convert(guide: Guide, fields: str, kind: str, size: tuple[int, int]) -> None:
    converted = guide.raw(f"""curl -X POST \\
"https://www.snapix.space/api/v1/convert" \\
-H "Authorization: Bearer ${{API_KEY}}" \\
{fields}""")
    assert size_of(converted) == (kind, *size)


def test_galleries(guide: Guide) -> None:
    image = guide.system.upload(photo(100, 80)).json()["data"][0]
    made = gallery(guide, "Holidays", image["id"])
    is_gallery(made)
    assert made["updatedAt"] is None
    (member,) = made["images"]
    assert (member["galleryId"], member["imageId"]) == (made["id"], image["id"])
    assert member["image"]["metadata"] == image["metadata"]

    head = '-H "Authorization: Bearer ${API_KEY}"'
    listed = guide.curl(f'curl -X GET "https://www.snapix.space/api/v1/galleries" {head}')
    assert list(listed) == ["galleries"]
    assert made["id"] in [one["id"] for one in listed["galleries"]]

    guide.names["ID"] = made["id"]
    there = '"https://www.snapix.space/api/v1/galleries/${ID}" ' + head
    assert guide.curl(f"curl -X GET {there}") == {"gallery": made}

    patch = (
        """-H "Content-Type: application/json" -d '{"name": "Updated Name", "isPublic": true}'"""
    )
    changed = guide.curl(f"curl -X PATCH {there} {patch}")
    is_gallery(changed)
    assert (changed["name"], changed["isPublic"]) == ("Updated Name", True)
    assert TIME.fullmatch(changed["updatedAt"])
    assert guide.raw(f"curl -X DELETE {there}") == b"null"
    assert guide.system.http.get(f"/api/v1/images/{image['id']}").status_code == 200

    doomed = gallery(guide, "Doomed", image["id"])
    there = f'"https://www.snapix.space/api/v1/galleries/{doomed["id"]}?deleteImages=true" {head}'
    assert guide.raw(f"curl -X DELETE {there}") == b"null"
    assert guide.system.http.get(f"/api/v1/images/{image['id']}").status_code == 404


def test_images_in_no_gallery(guide: Guide) -> None:
    image = guide.system.upload(photo(90, 60)).json()["data"][0]
    answer = guide.curl(
        'curl -X GET "https://www.snapix.space/api/v1/galleries/ungrouped'
        '?bucketKey=snapix_default_bucket" -H "Authorization: Bearer ${API_KEY}"'
    )
    ungrouped = answer["gallery"]
    assert (ungrouped["id"], ungrouped["name"], ungrouped["isPublic"]) == (
        "ungrouped",
        "Ungrouped",
        False,
    )
    first = ungrouped["images"][0]
    assert (first["galleryId"], first["imageId"]) == ("ungrouped", image["id"])
    assert first["image"]["galleries"] == []


# Generate with a prompt.

INSTRUCTION = """Preserve the character as shown in the input image (same appearance,
clothing, face, body, body parts, and body to head aspect ratio).
Change only the scene: background, lighting, surroundings.
Make sure the character remains recognizably the same."""


def is_generated(answer: Json, used: int) -> None:
    assert set(answer) == {
        "data", "images", "simpleData", "accountStatistics", "imageGenerateResponse",
    }  # fmt: skip
    is_statistics(answer["accountStatistics"], used)
    for one, simple in zip(answer["data"], answer["simpleData"], strict=True):
        is_simple(simple, one)
        *_, original = one["metadata"]
        assert original["imageInfo"] == {"type": "png", "ratio": 1.91, "width": 1408, "height": 736}
    said = answer["imageGenerateResponse"]
    assert list(said) == ["metadata", "text"]
    assert said["text"] == ""
    assert said["metadata"] == {
        "responseId": "Nh7haKSiH42zxN8PzMe_GA",
        "modelVersion": "gemini-3-pro-image",
        "usageMetadata": {
            "promptTokenCount": 1296,
            "candidatesTokenCount": 1290,
            "totalTokenCount": 2586,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 6},
                {"modality": "IMAGE", "tokenCount": 1290},
            ],
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
        },
    }


def test_generate_with_a_template(guide: Guide, gemini: Gemini) -> None:
    answer = guide.curl(
        """curl -X POST \
        "https://www.snapix.space/api/v1/generate" \
        -H "Authorization: Bearer ${API_KEY}" \
        -F "prompt=An astronaut riding a horse" \
        -F "image=@./test-1.webp" \
        -F 'aiConfig={"topP": 0.95, "temperature": 1}' \
        -F "contentType=image/webp" \
        -F "name=Upload-via-binary" \
        -F "description=Test image description - upload via binary" \
        -F "ratio=1.9" \
        -F 'formatOptions=[{"format": "webp"}, {"format": "avif"}]' \
        -F 'resizeOptions=[{"width": 1200}, {"width": 240}]'"""
    )
    is_generated(answer, used=44)
    large, small = answer["data"]
    is_image(large, formats=["webp", "avif"], sizes="1200x632", galleries=[])
    is_image(small, formats=["webp", "avif"], sizes="240x126", galleries=[])
    assert large["originalName"] == "Upload-via-binary 1:[1200x632]"
    assert small["originalName"] == "Upload-via-binary 2:[240x126]"
    assert large["description"] == "Test image description - upload via binary"
    asked = gemini.asked[-1]
    assert asked.prompt == "An astronaut riding a horse"
    assert (asked.config["topP"], asked.config["temperature"]) == (0.95, 1)
    assert asked.template is not None
    assert size_of(asked.template) == ("PNG", 1024, 1024)


def test_generate_with_a_template_by_url(guide: Guide, gemini: Gemini) -> None:
    answer = guide.curl(
        """curl -X POST \
        "https://www.snapix.space/api/v1/generate" \
        -H "Authorization: Bearer ${API_KEY}" \
        -F "prompt=An astronaut riding a horse" \
        -F "url=${SOURCE}" \
        -F 'aiConfig={"topP": 0.95, "temperature": 1}' \
        -F "name=upload-via-url" \
        -F "description=Test image description - upload via URL" \
        -F 'formatOptions=[{"format": "webp"}]' \
        -F 'resizeOptions=[{"width": 1200, "height": 630}]'"""
    )
    is_generated(answer, used=41)
    is_image(answer["data"][0], formats=["webp"], sizes="1200x630", galleries=[])
    template = gemini.asked[-1].template
    assert template is not None
    assert size_of(template) == ("PNG", 1200, 630)


def test_the_guides_own_ai_config_is_understood_as_it_is_printed(
    guide: Guide, gemini: Gemini
) -> None:
    """It is no JSON: its text has line breaks, and a comma comes after the last entry."""
    guide.names["INSTRUCTION"] = INSTRUCTION
    answer = guide.curl(
        """curl -X POST \
        "https://www.snapix.space/api/v1/generate" \
        -H "Authorization: Bearer ${API_KEY}" \
        -F "prompt=An astronaut riding a horse" \
        -F 'aiConfig={
        "topP": 0.95,
        "temperature": 0.9,
        "systemInstruction":
        "${INSTRUCTION}",
        }'"""
    )
    is_generated(answer, used=41)
    assert answer["data"][0]["originalName"] == "An astronaut riding a horse"
    body = gemini.asked[-1].body
    assert body["systemInstruction"]["parts"] == [{"text": INSTRUCTION}]
