"""What the documents promise exists: links, settings, commands, options of commands, metrics, fields, times."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from proxy.admin.metrics import WorkerCollector
from proxy.cli import demo_with_proxy
from proxy.cli.app import COMMANDS, build_app
from proxy.observability.counters import CounterPage
from proxy.observability.decision_log import DecisionLog
from proxy.policy.decision import Decision
from proxy.settings.load import load, parse_settings
from proxy.store.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "config" / "examples"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
README = (ROOT / "README.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
SPOKEN_OF = "\n".join(page.read_text("utf-8") for page in PAGES)
DRAIN_SECONDS = 5 + 30 + 5  # timeouts.drain_wait, timeouts.drain_limit, and room


def fences(text: str, language: str) -> list[str]:
    """List the fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    """Give the text without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """Give the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> Iterator[tuple[str, str]]:
    """Give every relative link: the page's name and the target."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text("utf-8"))):
            if not re.match(r"[a-z]+:", target):
                yield str(page.relative_to(ROOT)), target


def commands() -> list[str]:
    """List every `stockade …` line shown in a fence of README and operations."""
    shown = []
    for language in ("console", "sh", "text"):
        for fence in fences(README + OPERATIONS, language):
            shown += re.findall(r"^(?:\$ )?(stockade .+)$", fence, re.MULTILINE)
    return shown


@pytest.mark.parametrize(("page", "target"), list(links()))
def test_every_link_leads_somewhere(page: str, target: str) -> None:
    """A relative link names a file that is there, and a heading that it has."""
    name, _, anchor = target.partition("#")
    file = (ROOT / page).parent / name if name else ROOT / page
    assert file.exists()
    if anchor:
        assert anchor in anchors(file.read_text("utf-8"))


@pytest.mark.parametrize(
    ("page", "number", "example"),
    [
        pytest.param(page.name, number, example, id=f"{page.name}-{number}")
        for page in PAGES
        if page.name != "block-page.md"  # has tests of its own, and texts beside settings
        for number, example in enumerate(fences(page.read_text("utf-8"), "toml"))
    ],
)
def test_settings_shown_are_right(page: str, number: int, example: str) -> None:
    """Whatever settings a page shows can be copied."""
    files = re.sub(r'"tls/shop\.(pem|key)"', '"/dev/null"', example)
    parse_settings(files, {}, f"{page}, example {number}")


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.toml")), ids=lambda file: file.name)
def test_settings_files_of_the_examples_are_right(file: Path) -> None:
    """An example has no mistake and no warning; the image's, which you mount yours over, knows no contact."""
    environ = {"STOCKADE_BLOCK_PAGE__CONTACT": "mailto:help@shop.example"} if file.stem == "container" else {}
    assert load(file, environ).warnings == ()


@pytest.mark.parametrize("name", ["nginx.conf", "haproxy.cfg", "haproxy-proxy-protocol.cfg"])
def test_settings_beside_a_load_balancer_are_right(name: str) -> None:
    """The settings in the head of a load balancer's example can be copied, too."""
    lines = (EXAMPLES / name).read_text("utf-8").split("\n\n", 1)[0].splitlines()
    settings = [line[4:] for line in lines if line.startswith(("#   ", "#\n"))]
    assert tomllib.loads("\n".join(settings))["trusted_proxies"]
    parse_settings("\n".join(settings), {}, name)


@pytest.mark.parametrize("command", [name for name, *_ in COMMANDS])
def test_every_command_is_documented(command: str) -> None:
    """Each subcommand stands in some page with its whole name."""
    assert f"stockade {command}" in SPOKEN_OF


@pytest.mark.parametrize("command", commands())
def test_commands_shown_can_be_typed(command: str) -> None:
    """A command line that a page shows is parsed: the subcommand and its options exist."""
    _, *arguments = shlex.split(command, comments=True)
    if any(word.isupper() and word.isalpha() for word in arguments):
        return  # a pattern, not a line to type
    build_app(arguments).parse_args(arguments, exit_on_error=False, print_error=False)


def test_every_metric_is_documented() -> None:
    """The table of metrics has each metric that /metrics shows, with its type, and no other."""
    shown = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type)
        for family in WorkerCollector(CounterPage(1)).collect()
    }
    documented = set(re.findall(r"^\| `(stockade_\w+)` \| (counter|gauge) \|", OPERATIONS, re.MULTILINE))
    assert documented == shown
    named = set(re.findall(r"(?<!\$)\bstockade_[a-z_]+\b", SPOKEN_OF))
    assert named <= {name for name, _ in shown}


