"""The service as a whole: start, list, kill, drain, reload, end."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
from service_harness import Service, alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


class Load:
    """Steady load: a few clients that ask again and again on keep-alive connections, and note what comes back.

    A connection that is lost between requests is opened anew, as browsers do; one that is lost inside a request is
    counted as `lost`, a connection that cannot be opened as `refused`.
    """

    def __init__(self, port: int, *, clients: int = 6, path: str = "/products/monstera") -> None:
        self._port = port
        self._path = path
        self._stop = threading.Event()
        self.statuses: dict[int, int] = {}
        self.lost = 0
        self.refused = 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the load and wait for its clients."""
        self._stop.set()
        for thread in self._threads:
            thread.join(15)

    @property
    def answers(self) -> int:
        """Answers so far."""
        return sum(self.statuses.values())

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                connection = socket.create_connection(("127.0.0.1", self._port), timeout=10)
            except OSError:
                with self._lock:
                    self.refused += 1
                time.sleep(0.01)
                continue
            with connection:
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        while not self._stop.is_set():
            try:
                connection.sendall(f"GET {self._path} HTTP/1.1\r\nHost: shop.example\r\n\r\n".encode())
                response = _read(reader)
            except OSError:
                with self._lock:
                    self.lost += 1
                return
            with self._lock:
                self.statuses[response[0]] = self.statuses.get(response[0], 0) + 1
            if response[1]:
                return
            time.sleep(0.002)


def _read(reader: object) -> tuple[int, bool]:
    """Read one answer; gives its status and whether the connection ends behind it."""
    line = reader.readline()  # type: ignore[attr-defined]
    if not line:
        raise OSError("the connection ended")
    headers = http.client.parse_headers(reader)  # type: ignore[arg-type]
    if headers.get("transfer-encoding") == "chunked":
        while size := int(reader.readline(), 16):  # type: ignore[attr-defined]
            reader.read(size + 2)  # type: ignore[attr-defined]
        reader.readline()  # type: ignore[attr-defined]
    else:
        body = reader.read(int(headers["content-length"]))  # type: ignore[attr-defined]
        if len(body) != int(headers["content-length"]):
            raise OSError("the answer is short")
    return int(line.split()[1]), headers.get("connection", "") == "close"


def test_serves_and_refuses(start_service: Callable[..., Service]) -> None:
    """A listed address is refused politely within a second, everyone else shops on, and an unblock undoes it."""
    service = start_service()
    assert service.ask("/", X_Forwarded_For="203.0.113.7").status == 200
    done = service.command(
        "block", "203.0.113.7", "--reason", "chargeback", "--for", "30d", "--note", "order 1042"
    )
    assert done.returncode == 0, done.stderr
    wait_until(lambda: service.ask("/", X_Forwarded_For="203.0.113.7").status == 403, seconds=1)
    page = service.ask("/", X_Forwarded_For="203.0.113.7", Accept="text/html", Accept_Language="fr")
    assert 'lang="fr"' in page.body
    assert "203.0.113.7" not in page.body
    assert page.headers["Retry-After"] is not None
    assert service.ask("/", X_Forwarded_For="203.0.113.8").status == 200
    assert service.command("unblock", "203.0.113.7").returncode == 0
    wait_until(lambda: service.ask("/", X_Forwarded_For="203.0.113.7").status == 200, seconds=1)


def test_a_file_of_addresses_is_enforced_exactly(start_service: Callable[..., Service]) -> None:
    """After a bulk import, 200 of the listed addresses are all refused and 200 neighbours all pass."""
    service = start_service()
    listed = [f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}" for i in range(1, 40_001, 2)]
    done = service.command("block", "--from-file", "-", "--reason", "abuse", text="\n".join(listed))
    assert done.returncode == 0, done.stderr
    wait_until(lambda: service.ask("/status/204", X_Forwarded_For=listed[-1]).status == 403, seconds=5)
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    wrong = []
    for address in listed[::100]:
        first, _, last = address.rpartition(".")
        for asked, expected in ((address, 403), (f"{first}.{int(last) - 1}", 204)):
            connection.request("GET", "/status/204", headers={"X-Forwarded-For": asked})
            response = connection.getresponse()
            response.read()
            if response.status != expected:
                wrong.append((asked, response.status))
    connection.close()
    assert not wrong


