"""Which file is read, what is wrong with a file that cannot be, and what load says beside mistakes."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from proxy.errors import SettingsError
from proxy.settings import Settings, load, load_settings
from proxy.settings.load import find_file

CONTACT = {"STOCKADE_BLOCK_PAGE__CONTACT": "mailto:help@shop.example"}
TLS = Path(__file__).parent / "tls"


def write(path: Path, text: str) -> Path:
    """Write a settings file."""
    path.write_text(text, "utf-8")
    return path


def mistakes(path: Path) -> list[str]:
    """Return what is wrong with a file."""
    with pytest.raises(SettingsError) as refused:
        load_settings(path, {})
    return [mistake.removeprefix(f"{path}") for mistake in refused.value.mistakes]


def warnings(path: Path, text: str) -> list[str]:
    """Return what load warns of, without the file's name, when the block page tells how to object."""
    found = load(write(path, text), CONTACT).warnings
    return [warning.removeprefix(f"{path}") for warning in found]


def test_the_file_is_searched_in_the_stated_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """STOCKADE_CONFIG, then the working directory; a file that was named is never passed over."""
    monkeypatch.chdir(tmp_path)
    assert find_file({}) in (None, Path("/etc/stockade/stockade.toml"))
    here = write(Path("stockade.toml"), "workers = 1")
    assert find_file({}) == here
    assert load_settings(None, {}).workers == 1
    assert find_file({"STOCKADE_CONFIG": "other.toml"}) == Path("other.toml")
    with pytest.raises(SettingsError, match=r"other\.toml: there is no such file"):
        load_settings(None, {"STOCKADE_CONFIG": "other.toml"})
    other = write(tmp_path / "third.toml", "workers = 3")
    assert load_settings(other, {"STOCKADE_CONFIG": "other.toml"}).workers == 3


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    """Each kind of unreadable file has its own sentence."""
    assert mistakes(tmp_path / "none.toml") == [": there is no such file"]
    assert mistakes(tmp_path) == [": cannot be read: is a directory"]
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'[block_page]\nshop_name = "Caf\xe9"\n')
    assert mistakes(latin) == [": is not UTF-8 text (byte 29); save it as UTF-8"]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbfworkers = 2\r\n")
    assert load_settings(path, {}).workers == 2


def test_an_open_end_is_placed_on_the_last_line(tmp_path: Path) -> None:
    """Where TOML gives no line, the last one is named."""
    path = write(tmp_path / "open.toml", "workers = 2\ntrusted_proxies = [")
    assert mistakes(path) == [":2: no valid TOML (invalid value) in: trusted_proxies = ["]


def test_mistakes_of_file_and_environment_come_together(tmp_path: Path) -> None:
    """One run shows everything there is to mend."""
    path = write(tmp_path / "s.toml", "workers = -1")
    with pytest.raises(SettingsError) as refused:
        load_settings(path, {"STOCKADE_MODE": "x"})
    assert [text.partition(" is not")[0] for text in refused.value.mistakes] == [
        f"{path}:1: workers: -1",
        'environment variable STOCKADE_MODE: mode: "x"',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            'upstream = "https://a"\nrelay.tls_verify = false',
            ":2: relay.tls_verify: the upstream's certificate is not checked: whoever stands between can read and "
            "change everything",
            id="unchecked-certificate",
        ),
        pytest.param(
            'relay.tls_server_name = "a"',
            ":1: relay.tls_server_name: has no effect: the upstream is not https",
            id="tls-without-https",
        ),
        pytest.param(
            'admin = "0.0.0.0:9180"',
            ":1: admin: status and metrics can be read by whoever reaches 0.0.0.0:9180; keep it off the public network",
            id="open-admin",
        ),
        pytest.param(
            'listen = [{ address = "0.0.0.0:80", proxy_protocol = true }]',
            ": trusted_proxies: a listener expects the PROXY protocol, but no proxy is trusted to state a client "
            "address",
            id="proxy-protocol-of-nobody",
        ),
    ],
)
def test_what_was_probably_not_meant_is_a_warning(tmp_path: Path, text: str, expected: str) -> None:
    """It runs, but somebody should know."""
    assert warnings(tmp_path / "s.toml", text) == [expected]


