"""docker-compose.yml and Dockerfile: their shape and their names. Nothing here runs a container.

Whether the deployment works is not shown by these tests.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cli.environment import MIGRATION_DATABASE_URL
from cli.main import app
from cli.stack.temporal import DYNAMIC_CONFIG, SEARCH_ATTRIBUTES
from ordersaga.config import ENV_PREFIX, Settings

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")

OURS = ("migrate", "worker", "api")
NOT_SETTINGS = {MIGRATION_DATABASE_URL, "ORDERSAGA_API_HOST", "ORDERSAGA_API_PORT"}

TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
DURATION = {"type": "string", "pattern": r"^(\d+(ms|s|m|h))+$"}
NAMES_WITH_BODY = {"type": "object", "additionalProperties": {"type": ["object", "null"]}}

# What we use of the Compose Specification, and no word beside it: a misspelt one is an error.
SERVICE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image", "restart"],
    "properties": {
        "build": {"type": "string"},
        "image": {"type": "string"},
        "command": TEXTS,
        "entrypoint": TEXTS,
        "hostname": {"type": "string"},
        "restart": {"type": "string", "pattern": r"^(no|always|unless-stopped|on-failure(:\d+)?)$"},
        "stop_grace_period": DURATION,
        "shm_size": {"type": "string", "pattern": r"^\d+[kmg]b$"},
        "read_only": {"type": "boolean"},
        "tmpfs": TEXTS,
        "cap_drop": TEXTS,
        "security_opt": TEXTS,
        "ports": {
            "type": "array",
            "items": {"type": "string", "pattern": r"^([\d.]+:)?(\d+|\$\{\w+:-\d+\}):\d+$"},
        },
        "volumes": {"type": "array", "items": {"type": "string", "pattern": r"^[\w-]+:/"}},
        # Quoted: YAML reads a bare 5432 or yes as something else than text.
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "configs": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["source", "target"],
                "properties": {"source": {"type": "string"}, "target": {"type": "string"}},
            },
        },
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["condition"],
                "properties": {
                    "condition": {"enum": ["service_healthy", "service_completed_successfully"]}
                },
            },
        },
        "healthcheck": {
            "type": "object",
            "additionalProperties": False,
            "required": ["test", "interval", "timeout", "retries"],
            "properties": {
                "test": {**TEXTS, "prefixItems": [{"enum": ["CMD", "CMD-SHELL"]}], "minItems": 2},
                "interval": DURATION,
                "timeout": DURATION,
                "start_period": DURATION,
                "retries": {"type": "integer", "minimum": 1},
            },
        },
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "services"],
    "patternProperties": {"^x-": {}},
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "services": {"type": "object", "additionalProperties": SERVICE_SCHEMA},
        "volumes": NAMES_WITH_BODY,
        "configs": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["content"],
                "properties": {"content": {"type": "string"}},
            },
        },
    },
}


def _environment_of(service: str) -> dict[str, str]:
    environment: dict[str, str] = SERVICES[service].get("environment", {})
    return environment


def _filled_in(text: str) -> str:
    """As compose would: a variable's default, or some value where one must be given."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    return re.sub(r"\$\{\w+:\?\}", "given", text)


def test_it_has_the_shape_of_a_compose_file() -> None:
    jsonschema.validate(COMPOSE, SCHEMA, cls=jsonschema.Draft202012Validator)


def test_a_misspelt_word_is_noticed() -> None:
    wrong = {"name": "x", "services": {"a": {"image": "a:1", "restart": "no", "port": ["1:1"]}}}
    with pytest.raises(jsonschema.ValidationError, match="port"):
        jsonschema.validate(wrong, SCHEMA, cls=jsonschema.Draft202012Validator)


def test_every_image_of_others_has_a_pinned_version() -> None:
    for name, service in SERVICES.items():
        if "build" not in service:
            assert re.fullmatch(r"[\w./-]+:\d+\.\d+[\w.-]*", service["image"]), name
    for image in re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE):
        assert re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+[\w.-]*", image)


def test_what_is_waited_for_is_there_and_can_answer() -> None:
    for name, service in SERVICES.items():
        for target, wait in service.get("depends_on", {}).items():
            assert target in SERVICES, f"{name} waits for {target}"
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[target], f"{name} waits for {target}'s health"
            else:  # it ends, so it must not be started again for ever
                assert SERVICES[target]["restart"].startswith("on-failure"), target


def test_nothing_waits_for_itself() -> None:
    def wait_for(name: str, waiting: tuple[str, ...]) -> None:
        assert name not in waiting, " → ".join((*waiting, name))
        for target in SERVICES[name].get("depends_on", {}):
            wait_for(target, (*waiting, name))

    for name in SERVICES:
        wait_for(name, ())


