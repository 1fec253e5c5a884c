from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.admin.process import ControlTask, create_app, run_control
from proxy.observability.counters import REPLICATION_STATES, CounterPage, Slot
from proxy.settings import Settings

if TYPE_CHECKING:
    from aiohttp import web
    from pytest_aiohttp import AiohttpClient


@pytest.fixture
def page() -> CounterPage:
    """Two workers that have answered a few requests."""
    page = CounterPage(2)
    now = int(time.time() * 1000)
    for index, requests in ((0, 7), (1, 5)):
        row = page.row(index)
        row[Slot.REQUESTS] = requests
        row[Slot.RESPONSES_2XX] = requests - 1
        row[Slot.REFUSED] = 1
        row[Slot.READY] = 1
        row[Slot.HEARTBEAT_MS] = row[Slot.SNAPSHOT_SEEN_MS] = now
        row[Slot.REPLICATION] = REPLICATION_STATES.index("following")
        row[Slot.ENTRIES] = 42
    return page


@pytest.fixture
def app(page: CounterPage) -> web.Application:
    """The control process's application."""
    return create_app(page, Settings(), store="redis://:***@store:6379/0")


async def test_metrics_parse_and_add_up(aiohttp_client: AiohttpClient, app: web.Application) -> None:
    """Prometheus reads the page, and each worker's numbers are its own."""
    client = await aiohttp_client(app)
    text = await (await client.get("/metrics")).text()
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["stockade_requests_total", ("worker", "0")] == 7
    assert samples["stockade_requests_total", ("worker", "1")] == 5
    assert samples["stockade_responses_total", ("class", "2xx"), ("worker", "0")] == 6
    assert samples["stockade_replication", ("state", "following"), ("worker", "1")] == 1
    assert samples["stockade_replication", ("state", "away"), ("worker", "1")] == 0
    assert 0 <= samples["stockade_snapshot_age_seconds", ("worker", "0")] < 60


async def test_open_metrics_on_request(aiohttp_client: AiohttpClient, app: web.Application) -> None:
    """A scraper that asks for OpenMetrics gets it."""
    client = await aiohttp_client(app)
    answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert (await answer.text()).rstrip().endswith("# EOF")


async def test_status_for_people_and_programs(aiohttp_client: AiohttpClient, app: web.Application) -> None:
    """/statusz shows every worker in a table, and the same as JSON; the store's password stays hidden."""
    client = await aiohttp_client(app)
    text = await (await client.get("/statusz")).text()
    assert text.startswith("ready\n")
    assert "redis://:***@store" in text
    assert "none: forwarding headers are ignored" in text
    status = await (await client.get("/statusz", headers={"Accept": "application/json"})).json()
    assert status["ready"] is True
    assert [worker["requests"] for worker in status["workers"]] == [7, 5]
    assert status["workers"][0]["replication"] == "following"


async def test_one_worker_that_is_not_ready_shows(
    aiohttp_client: AiohttpClient, app: web.Application, page: CounterPage
) -> None:
    """One worker that is not ready makes the service not ready, and says which."""
    page.row(1)[Slot.READY] = 0
    client = await aiohttp_client(app)
    text = await (await client.get("/statusz")).text()
    assert text.startswith("NOT READY\n")
    assert text.count("not ready") == 1


def test_the_control_process_ends_with_its_supervisor() -> None:
    """A supervisor that died before it read the control process's word takes it along, too."""
    ours, theirs = socket.socketpair()
    listening = socket.create_server(("127.0.0.1", 0))
    pid = os.fork()
    if pid == 0:
        ours.close()
        task = ControlTask(sock=listening, control=theirs, page=CounterPage(1), store_url="unix:///nowhere")
        run_control(task, Settings())
        os._exit(0)
    theirs.close()
    address = listening.getsockname()
    listening.close()
    # It has said that it is ready when it answers; that word stays unread.
    for _ in range(100):
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            break
    time.sleep(0.3)
    ours.close()
    for _ in range(100):
        if os.waitpid(pid, os.WNOHANG)[0]:
            break
        time.sleep(0.05)
    else:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        pytest.fail("the control process outlived its supervisor")