def test_host_bits_are_set_right_with_a_warning(tmp_path: Path) -> None:
    """What is taken instead is said."""
    (warning,) = warnings(tmp_path / "s.toml", 'trusted_proxies = ["10.0.0.1/8"]')
    assert warning.startswith(":1: trusted_proxies[0]: ")
    assert "10.0.0.0/8" in warning


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        pytest.param("", True, id="empty"),
        pytest.param('block_page.contact = "tel:+33123456789"', False, id="set"),
        pytest.param('mode = "monitor"', False, id="refuses-nobody"),
    ],
)
def test_a_page_without_a_way_to_object_is_a_warning(text: str, tmp_path: Path, *, warned: bool) -> None:
    """The page tells a refused person to contact the shop: it must say how."""
    found = load(write(tmp_path / "s.toml", text), {}).warnings
    assert ["block_page.contact: is empty: a refused person is told to" in one for one in found] == [
        True
    ] * warned


NEEDED = frozenset({"store", "mode", "trusted_proxies", "client_address"})


@pytest.mark.parametrize(
    ("text", "environ", "told"),
    [
        pytest.param(
            'block_page.accent = "teal"',
            {},
            "settings: 1 mistake that does not matter here: s.toml:1: block_page.accent: ",
            id="value",
        ),
        pytest.param(
            'store = "redis://h"\nworkers = -1\nupstream = "ftp://x"\n[limitz]\na = 1',
            {},
            "settings: 3 mistakes that do not matter here: s.toml:2: workers: -1 is not a whole number from 0 to "
            "256; … (`stockade config check` shows all)",
            id="several",
        ),
        pytest.param(
            '[block_page]\nlogo = "x"\ntemplate = "none.html"', {}, "settings: 2 mistakes", id="file"
        ),
        pytest.param(
            "", {"STOCKADE_WORKER": "2"}, "1 mistake that does not matter here: environment", id="variable"
        ),
        pytest.param('admin = "0.0.0.0:9180"', {}, None, id="oddity-elsewhere"),
        pytest.param(
            'trusted_proxies = ["10.0.0.1/8"]', {}, "trusted_proxies[0]: 10.0.0.1/8 means", id="oddity"
        ),
    ],
)
def test_mistakes_that_do_not_matter_are_one_warning(
    text: str, environ: dict[str, str], told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that uses a few options works on when others are wrong, and says so in one line."""
    monkeypatch.chdir(tmp_path)
    found = load(write(Path("s.toml"), text), environ, NEEDED)
    assert len(found.warnings) == (told is not None)
    assert told is None or told in found.warnings[0]
    assert found.settings.store == ("redis://h" if "store" in text else "")


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        pytest.param("workers = -1\nmode = 3", {}, id="needed-too"),
        pytest.param('stor = "redis://h"', {}, id="mistyped"),
        pytest.param('[limits]\nstore = "redis://h"', {}, id="below-a-table"),
        pytest.param('[client_adress]\nheader = "Forwarded"', {}, id="mistyped-table"),
        pytest.param('client_address.header = "X"', {}, id="of-a-needed-table"),
        pytest.param("", {"STOCKADE_STORE_URL": "redis://h"}, id="mistyped-variable"),
        pytest.param('block_page.accent = "teal', {}, id="no-toml"),
    ],
)
def test_mistakes_in_what_is_needed_are_refused(text: str, environ: dict[str, str], tmp_path: Path) -> None:
    """So are names that were probably meant for it: another store would take a change nobody sees."""
    with pytest.raises(SettingsError):
        load(write(tmp_path / "s.toml", text), environ, NEEDED)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        pytest.param("listen: 127.0.0.1:8080", 'write listen = "127.0.0.1:8080"', id="address"),
        pytest.param("workers: 2", "write workers = 2", id="number"),
        pytest.param("tls_verify: true", "write tls_verify = true", id="bool"),
        pytest.param('mode: "monitor"', 'write mode = "monitor"', id="quoted"),
        pytest.param('trusted_proxies: ["10.0.0.0/8"]', 'write trusted_proxies = ["10.0.0.0/8"]', id="list"),
    ],
)
def test_a_line_of_yaml_is_shown_as_toml(line: str, hint: str, tmp_path: Path) -> None:
    """What is proposed can be copied."""
    path = write(tmp_path / "s.toml", line)
    assert [text.rpartition("; ")[2] for text in mistakes(path)] == [hint]


def test_paths_start_at_the_settings_file(tmp_path: Path) -> None:
    """A service started from elsewhere finds the same files."""
    (tmp_path / "pages").mkdir()
    write(tmp_path / "texts.toml", '[en]\ntitle-block = "No"\n')
    text = f"""
data_dir = "state"
listen = ["127.0.0.1:80", {{ address = "127.0.0.1:443", certificate = "{TLS}/shop.pem", key = "{TLS}/shop.key" }}]
[log]
decisions = "pages/decisions.log"
"""
    settings = load_settings(write(tmp_path / "s.toml", text), {})
    assert settings.data_dir == f"{tmp_path}/state"
    assert settings.log.decisions == f"{tmp_path}/pages/decisions.log"


@pytest.mark.parametrize(
    ("certificate", "key", "expected"),
    [
        pytest.param("shop.pem", "shop.key", None, id="pair"),
        pytest.param("shop.pem", "other.key", "cannot be used together", id="other-key"),
        pytest.param("shop.pem", "locked.key", "cannot be used together", id="key-wants-a-password"),
        pytest.param("shop.key", "shop.pem", "cannot be used together", id="exchanged"),
    ],
)
def test_certificate_and_key_must_belong_together(
    tmp_path: Path, certificate: str, key: str, expected: str | None
) -> None:
    """A start must not fail later on what could be seen now, nor wait for a password at a terminal."""
    text = (
        f'[[listen]]\naddress = "127.0.0.1:443"\ncertificate = "{TLS}/{certificate}"\nkey = "{TLS}/{key}"\n'
    )
    path = write(tmp_path / "s.toml", text)
    if expected is None:
        load_settings(path, {})
    else:
        assert expected in mistakes(path)[0]
        assert mistakes(path)[0].startswith(":3: listen[0].certificate: ")


def test_a_private_ca_must_hold_certificates(tmp_path: Path) -> None:
    """An empty file would make every connection to the upstream fail."""
    ca = write(tmp_path / "ca.pem", "nothing")
    path = write(tmp_path / "s.toml", f'upstream = "https://a"\nrelay.tls_ca = "{ca}"')
    assert mistakes(path) == [f":2: relay.tls_ca: {ca} holds no certificate in PEM form"]
    write(path, f'upstream = "https://a"\nrelay.tls_ca = "{TLS}/shop.pem"')
    assert load_settings(path, {}).relay.tls_ca == f"{TLS}/shop.pem"


def test_the_block_page_is_tried_out(tmp_path: Path) -> None:
    """Colours, contact, texts and template are judged by the very code that makes the page."""
    write(tmp_path / "page.html", "{% if %}")
    write(tmp_path / "texts.toml", "en = 3\n")
    path = write(tmp_path / "s.toml", '[block_page]\naccent = "green"\ncontact = "help@shop.example"\n')
    assert [mistake.partition(" ")[0] for mistake in mistakes(path)] == [":2:", ":3:"]
    write(path, '[block_page]\n\ntemplate = "page.html"\n')
    assert mistakes(path)[0].startswith(":3: block_page.template: line 1: ")
    write(path, '[block_page]\ntexts = "texts.toml"\n')
    assert mistakes(path)[0].startswith(
        f":2: block_page.texts: {tmp_path}/texts.toml: en stands outside a table"
    )
    write(tmp_path / "texts.toml", "[xx]\na = 'b'\n")
    assert mistakes(path)[0].startswith(":2: block_page.texts: xx")
    write(tmp_path / "texts.toml", "[en\n")
    assert "is no valid TOML" in mistakes(path)[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_a_file_of_somebody_else_is_named(tmp_path: Path) -> None:
    """Rights are looked at before the start."""
    page = write(tmp_path / "page.html", "x")
    page.chmod(0)
    path = write(tmp_path / "s.toml", '[block_page]\ntemplate = "page.html"\n')
    assert mistakes(path) == [f":2: block_page.template: {page} may not be read by this user"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('log.decisions = "."', "is a directory; name a file in it", id="decisions-directory"),
        pytest.param(
            'log.decisions = "no/d.log"', "does not exist; make it first", id="decisions-no-directory"
        ),
        pytest.param('data_dir = "s.toml"', "is no directory", id="data-dir-is-a-file"),
        pytest.param('block_page.template = "."', "is no file", id="template-directory"),
    ],
)
def test_paths_must_fit_their_use(tmp_path: Path, text: str, expected: str) -> None:
    """A file to write needs its directory; a directory must not be a file."""
    assert expected in mistakes(write(tmp_path / "s.toml", text))[0]


def test_settings_travel_between_processes(tmp_path: Path) -> None:
    """The supervisor hands them to its workers."""
    settings = load_settings(write(tmp_path / "s.toml", "workers = 2\nlimits.body_bytes = 5"), {})
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert hash(settings.limits) == hash(settings.limits)
    assert settings != Settings()


def test_networks_are_judged_where_they_stand(tmp_path: Path) -> None:
    """A wrong network in a list over several lines is pointed at, in the words of whoever reads networks."""
    path = write(tmp_path / "s.toml", 'trusted_proxies = [\n  "10.0.0.0/8",\n  "10.0.0.0/33",\n]\n')
    (mistake,) = mistakes(path)
    assert mistake.startswith(":3: trusted_proxies[1]: ")
    assert "10.0.0.0/33" in mistake