def test_volumes_and_configs_that_are_used_are_declared() -> None:
    used = {
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
    }
    assert used == set(COMPOSE["volumes"])
    mounted = {
        config["source"] for service in SERVICES.values() for config in service.get("configs", [])
    }
    assert mounted == set(COMPOSE["configs"])


@pytest.mark.parametrize("service", ["worker", "api"])
def test_our_programs_understand_their_settings(service: str) -> None:
    environment = {name: _filled_in(value) for name, value in _environment_of(service).items()}
    known = {ENV_PREFIX + field.upper() for field in Settings.model_fields} | NOT_SETTINGS

    unknown = {name for name in environment if name.startswith(ENV_PREFIX)} - known

    assert not unknown
    settings = Settings.from_env(environment)
    assert settings.database_url.endswith("@postgres:5432/ordersaga")
    assert "ordersaga_app" in settings.database_url, "the service is not the tables' owner"
    assert environment["TEMPORAL_ADDRESS"] == "temporal:7233"
    assert settings.amqp_url.startswith("amqp://ordersaga:")
    assert settings.amqp_url.endswith("@rabbitmq:5672/")


def test_migrations_run_as_the_tables_owner() -> None:
    assert set(_environment_of("migrate")) == {MIGRATION_DATABASE_URL}
    assert "ordersaga_owner" in _environment_of("migrate")[MIGRATION_DATABASE_URL]


def test_our_commands_exist() -> None:
    commands = {command.name for command in app.registered_commands}
    for service in OURS:
        assert SERVICES[service]["command"][0] in commands


def test_no_secret_is_written_down() -> None:
    secret = re.compile(r"PASSWORD|PASS$|PWD|_KEY$")
    for name in SERVICES:
        for variable, value in _environment_of(name).items():
            if secret.search(variable):
                assert re.fullmatch(r"\$\{\w+:\?\}", value), f"{name}: {variable}"
    assert not re.search(r"://\w+:(?!\$\{)[^/\s]*@", TEXT), "a password in an address"


def test_every_variable_is_explained_at_the_top() -> None:
    comment = TEXT.partition("\nname:")[0]
    wanted = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT.partition("\nname:")[2]))

    assert wanted
    for variable in wanted:
        assert re.search(rf"^# +{variable}\b", comment, flags=re.MULTILINE), variable


def test_only_the_api_is_published_to_others() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            assert name == "api" or port.startswith("127.0.0.1:"), f"{name}: {port}"


def test_temporal_is_set_up_as_on_the_local_stack() -> None:
    setup = SERVICES["temporal-namespace"]["command"][0]
    assert dict(re.findall(r"(\w+):(\w+)(?=[ ;])", setup)) == SEARCH_ATTRIBUTES

    dynamic = yaml.safe_load(COMPOSE["configs"]["temporal"]["content"])
    assert {name: str(rows[0]["value"]) for name, rows in dynamic.items()} == DYNAMIC_CONFIG


@pytest.mark.parametrize(
    "script",
    [
        SERVICES["temporal-schema"]["command"][0],
        SERVICES["temporal-namespace"]["command"][0],
        COMPOSE["configs"]["roles"]["content"],
    ],
    ids=["temporal-schema", "temporal-namespace", "roles"],
)
def test_its_scripts_can_be_parsed(script: str) -> None:
    assert not re.search(r"(?<!\$)\$(?!\$)", script), "compose would fill in a lone $"
    shell = shutil.which("sh")
    assert shell is not None
    read = [shell, "-n"]
    parsed = subprocess.run(
        read, input=script.replace("$$", "$"), capture_output=True, text=True, check=False
    )
    assert parsed.returncode == 0, parsed.stderr


def test_the_image_holds_every_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    assert set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, flags=re.MULTILINE)) == set(packages)
    assert 'ENTRYPOINT ["ordersaga"]' in DOCKERFILE
    assert re.search(r"^USER \d+", DOCKERFILE, flags=re.MULTILINE), "not root"


def test_docker_compose_itself_takes_it() -> None:
    docker = shutil.which("docker")
    version = [docker or "", "compose", "version"]
    if docker is None or subprocess.run(version, capture_output=True, check=False).returncode != 0:
        pytest.skip("docker has no compose plugin here")
    variables = set(re.findall(r"\$\{(\w+):\?\}", TEXT))
    checked = subprocess.run(
        [docker, "compose", "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"],
        env={"PATH": str(Path(docker).parent), **dict.fromkeys(variables, "given")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