def test_every_field_of_the_decision_log_is_documented(tmp_path: Path) -> None:
    """The fields in the table and those written are the same; so are those of the example line and of a refusal."""
    log = DecisionLog(tmp_path / "decisions.log")
    log.record(
        reference="7K3M-9QXZ",
        client="203.0.113.7",
        method=b"GET",
        target=b"/",
        decision=Decision(refused=True),
        version=1,
    )
    log.record_error(
        reference="7K3M-9QXZ", client="203.0.113.7", method=b"GET", target=b"/", status=502, detail="away"
    )
    log.close()
    refusal, error = (
        set(orjson.loads(line)) for line in (tmp_path / "decisions.log").read_bytes().splitlines()
    )
    section = OPERATIONS.partition("### The decision log")[2].partition("\n## ")[0]
    table = [
        cell
        for row in re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
        for cell in re.findall(r"`(\w+)`", row)
    ]
    assert set(table) == refusal | error
    assert set(json.loads(fences(section, "json")[0])) == refusal


@pytest.mark.parametrize("page", ["architecture.md", "threat-model.md", "decisions.md"])
def test_every_file_spoken_of_is_there(page: str) -> None:
    """A claim that points to code or tests points to a file or directory that exists."""
    text = prose((ROOT / "docs" / page).read_text("utf-8"))
    spoken_of = re.findall(r"`((?:[a-z0-9_]+/)+(?:[a-z0-9_]+\.[a-z]+)?)`", text)
    missing = [name for name in spoken_of if not ((ROOT / name).exists() or (ROOT / "proxy" / name).exists())]
    assert missing == []


def test_every_key_in_redis_is_documented() -> None:
    """The table of keys has each key that the store uses, and no other."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    used = set(asdict(Keys.of("stockade")).values())
    assert set(re.findall(r"^\| `(\{stockade\}:[^`]+)`", page, re.MULTILINE)) == used


def test_the_first_page_shows_what_make_run_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """The three lines to try in the README are those that are printed."""
    demo_with_proxy._say_what_to_try(
        "http://127.0.0.1:8080", Path("var/demo/stockade.toml"), "127.0.0.1:9180"
    )
    printed = capsys.readouterr().out
    shown = next(fence for fence in fences(README, "text") if fence.startswith("Stockade stands"))
    assert shown.strip() in printed


def test_there_is_enough_time_to_drain() -> None:
    """Whatever stops the service in our examples waits longer than a drain with default settings takes."""
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    unit = (EXAMPLES / "stockade.service").read_text("utf-8")
    assert int(re.findall(r"stop_grace_period: (\d+)s", compose)[0]) >= DRAIN_SECONDS
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[0]) >= DRAIN_SECONDS
    assert "\nKillMode=mixed\n" in unit


def test_the_admin_port_is_published_nowhere() -> None:
    """The compose file publishes the traffic port and nothing else."""
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert re.findall(r"^ +- \"(.+:\d+)\"$", compose, re.MULTILINE) == [
        "${BIND:-127.0.0.1}:${PORT:-8080}:8080"
    ]


def compose_command() -> list[str]:
    """Give the command of Docker Compose that this machine has; empty when it has none."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(command[0])
            and not subprocess.run([*command, "version"], capture_output=True, check=False).returncode
        ):
            return command
    return []


def test_the_compose_file_is_right() -> None:
    """Docker Compose takes the file as it stands."""
    command = compose_command()
    if not command:
        pytest.skip("Docker Compose is not installed (Debian: apt-get install docker-compose)")
    done = subprocess.run([*command, "config", "-q"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_image_is_built_from_what_is_there() -> None:
    """Each file the Dockerfile copies exists, and .dockerignore lets it in."""
    let_in = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    sources = " ".join(copied).split()
    assert sorted(sources) == sorted(let_in)
    assert [name for name in sources if not (ROOT / name).exists()] == []


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    """Keep a Changelog: an Unreleased section stands first."""
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"


def test_decisions_are_numbered_and_dated() -> None:
    """Decisions count up without a gap, each with the day it was taken, the reason and a name of its own."""
    text = (ROOT / "docs" / "decisions.md").read_text("utf-8")
    entries = re.findall(
        r"^### (\d+)\. ([^\n]+) · (\d{4}-\d\d-\d\d)\n\n(.+?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert [int(number) for number, *_ in entries] == list(
        range(1, len(re.findall(r"^### ", text, re.MULTILINE)) + 1)
    )
    assert len({title for _, title, *_ in entries}) == len(entries)
    assert [title for _, title, _, body in entries if "*Why" not in body] == []
