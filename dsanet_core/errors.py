"""Errors a user can act on: each names the value, what was expected and the next step."""


def printable(text: str) -> str:
    """Text without line breaks or control characters: names of files hold anything."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


class LensError(Exception):
    """Base of every error that is meant to be read by a user."""

    def __init__(self, value: str, expected: str, next_step: str) -> None:
        self.value = value
        self.expected = expected
        self.next_step = next_step
        super().__init__(f"{value}; expected {expected}. {next_step}")

    def __reduce__(self) -> tuple[type["LensError"], tuple[str, str, str]]:
        return type(self), (self.value, self.expected, self.next_step)


class VideoError(LensError):
    """A file that cannot be read as a video, or not within the limits."""


class CheckpointError(LensError):
    """Weights that cannot be loaded, or do not fit the network."""


class DatasetError(LensError):
    """A dataset description that cannot be understood."""


class ModelError(LensError):
    """A model name or an input tensor that no network of the zoo takes."""


class RecordError(LensError):
    """A stored analysis that cannot be read back."""


class RunError(LensError):
    """A run over a dataset that cannot go on, or whose folder cannot be read."""
