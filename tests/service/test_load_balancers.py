"""The load balancers' files of config/examples, run as they stand (but for ports) in front of the real service."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import ssl
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from service_harness import Service, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "config" / "examples"
# Loopback has a whole /8: shoppers come from addresses of it that are not the load balancer's.
LISTED, OTHER = "127.0.0.7", "127.0.0.8"
NGINX = """\
daemon off; pid {dir}/nginx.pid; error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    include {dir}/shop.conf;
}}
"""


def needs(program: str) -> pytest.MarkDecorator:
    """Skip, and say why, where the load balancer is not installed."""
    missing = shutil.which(program) is None
    return pytest.mark.skipif(
        missing, reason=f"{program} is not installed (Debian: apt-get install {program})"
    )


def free_port() -> int:
    """Give a loopback port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


PLACES = {
    "listen": r"listen 80;",
    "bind": r"(?m)bind :(?:80|443)$",
    "server": r"127\.0\.0\.1:(?:8080|8443)\b",
}


def example(name: str, **replaced: str) -> str:
    """Give an example file with the addresses replaced that no test can have; each must occur."""
    text = (EXAMPLES / name).read_text("utf-8")
    for pattern, value in replaced.items():
        text, count = re.subn(PLACES[pattern], value, text)
        assert count, f"{name} has no {pattern} any more"
    return text


@contextmanager
def running(*command: str, log: Path) -> Iterator[None]:
    """Run a load balancer for the test."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(10)


def visit(port: int, shopper: str, *, tls: bool = False, **headers: str) -> tuple[int, str]:
    """Visit through the load balancer from a loopback address; status and body, 0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(shopper, 0))
    try:
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection.connect()
            connection.sock = context.wrap_socket(connection.sock)
        connection.request(
            "GET", "/debug/request", headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        response = connection.getresponse()
        return response.status, response.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def check_that_the_right_one_is_refused(service: Service, port: int, *, tls: bool = False) -> None:
    """The listed shopper is refused, the other is not, and neither can pass for the other."""
    wait_until(lambda: visit(port, OTHER, tls=tls)[0] == 200)
    done = service.command("block", LISTED, "--reason", "abuse", "--force")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: visit(port, LISTED, tls=tls)[0] == 403, seconds=2)
    for claimed in ("", OTHER, "127.0.0.1", "not an address"):
        claims = {"X_Forwarded_For": claimed, "Forwarded": f"for={claimed}", "X_Real_IP": claimed}
        assert visit(port, LISTED, tls=tls, **claims)[0] == 403, claimed
    assert visit(port, OTHER, tls=tls, X_Forwarded_For=LISTED)[0] == 200
    service.wait_for_log(f'"client":"{LISTED}"')
    assert f'"client":"{OTHER}"' not in service.log


@needs("nginx")
def test_nginx_names_the_shopper(start_service: Callable[..., Service], tmp_path: Path) -> None:
    """Behind nginx as the example sets it up, the shopper's own address is what is refused."""
    service = start_service()
    port = free_port()
    shop = example("nginx.conf", listen=f"listen 127.0.0.1:{port};", server=f"127.0.0.1:{service.port}")
    (tmp_path / "shop.conf").write_text(shop)
    (tmp_path / "nginx.conf").write_text(NGINX.format(dir=tmp_path))
    command = ("nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"))
    with running(*command, log=tmp_path / "nginx.log"):
        check_that_the_right_one_is_refused(service, port)
        body = visit(port, OTHER, Host="shop.example")[1]
        assert "shop.example" in body
        assert OTHER in body


@needs("haproxy")
def test_haproxy_names_the_shopper_in_a_header(start_service: Callable[..., Service], tmp_path: Path) -> None:
    """Behind HAProxy with `option forwardfor`, the line it appends counts and the shopper's own does not."""
    service = start_service()
    port = free_port()
    text = example("haproxy.cfg", bind=f"bind 127.0.0.1:{port}", server=f"127.0.0.1:{service.port}")
    (tmp_path / "haproxy.cfg").write_text(text)
    with running("haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg"), log=tmp_path / "haproxy.log"):
        check_that_the_right_one_is_refused(service, port)


@needs("haproxy")
def test_haproxy_names_the_shopper_by_the_proxy_protocol(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    """Behind HAProxy in TCP mode, the PROXY protocol header names the shopper and Stockade ends TLS."""
    keys = ROOT / "tests" / "settings" / "tls"
    service = start_service(
        listen='[{address = "127.0.0.1:0", proxy_protocol = true, '
        f'certificate = "{keys}/shop.pem", key = "{keys}/shop.key"}}]'
    )
    port = free_port()
    text = example(
        "haproxy-proxy-protocol.cfg", bind=f"bind 127.0.0.1:{port}", server=f"127.0.0.1:{service.port}"
    )
    (tmp_path / "haproxy.cfg").write_text(text)
    with running("haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg"), log=tmp_path / "haproxy.log"):
        check_that_the_right_one_is_refused(service, port, tls=True)
        assert "https" in visit(port, OTHER, tls=True)[1]


def test_the_cloudflare_example_believes_cloudflare_alone(
    start_service: Callable[..., Service], tmp_path: Path
) -> None:
    """With the example's networks, CF-Connecting-IP counts from Cloudflare and from nobody else."""
    service = start_service()
    service.config.write_text(
        service.config.read_text().partition("trusted_proxies")[0]
        + (EXAMPLES / "cloudflare.toml").read_text("utf-8").partition("upstream = ")[2].partition("\n")[2]
    )
    asked = ("--header", "CF-Connecting-IP: 203.0.113.7")
    for peer, client in (
        ("172.70.1.1", "203.0.113.7"),
        ("2a06:98c0::1", "203.0.113.7"),
        ("192.0.2.1", "192.0.2.1"),
    ):
        done = service.command("explain", peer, "--peer", peer, *asked)
        assert f"Client address: {client} " in done.stdout, done
