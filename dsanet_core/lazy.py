"""Names of a package that are imported on first use, with everything that they need."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import Any


class LazyExports:
    """The names that a package imports in its block `if TYPE_CHECKING:`. Type checkers read them
    there; at run time the package's `__getattr__` is `load`."""

    def __init__(self, package: str, file: str) -> None:
        self.package = package
        self.module_of: dict[str, str] = {}
        for block in ast.parse(Path(file).read_text(encoding="utf-8")).body:
            if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
                for node in block.body:
                    if isinstance(node, ast.ImportFrom) and node.module:
                        self.module_of |= {alias.name: node.module for alias in node.names}

    def load(self, name: str) -> Any:
        """The value of a name. Raises AttributeError for an unknown one."""
        if name not in self.module_of:
            raise AttributeError(f"module {self.package!r} has no attribute {name!r}")
        module = self.module_of[name]
        if module == self.package:  # a submodule
            return import_module(f"{module}.{name}")
        return getattr(import_module(module), name)