def test_a_killed_worker_is_replaced(start_service: Callable[..., Service]) -> None:
    """Kill -9 of a worker under load: no connection is refused, and only requests in flight on it are lost."""
    service = start_service()
    with Load(service.port) as load:
        wait_until(lambda: load.answers > 100)
        for _ in range(3):
            victim = service.children()["workers"][0]
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda gone=victim: not alive(gone))
            wait_until(lambda: len(service.children()["workers"]) == 2)
            before = load.answers
            wait_until(lambda start=before: load.answers > start + 200)
    assert load.refused == 0
    # Three workers were killed, each with at most its clients' requests in flight.
    assert load.lost <= 3 * 6
    assert set(load.statuses) == {200}, load.statuses
    assert "starting it again" in service.log


def test_store_and_control_may_be_killed(start_service: Callable[..., Service]) -> None:
    """Kill -9 of Valkey and of the control process under load loses no request; both come back, with the list."""
    port = _free_port()
    service = start_service(admin=f'"127.0.0.1:{port}"')
    assert service.command("block", "203.0.113.7", "--reason", "abuse").returncode == 0
    wait_until(lambda: service.ask(X_Forwarded_For="203.0.113.7").status == 403)
    with Load(service.port) as load:
        wait_until(lambda: load.answers > 100)
        store, control = service.children()["store"][0], service.children()["control"][0]
        os.kill(store, signal.SIGKILL)
        os.kill(control, signal.SIGKILL)
        for _ in range(20):
            assert service.ask(X_Forwarded_For="203.0.113.7").status == 403
        wait_until(lambda: service.children()["store"] not in ([], [store]))
        wait_until(lambda: _status(port) == 200)
    assert (load.lost, load.refused) == (0, 0)
    assert set(load.statuses) == {200}
    # What was listed is still there, and new entries travel again.
    assert service.command("block", "203.0.113.9", "--reason", "abuse").returncode == 0
    wait_until(lambda: service.ask(X_Forwarded_For="203.0.113.9").status == 403)
    assert service.ask(X_Forwarded_For="203.0.113.7").status == 403


def test_sigterm_drains(start_service: Callable[..., Service]) -> None:
    """SIGTERM: readiness fails at once, new connections are still served, requests in flight finish, exit 0."""
    service = start_service("[timeouts]\ndrain_wait = 1.5\ndrain_limit = 10")
    assert service.ask("/.stockade/readyz").status == 200
    slow: list[int] = []
    client = threading.Thread(target=lambda: slow.append(service.ask("/slow?seconds=3").status))
    client.start()
    time.sleep(0.3)
    started = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    wait_until(lambda: service.ask("/.stockade/readyz").status == 503, seconds=1)
    assert service.ask("/.stockade/livez").status == 200
    response = service.ask("/")
    assert (response.status, response.headers["Connection"]) == (200, "close")
    assert service.process.wait(15) == 0
    client.join()
    assert slow == [200]
    assert 2 < time.monotonic() - started < 8


def test_sighup_reloads_without_a_dropped_connection(start_service: Callable[..., Service]) -> None:
    """SIGHUP under load takes new settings over with no request lost; wrong ones are named and the old ones stay."""
    service = start_service()
    right = service.config.read_text()
    with Load(service.port) as load:
        wait_until(lambda: load.answers > 50)
        service.config.write_text(right + '[relay]\nforward_headers = ["X-Real-IP"]\n')
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "X-Real-IP" in service.ask("/debug/request").body)
        assert "X-Forwarded-For" not in service.ask("/debug/request").body
        service.config.write_text(right + "[limits]\nhead_byte = 5\n")
        service.process.send_signal(signal.SIGHUP)
        service.wait_for_log("the old ones stay")
        assert "limits.head_bytes" in service.log
        assert "X-Real-IP" in service.ask("/debug/request").body
        before = load.answers
        wait_until(lambda: load.answers > before + 50)
    assert (load.lost, load.refused) == (0, 0)
    assert set(load.statuses) == {200}


