"""CPU a request costs the proxy: one Stockade worker beside nginx, same core, same headers, same answers.

    python benchmarks/relay_cost.py [--seconds 5] [--rounds 5] [--connections 32]

Needs `nginx` and `wrk` on PATH (Debian: apt-get install nginx-light wrk) and two cores: the proxy under test is alone
on the last one, load generator and storefront share the first. CPU is what the kernel accounts to the proxy's
worker process (/proc/PID/stat, user and system), over all requests of a round. Rounds of both alternate, so that what
else the machine does meets both; medians and their ratio are printed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

HEADERS = """\
sec-ch-ua: "Chromium";v="156", "Not A Brand";v="99"
sec-ch-ua-mobile: ?0
sec-ch-ua-platform: "Linux"
Upgrade-Insecure-Requests: 1
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8
Sec-Fetch-Site: same-origin
Sec-Fetch-Mode: navigate
Sec-Fetch-User: ?1
Sec-Fetch-Dest: document
Referer: https://shop.example/collections/new
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: nl-NL,nl;q=0.9,en;q=0.8
Cookie: session=9f2d4c1ab7e84c0fa1; cart=01J9ZQ4W3S; consent=1
X-Forwarded-For: 198.51.100.23
X-Forwarded-Proto: https
""".splitlines()

STOREFRONT = """
daemon off; worker_processes 1; pid {dir}/storefront.pid; error_log {dir}/storefront.err;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {dir}/a; proxy_temp_path {dir}/b;
fastcgi_temp_path {dir}/c; uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e; default_type text/html;
open_file_cache max=16; server {{ listen 127.0.0.1:{port}; root {dir}; }} }}
"""
PEER = """
daemon off; worker_processes 1; pid {dir}/peer.pid; error_log {dir}/peer.err;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {dir}/f; proxy_temp_path {dir}/g;
fastcgi_temp_path {dir}/h; uwsgi_temp_path {dir}/i; scgi_temp_path {dir}/j;
upstream shop {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://shop; proxy_http_version 1.1;
proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-Host $host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Request-Id $request_id; }} }} }}
"""
SETTINGS = """
listen = "127.0.0.1:{port}"
upstream = "http://127.0.0.1:{upstream}"
trusted_proxies = ["127.0.0.1/32"]
workers = 1
admin = ""
data_dir = "{dir}/data"
"""


@dataclass
class Proxy:
    """A proxy under test: where it listens and which process carries the traffic."""

    name: str
    port: int
    pid: int
    costs: list[float]
    rates: list[float]


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def child_of(pid: int, word: str) -> int:
    """The first child process whose command line (or name) holds `word`."""
    for _ in range(100):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if word in Path(f"/proc/{child}/cmdline").read_bytes().decode(errors="replace"):
                return int(child)
        time.sleep(0.05)
    sys.exit(f"no child of {pid} is called {word}")


def wait_for(url: str) -> None:
    """Wait until `url` answers."""
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit(f"{url} does not answer")


def load(port: int, seconds: int, connections: int) -> tuple[int, float]:
    """Run wrk; gives requests done and requests a second."""
    command = ["taskset", "-c", "0", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    for header in HEADERS:
        command += ["-H", header]
    out = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/page.html"], check=True, capture_output=True, text=True
    )
    lines = out.stdout.splitlines()
    if any("Non-2xx" in line or "Socket errors" in line for line in lines):
        sys.exit(out.stdout)
    done = next(int(line.split()[0]) for line in lines if " requests in " in line)
    rate = next(float(line.split()[1]) for line in lines if line.startswith("Requests/sec"))
    return done, rate


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--entries", type=int, default=200_000, help="addresses on the block list meanwhile")
    options = parser.parse_args()
    for program in ("nginx", "wrk", "taskset"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not installed (Debian: apt-get install nginx-light wrk util-linux)")
    cores = os.cpu_count() or 1
    if cores < 2:
        sys.exit("two cores are needed: one for the proxy, one for load and storefront")
    last = str(cores - 1)
    running: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "page.html").write_bytes(b"x" * 2048)
        upstream, peer_port, our_port = free_port(), free_port(), free_port()
        files = {
            "storefront.conf": STOREFRONT.format(dir=name, port=upstream),
            "peer.conf": PEER.format(dir=name, port=peer_port, upstream=upstream),
            "stockade.toml": SETTINGS.format(dir=name, port=our_port, upstream=upstream),
        }
        for file, text in files.items():
            (directory / file).write_text(text)

        def start(core: str, *command: str) -> int:
            process = subprocess.Popen(
                ["taskset", "-c", core, *command], stderr=(directory / "log").open("ab")
            )
            running.append(process)
            return process.pid

        try:
            start("0", "nginx", "-p", name, "-c", f"{name}/storefront.conf")
            peer = start(last, "nginx", "-p", name, "-c", f"{name}/peer.conf")
            stockade = str(Path(sys.executable).with_name("stockade"))
            ours = start(last, stockade, "serve", "-c", f"{name}/stockade.toml")
            for port in (upstream, peer_port, our_port):
                wait_for(f"http://127.0.0.1:{port}/page.html")
            if options.entries:
                addresses = "\n".join(
                    f"{10 + i // 65536}.{i // 256 % 256}.{i % 256}.9" for i in range(options.entries)
                )
                subprocess.run(
                    [stockade, "block", "--from-file", "-", "--reason", "abuse", "-c", f"{name}/stockade.toml"],
                    input=addresses.encode(), check=True, stdout=subprocess.DEVNULL,
                )  # fmt: skip
                time.sleep(2)
            proxies = [
                Proxy("nginx", peer_port, child_of(peer, "worker"), [], []),
                Proxy("stockade", our_port, child_of(ours, "stockade"), [], []),
            ]
            for proxy in proxies:
                load(proxy.port, 1, options.connections)  # warm
            for _ in range(options.rounds):
                for proxy in proxies:
                    before = cpu_seconds(proxy.pid)
                    done, rate = load(proxy.port, options.seconds, options.connections)
                    proxy.costs.append((cpu_seconds(proxy.pid) - before) / done * 1e6)
                    proxy.rates.append(rate)
        finally:
            for process in reversed(running):
                process.send_signal(signal.SIGINT if process.args[3] != "nginx" else signal.SIGTERM)
            for process in running:
                process.wait(15)
    for proxy in proxies:
        each = " ".join(f"{cost:.1f}" for cost in proxy.costs)
        print(
            f"{proxy.name:>9}: {statistics.median(proxy.costs):6.1f} µs CPU a request"
            f"  ({statistics.median(proxy.rates):,.0f} requests/s; rounds: {each})"
        )
    ratio = statistics.median(proxies[1].costs) / statistics.median(proxies[0].costs)
    print(
        f"    ratio: {ratio:.2f} (stockade / nginx, medians of {options.rounds} rounds of {options.seconds} s)"
    )


if __name__ == "__main__":
    main()
