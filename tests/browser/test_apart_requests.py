"""What a running server refuses to strangers, asked by plain HTTP and WebSocket clients."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

LISTEN, LOOPBACK = "0A", ("0100007F", "00000000000000000000000001000000")
"""As /proc/net/tcp and tcp6 write a state, and this machine alone."""
UPLOAD = "/_stcore/upload_file/some-session/some-file"


def ask(
    address: str, path: str, method: str = "GET", headers: Mapping[str, str] = MappingProxyType({})
) -> http.client.HTTPResponse:
    parts = urlsplit(address)
    with closing(http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)) as line:
        line.request(method, path, body=b"" if method == "PUT" else None, headers=dict(headers))
        answer = line.getresponse()
        answer.read()
        return answer


def status_of_socket(address: str, *, origin: str | None, host: str | None = None) -> int:
    """101 for a connection that is taken, else the status of the refusal."""

    uri = f"ws://{host or urlsplit(address).netloc}/_stcore/stream"
    parts = urlsplit(address)
    with closing(socket.create_connection((parts.hostname, parts.port), timeout=30)) as line:
        try:
            with connect(
                uri, sock=line, origin=origin, subprotocols=["streamlit"], proxy=None,
                open_timeout=30,
            ):
                return 101
        except InvalidStatus as error:
            return error.response.status_code


def test_the_page_itself_is_let_in_and_other_sites_are_not(address: str) -> None:
    assert status_of_socket(address, origin=address) == 101
    for origin in ("http://evil.example", "https://localhost.evil.example", "null", "file://"):
        assert status_of_socket(address, origin=origin) == 403


def test_a_name_that_somebody_points_at_this_machine_is_refused(address: str) -> None:
    for name in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example"):
        host = f"{name}:{urlsplit(address).port}"
        assert status_of_socket(address, origin=f"http://{host}", host=host) == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_upload_needs_the_token_of_the_page_and_its_session(address: str, method: str) -> None:
    given = str(ask(address, "/_stcore/health").getheader("Set-Cookie"))
    assert "SameSite=Strict" in given
    cookie = given.partition(";")[0]
    token = cookie.partition("=")[2]
    other = "|".join(["2", "00000000", "00" * 16, token.rpartition("|")[2]])
    for headers in (
        {}, {"Cookie": cookie}, {"X-Xsrftoken": token}, {"Cookie": cookie, "X-Xsrftoken": other},
    ):
        assert ask(address, UPLOAD, method, headers).status == 403
    if method == "PUT":  # with the token, but for a session that nobody has
        assert ask(address, UPLOAD, method, {"Cookie": cookie, "X-Xsrftoken": token}).status == 400


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/_stcore/host-config", "/media/none"])
def test_no_answer_may_be_read_by_another_site(address: str, path: str) -> None:
    answer = ask(address, path, headers={"Origin": "http://evil.example"})
    assert answer.getheader("Access-Control-Allow-Origin") is None


def test_no_page_around_this_one_may_send_it_messages(address: str) -> None:
    with closing(http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)) as line:
        line.request("GET", "/_stcore/host-config")
        assert json.load(line.getresponse())["allowedOrigins"] == []


@pytest.mark.parametrize(
    "path", ["/static/../streamlit_app.py", "/static/%2e%2e/streamlit_app.py", "//etc/passwd"]
)
def test_no_path_leads_to_a_file_of_the_server(address: str, path: str) -> None:
    assert ask(address, path).status >= 400


def test_files_of_the_app_are_not_served(address: str) -> None:
    page = "text/html; charset=utf-8"  # what every unknown address gives
    assert ask(address, "/app/static/streamlit_app.py").getheader("Content-Type") == page


def test_only_this_machine_is_listened_to(address: str) -> None:
    port = urlsplit(address).port
    listening = [
        line.split()[1]
        for table in ("tcp", "tcp6") if (file := Path("/proc/net") / table).exists()
        for line in file.read_text().splitlines()[1:]
        if line.split()[3] == LISTEN and line.split()[1].endswith(f":{port:04X}")
    ]
    assert len(listening) == 1
    assert listening[0].rpartition(":")[0] in LOOPBACK