@pytest.mark.parametrize("damage", ["vanished", "emptied", "nested"])
def test_reload_of_a_damaged_file_keeps_the_settings(
    start_service: Callable[..., Service], damage: str
) -> None:
    """A settings file that is gone, cut to nothing or beyond reason is named, and the old settings stay."""
    service = start_service()
    if damage == "vanished":
        service.config.unlink()
    else:
        service.config.write_text("" if damage == "emptied" else "listen = " + "[" * 5000 + "]" * 5000)
    service.process.send_signal(signal.SIGHUP)
    service.wait_for_log("the old ones stay")
    assert service.ask("/debug/request", X_Forwarded_For="198.51.100.9").status == 200
    assert "settings reloaded" not in service.log


def test_the_stores_reason_is_told(start_service: Callable[..., Service], tmp_path: Path) -> None:
    """A store that cannot start again is tried with growing pauses, and its own last words are logged."""
    service = start_service()
    (manifest,) = (tmp_path / "data").rglob("*.manifest")
    manifest.write_text("garbage")
    os.kill(service.children()["store"][0], signal.SIGKILL)
    time.sleep(3)
    assert service.ask("/").status == 200
    tries = service.log.count("embedded store ended")
    assert 2 <= tries <= 8, service.log
    assert "manifest" in service.log or "AOF" in service.log


def test_reload_says_what_takes_a_restart(start_service: Callable[..., Service]) -> None:
    """Settings that bind sockets, start processes or need descriptors stay as they were; the rest is taken over."""
    service = start_service()
    text = (
        service.config.read_text().replace("workers = 2", "workers = 5").replace("127.0.0.1:0", "127.0.0.1:1")
    )
    service.config.write_text(f'{text}[limits]\nconnections = 900000\n[relay]\nvia = "edge"\n')
    service.process.send_signal(signal.SIGHUP)
    service.wait_for_log(r"take a restart.*\['listen', 'workers', 'limits'\]")
    wait_until(lambda: '"Via"' in service.ask("/debug/request").body)
    assert len(service.children()["workers"]) == 2


def test_reload_takes_new_logs(start_service: Callable[..., Service], tmp_path: Path) -> None:
    """SIGHUP moves the decision log to a new file, and changes what is logged, in the workers too."""
    service = start_service(f'[log]\ndecisions = "{tmp_path}/one.jsonl"')
    service.command("block", "203.0.113.7", "--reason", "abuse")
    wait_until(lambda: service.ask(X_Forwarded_For="203.0.113.7").status == 403)
    wait_until(lambda: (tmp_path / "one.jsonl").stat().st_size > 0)
    text = service.config.read_text().replace("one.jsonl", "two.jsonl")
    service.config.write_text(text + 'level = "error"\n')
    service.process.send_signal(signal.SIGHUP)
    wait_until((tmp_path / "two.jsonl").exists)
    before = (tmp_path / "one.jsonl").stat().st_size
    reference = service.ask(X_Forwarded_For="203.0.113.7").headers["Stockade-Reference"]
    wait_until(lambda: reference in (tmp_path / "two.jsonl").read_text())
    assert (tmp_path / "one.jsonl").stat().st_size == before


