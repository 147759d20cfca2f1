"""The elements of a Streamlit page, placed by the server's deltas as in a browser.

Follows the rules of Streamlit's own frontend: an element or a block stands at a path, drawing a
block again keeps what is in it, and what a finished run did not draw again goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.Delta_pb2 import Delta

Path = tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """An element or a block, which run drew it, and in which fragment."""

    message: Any
    run: str
    fragment: str

    @property
    def kind(self) -> str:
        """"markdown", "button", "expandable", ...; "" for a block without any looks."""
        return self.message.WhichOneof("type") or ""

    @property
    def content(self) -> Any:
        """The message of that kind: a Markdown, a Button, an Expandable ..."""
        return getattr(self.message, self.kind)


class Page:
    """Nodes by path. `apply` takes a delta, `finish` ends a run."""

    def __init__(self) -> None:
        self._nodes: dict[Path, Node] = {}

    def clear(self) -> None:
        self._nodes.clear()

    def apply(self, path: Path, delta: Delta, run: str) -> Node | None:
        """Apply a delta; the new element, or None."""
        kind = delta.WhichOneof("type")
        if kind == "new_element":
            node = Node(delta.new_element, run, delta.fragment_id)
            self._remove_below(path)
        elif kind == "add_block":
            node = Node(delta.add_block, run, delta.fragment_id)
        else:  # a spinner beside what stands there
            return None
        self._nodes[path] = node
        return node if kind == "new_element" else None

    def finish(self, run: str, fragments: list[str]) -> None:
        """Drop what this run should have drawn again and did not."""

        def is_stale(node: Node) -> bool:
            return node.run != run and (not fragments or node.fragment in fragments)

        for path in [path for path, node in self._nodes.items() if is_stale(node)]:
            if path in self._nodes:
                self._remove_below(path)
                del self._nodes[path]

    def _remove_below(self, path: Path) -> None:
        for other in [p for p in self._nodes if len(p) > len(path) and p[: len(path)] == path]:
            del self._nodes[other]

    def nodes(self, kind: str) -> Iterator[Node]:
        """Elements of a kind ("markdown", "button", ...), in the order of the page."""
        return (node for _, node in sorted(self._nodes.items()) if node.kind == kind)

    def ids(self) -> set[str]:
        """Ids of the widgets that stand on the page."""
        elements = (node.content for node in self._nodes.values() if node.kind)
        return {element.id for element in elements if getattr(element, "id", "")}

    def texts(self) -> list[str]:
        """Markdown, captions among it."""
        return [node.content.body for node in self.nodes("markdown")]

    def alerts(self, kind: str = "ERROR") -> list[str]:
        """Bodies of the messages of a kind: ERROR, WARNING, INFO, SUCCESS."""
        wanted = Alert.Format.Value(kind)
        return [node.content.body for node in self.nodes("alert") if node.content.format == wanted]

    def labels(self) -> list[str]:
        """Labels of the parts that fold open."""
        return [node.content.label for node in self.nodes("expandable")]

    def exceptions(self) -> list[str]:
        """Exceptions that the script did not catch, as "type: message"."""
        found = (node.content for node in self.nodes("exception"))
        return [f"{exception.type}: {exception.message}" for exception in found]

    def figures(self) -> list[tuple[str, str]]:
        """(description, JSON) of every Plotly figure."""
        return [(node.content.alt, node.content.spec) for node in self.nodes("plotly_chart")]

    def widget(self, kind: str, label: str) -> Node | None:
        """The first widget of a kind whose label begins so."""
        found = (node for node in self.nodes(kind) if node.content.label.startswith(label))
        return next(found, None)
