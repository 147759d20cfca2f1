"""One visitor of a Streamlit app without a browser: its WebSocket, its uploads, its page.

Speaks the protocol of Streamlit 1.67 as its frontend does: the cookie against forged requests, the
cache of messages, widget states, fragments that ask for their own reruns. One thread owns a client.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tools.load.page import Node, Page

QUIET_SECONDS = 0.2
"""A page counts as drawn once nothing has come for so long."""
CONNECT_SECONDS = 30
XSRF_COOKIE = "_streamlit_xsrf"


class UnansweredError(Exception):
    """The page did not come to rest in time."""


class Client:
    """A visitor. Opens `address` at `page` (its name in the address, "" for the first) with a query
    and waits for nothing: call `settle`."""

    def __init__(self, address: str, page: str = "", query: dict[str, str] | None = None) -> None:
        self.page = Page()
        self.query = urlencode(query or {})
        self.last_message = time.monotonic()
        self.is_open = True
        self._address = address
        self._page_name = page
        self._page_hash = ""
        self._pages: dict[str, str] = {}
        self._session_id = ""
        self._run, self._running, self._asked = "", False, False
        self._fragments: list[str] = []
        self._timers: dict[str, tuple[float, float]] = {}
        self._cache: dict[str, tuple[ForwardMsg, int]] = {}
        self._cached_age, self._full_runs = 2, 0
        self._widgets: dict[str, WidgetState] = {}
        self._urls: dict[str, FileURLs] = {}
        self._http = requests.Session()
        self._http.headers["Origin"] = address
        self._http.get(f"{address}/_stcore/health", timeout=CONNECT_SECONDS).raise_for_status()
        token = self._http.cookies[XSRF_COOKIE] or ""
        self._http.headers["X-Xsrftoken"] = token
        self._socket = connect(
            f"ws://{urlsplit(address).netloc}/_stcore/stream",
            origin=Origin(address),
            additional_headers={"Cookie": f"{XSRF_COOKIE}={token}"},
            subprotocols=[Subprotocol("streamlit"), Subprotocol(token)],
            max_size=None,
            open_timeout=CONNECT_SECONDS,
        )
        self._rerun()

    def close(self) -> None:
        """Leave, as by closing the tab."""
        self.is_open = False
        self._socket.close()
        self._http.close()

    # Actions of a user

    def switch(self, page: str) -> None:
        """Choose a page of the navigation by its name in the address."""
        self._timers.clear()
        self._page_hash = self._pages[page]
        self._rerun()

    def click(self, label: str) -> bool:
        """Press the first button whose label begins so; False where there is none."""
        node = self.page.widget("button", label)
        if node is None or node.content.disabled:
            return False
        self._rerun(node, WidgetState(id=node.content.id, trigger_value=True))
        return True

    def choose(self, label: str, option: str) -> bool:
        """Choose an option of a select box; False where there is no box or it shows the option."""
        node = self.page.widget("selectbox", label)
        if node is None:
            return False
        if option not in node.content.options:
            raise ValueError(f"{label} offers {list(node.content.options)}, not {option!r}")
        if self.chosen(label) == option:
            return False
        self._widgets[node.content.id] = WidgetState(id=node.content.id, string_value=option)
        self._rerun(node)
        return True

    def chosen(self, label: str) -> str | None:
        """The selected option of a select box; None where there is no such box."""
        node = self.page.widget("selectbox", label)
        state = None if node is None else self._widgets.get(node.content.id)
        return None if state is None else state.string_value

    def upload(self, name: str, content: bytes, timeout: float = 60) -> None:
        """Drop a file on the first upload box. Raises UnansweredError without an address for it."""
        node = next(self.page.nodes("file_uploader"))
        message = BackMsg()
        message.file_urls_request.request_id = uuid4().hex
        message.file_urls_request.session_id = self._session_id
        message.file_urls_request.file_names.append(name)
        self._socket.send(message.SerializeToString())
        request = message.file_urls_request.request_id
        self.wait(lambda: request in self._urls, timeout)
        urls = self._urls.pop(request)
        files = {"file": (name, content)}
        url = f"{self._address}{urls.upload_url}"
        self._http.put(url, files=files, timeout=timeout).raise_for_status()
        state = WidgetState(id=node.content.id)
        file = state.file_uploader_state_value.uploaded_file_info.add()
        file.name, file.size, file.file_id = name, len(content), urls.file_id
        file.file_urls.CopyFrom(urls)
        self._widgets[state.id] = state
        self._rerun(node)

    # Waiting

    @property
    def is_drawn(self) -> bool:
        """No run is under way or asked for, and no part of the page asks for its own reruns."""
        return not (self._running or self._asked or self._timers)

    def settle(self, timeout: float) -> float:
        """Wait until the page is drawn and stays so; when its last message came (monotonic)."""
        end = time.monotonic() + timeout
        while True:
            self.wait(lambda: self.is_drawn, end - time.monotonic())
            last = self.last_message
            self.linger(QUIET_SECONDS)
            if self.is_drawn and self.last_message == last:
                return last

    def wait(self, until: Callable[[], bool], timeout: float) -> None:
        """Take messages until something holds. Raises UnansweredError."""
        end = time.monotonic() + timeout
        while not until():
            if time.monotonic() > end:
                raise UnansweredError(f"nothing after {timeout:.0f} s: {self.page.texts()[-3:]}")
            self._take(end)

    def linger(self, seconds: float) -> None:
        """Stay on the page for a while; its fragments go on requesting their reruns."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._take(end)

    def _take(self, end: float) -> None:
        """Handle at most one message, and request the reruns of fragments that are due."""
        due = min((at for at, _ in self._timers.values()), default=end)
        try:
            data = self._socket.recv(timeout=max(0.0, min(end, due) - time.monotonic()))
        except TimeoutError:
            data = None
        if data:
            self.last_message = time.monotonic()
            message = ForwardMsg()
            message.ParseFromString(data)
            self._handle(message)
        for fragment, (at, interval) in self._timers.copy().items():
            if at <= time.monotonic():
                self._timers[fragment] = (time.monotonic() + interval, interval)
                self._send_rerun(fragment, is_auto=True)

    # Messages from the server

    def _handle(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "ref_hash":
            known = self._cache[message.ref_hash][0]
            self._cache[message.ref_hash] = known, self._full_runs
            self._place(known, message.metadata)
        elif kind == "delta":
            if message.metadata.cacheable:
                self._cache[message.hash] = message, self._full_runs
            self._place(message, message.metadata)
        elif kind == "new_session":
            self._begin(message)
        elif kind == "script_finished":
            self._finish(message)
        elif kind == "auto_rerun":
            interval = message.auto_rerun.interval
            timer = time.monotonic() + interval, interval
            self._timers.setdefault(message.auto_rerun.fragment_id, timer)
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._timers.pop(fragment, None)
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "navigation":
            pages = message.navigation.app_pages
            self._pages = {page.url_pathname: page.page_script_hash for page in pages}
            self._page_hash = message.navigation.page_script_hash
        elif kind == "file_urls_response":
            response = message.file_urls_response
            self._urls[response.response_id] = response.file_urls[0]

    def _begin(self, message: ForwardMsg) -> None:
        new, run = message.new_session, message.metadata.run
        self._run, self._fragments, self._running = run.script_run_id, list(run.fragment_ids), True
        self._session_id = new.initialize.session_id
        self._cached_age = new.config.max_cached_message_age
        if not self._fragments:
            self._asked = False
            self._timers.clear()
            if self._page_hash and new.page_script_hash != self._page_hash:
                self.page.clear()
            self._page_hash = new.page_script_hash

    def _finish(self, message: ForwardMsg) -> None:
        if message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return  # another run follows at once
        self._running = False
        self.page.finish(self._run, self._fragments)
        shown = self.page.ids()
        self._widgets = {id: state for id, state in self._widgets.items() if id in shown}
        if not self._fragments:
            self._full_runs += 1
            oldest = self._full_runs - self._cached_age
            self._cache = {key: held for key, held in self._cache.items() if held[1] >= oldest}

    def _place(self, message: ForwardMsg, metadata: Any) -> None:
        run = metadata.run.script_run_id or self._run
        node = self.page.apply(tuple(metadata.delta_path), message.delta, run)
        if node is not None and node.kind == "selectbox":
            self._remember(node.content)

    def _remember(self, box: Any) -> None:
        """A select box stands where the server puts it, or at its default."""
        if box.set_value:
            self._widgets[box.id] = WidgetState(id=box.id, string_value=box.raw_value)
        elif box.id not in self._widgets and box.HasField("default"):
            chosen = box.options[box.default]
            self._widgets[box.id] = WidgetState(id=box.id, string_value=chosen)

    # Messages to the server

    def _rerun(self, node: Node | None = None, trigger: WidgetState | None = None) -> None:
        fragment = "" if node is None else node.fragment
        self._asked = self._asked or not fragment
        self._send_rerun(fragment, trigger)

    def _send_rerun(
        self, fragment: str, trigger: WidgetState | None = None, *, is_auto: bool = False
    ) -> None:
        widgets = [*self._widgets.values(), *([trigger] if trigger is not None else [])]
        message = BackMsg()
        ask = message.rerun_script
        ask.query_string, ask.page_script_hash = self.query, self._page_hash
        ask.page_name = "" if self._page_hash else self._page_name
        ask.fragment_id, ask.is_auto_rerun = fragment, is_auto
        ask.widget_states.CopyFrom(WidgetStates(widgets=widgets))
        ask.cached_message_hashes.extend(self._cache)
        self._socket.send(message.SerializeToString())