def test_a_reader_of_the_log_that_stalls_stalls_nobody(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    """When nobody reads standard error any more, one refused client cannot stop the shop for the others."""
    fifo = tmp_path / "stderr"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(fifo, os.O_WRONLY)
    service = start_service(wait=False, stderr=writer, listen=f'"127.0.0.1:{(port := _free_port())}"')
    os.close(writer)
    service.port = port
    wait_until(lambda: _answers(service))
    service.command("block", "203.0.113.7", "--reason", "abuse")
    wait_until(lambda: service.ask(X_Forwarded_For="203.0.113.7").status == 403)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(1500):
        connection.request("GET", "/" + "x" * 200, headers={"X-Forwarded-For": "203.0.113.7"})
        assert connection.getresponse().read()
    connection.close()
    for _ in range(20):
        assert service.ask("/status/204").status == 204
    os.kill(service.children()["workers"][0], signal.SIGKILL)
    os.close(reader)  # and now it is gone altogether
    wait_until(lambda: len(service.children()["workers"]) == 2)
    for _ in range(20):
        assert service.ask("/status/204").status == 204
    assert service.process.poll() is None


def test_reload_takes_a_new_block_page(start_service: Callable[..., Service], tmp_path: Path) -> None:
    """SIGHUP reads the page's texts and names anew."""
    service = start_service()
    service.command("block", "203.0.113.7", "--reason", "abuse")
    wait_until(lambda: service.ask(X_Forwarded_For="203.0.113.7").status == 403)
    service.config.write_text(service.config.read_text() + '[block_page]\nshop_name = "Fern & Kettle"\n')
    service.process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: "Fern &amp; Kettle" in service.ask(X_Forwarded_For="203.0.113.7", Accept="text/html").body,
        seconds=3,
    )


def test_ctrl_c_ends_everything_at_once(start_service: Callable[..., Service]) -> None:
    """Ctrl-C in the terminal reaches every process; none is left and the exit code is 0."""
    service = start_service("[timeouts]\ndrain_wait = 30")
    below = [pid for pids in service.children().values() for pid in pids]
    assert len(below) == 3
    os.killpg(service.process.pid, signal.SIGINT)
    assert service.process.wait(5) == 0
    assert not [pid for pid in below if alive(pid)]


@pytest.mark.long
def test_a_stuck_worker_is_replaced(start_service: Callable[..., Service]) -> None:
    """A worker that stands still is killed and replaced, and its share of connections is served again."""
    service = start_service()
    stuck = service.children()["workers"][0]
    os.kill(stuck, signal.SIGSTOP)
    wait_until(lambda: not alive(stuck), seconds=40)
    wait_until(lambda: len(service.children()["workers"]) == 2)
    with Load(service.port) as load:
        wait_until(lambda: load.answers > 200)
        time.sleep(2)
    assert set(load.statuses) == {200}
    assert service.log.count("does not answer: killing it") == 1


@pytest.mark.long
@pytest.mark.timeout(180)
def test_a_paused_machine_costs_no_worker(start_service: Callable[..., Service]) -> None:
    """When all of it stood still together (docker pause, a suspended machine), nobody is killed for it."""
    service = start_service()
    workers = service.children()["workers"]
    everyone = [*workers, *service.children()["store"], service.process.pid]
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(25)
    for pid in reversed(everyone):
        os.kill(pid, signal.SIGCONT)
    with Load(service.port) as load:
        wait_until(lambda: load.answers > 200)
        time.sleep(3)
    assert set(load.statuses) == {200}
    assert service.children()["workers"] == workers
    assert "killing it" not in service.log


def test_a_killed_supervisor_takes_all_with_it(start_service: Callable[..., Service]) -> None:
    """Kill -9 of the supervisor leaves no worker, no control process and no Valkey behind."""
    service = start_service()
    below = [pid for pids in service.children().values() for pid in pids]
    service.process.kill()
    service.process.wait(5)
    wait_until(lambda: not [pid for pid in below if alive(pid)], seconds=15)


@pytest.mark.parametrize(
    ("settings", "defaults", "code", "words"),
    [
        pytest.param("", {"listen": '"127.0.0.1:{taken}"'}, 4, "taken by another program", id="port taken"),
        pytest.param("", {"admin": '"127.0.0.1:{taken}"'}, 4, "admin: 127.0.0.1", id="admin port taken"),
        pytest.param(
            "", {"listen": '"192.0.2.1:8080"'}, 4, "no address of this machine", id="not our address"
        ),
        pytest.param("[limits]\nconnections = 999999", {}, 4, "file descriptors", id="too few descriptors"),
        pytest.param("[limit]\nconnections = 5", {}, 2, "limits", id="wrong settings"),
        pytest.param("", {"data_dir": '"/proc/nowhere"'}, 4, "/proc/nowhere", id="no place for the store"),
    ],
)
def test_refuses_to_start(
    start_service: Callable[..., Service], settings: str, defaults: dict[str, str], code: int, words: str
) -> None:
    """What makes a start impossible is said in a line that names it, and the exit code tells settings from the rest."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        named = {key: value.replace("{taken}", port) for key, value in defaults.items()}
        service = start_service(settings, wait=False, **named)
        assert service.process.wait(10) == code
    assert words in service.log
    assert "Traceback" not in service.log


def test_a_second_service_on_the_same_port_is_refused(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    """Sharing a port between two services, which SO_REUSEPORT would allow, is refused."""
    first = start_service()
    (tmp_path / "second").mkdir()
    text = (
        first.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{first.port}").replace("/data", "/data2")
    )
    second = Service(tmp_path / "second", text)
    assert second.process.wait(10) == 4
    assert "taken by another program" in second.log


def test_serves_without_its_store(start_service: Callable[..., Service]) -> None:
    """With the configured store away at the start, shoppers are served, readiness fails and the log shouts."""
    service = start_service(
        "[store_options]\nstart_wait = 0.3", store=f'"redis://127.0.0.1:{_free_port()}/0"'
    )
    assert service.ask("/").status == 200
    ready = service.ask("/.stockade/readyz")
    assert ready.status == 503
    assert "not loaded" in ready.body
    assert "serving without a list" in service.log


def test_status_and_metrics(start_service: Callable[..., Service]) -> None:
    """The control process shows every worker, and counts what they answered."""
    port = _free_port()
    service = start_service(admin=f'"127.0.0.1:{port}"')
    service.command("block", "203.0.113.7", "--reason", "abuse")
    wait_until(lambda: service.ask(X_Forwarded_For="203.0.113.7").status == 403)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/metrics")
    metrics = connection.getresponse().read().decode()
    connection.request("GET", "/statusz")
    status = connection.getresponse().read().decode()
    connection.close()
    refused = sum(
        float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("stockade_refused_total{")
    )
    assert refused >= 1
    assert 'stockade_replication{state="following",worker="0"} 1.0' in metrics
    assert status.count("following") == 2
    assert "ready" in status


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def _status(port: int) -> int:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", "/statusz")
        response = connection.getresponse()
        response.read()
        connection.close()
    except OSError:
        return 0
    return response.status


@pytest.mark.parametrize(
    ("number", "code"),
    [pytest.param(signal.SIGTERM, 0, id="SIGTERM"), pytest.param(signal.SIGINT, 130, id="Ctrl-C")],
)
def test_told_to_stop_while_it_starts(start_service: Callable[..., Service], number: int, code: int) -> None:
    """A signal that comes while the store still starts ends the service, and the store with it."""
    service = start_service(wait=False)
    wait_until(lambda: bool(_descendants(service.process.pid)))
    stores = _descendants(service.process.pid)
    service.process.send_signal(number)
    assert service.process.wait(10) in (code, 0)
    wait_until(lambda: not [pid for pid in stores if alive(pid)])
    assert "Traceback" not in service.log


def _answers(service: Service) -> bool:
    try:
        return service.ask("/.stockade/livez").status == 200
    except OSError:
        return False


def _descendants(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
