"""Exceptions of xherald. Their messages state what is wrong, where, and what to do.

The tree::

    XheraldError
    ├── ConfigError             a setting is unknown or invalid (the message has file, line and key)
    ├── PluginError             a plugin cannot be loaded, or two have the same name
    │   └── ConformanceError    a plugin violates its contract
    ├── PluginDefectError       a plugin failed with an unexpected error
    ├── FileError               a file cannot be used; has its path and the reason
    │   ├── UnclaimedFileError  no adapter, or more than one, supports it
    │   ├── UnreadableFileError missing, a directory, not permitted, truncated or malformed
    │   │   └── EmptyObservationError  too few events are left after screening to test any source
    │   └── OversizeFileError   larger than a configured limit, by its size or its header
    ├── DropError               a drop source cannot be listed, or a file not fetched
    ├── ArtefactError           an artefact is incomplete, modified, or of another kind
    ├── ReferenceDataError      unsuitable data for a reference: too few sources, empty classes, unknown names
    ├── StoreError              the store has another schema version, or a request is invalid
    │   └── StoreUnavailableError   it is unreachable, locked or full; retryable
    ├── AlertError              an alert could not be sent
    │   ├── SinkUnavailableError   the sink is unavailable; retryable
    │   └── AlertRefusedError   the sink refused the alert; not retryable
    └── PhotonError             invalid photons, good times or regions
        ├── GtiError            good-time intervals are absent, empty, reversed or overlapping
        └── ProjectionError     a sky projection is absent or invalid
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "AlertError",
    "AlertRefusedError",
    "ArtefactError",
    "ConfigError",
    "ConformanceError",
    "DropError",
    "EmptyObservationError",
    "FileError",
    "GtiError",
    "OversizeFileError",
    "PhotonError",
    "PluginDefectError",
    "PluginError",
    "ProjectionError",
    "ReferenceDataError",
    "SinkUnavailableError",
    "StoreError",
    "StoreUnavailableError",
    "UnclaimedFileError",
    "UnreadableFileError",
    "XheraldError",
]


class XheraldError(Exception):
    """Base class of all exceptions of xherald."""


class ConfigError(XheraldError):
    """A setting is unknown, missing or invalid."""


class PluginError(XheraldError):
    """A plugin cannot be used."""


class ConformanceError(PluginError):
    """A plugin violates its contract; the message lists all violated rules."""


class PluginDefectError(XheraldError):
    """A plugin failed with an unexpected error; the message names the plugin, its origin and the call."""


class FileError(XheraldError):
    """A file cannot be used.

    Parameters
    ----------
    path : Path or str
        The file.
    reason : str
        What is wrong and what to do, in one line.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = Path(path)
        self.reason = " ".join(reason.split())
        super().__init__(f"{self.path}: {self.reason}")

    def __reduce__(self) -> tuple[type[FileError], tuple[Path, str]]:
        # Two arguments, where Exception would pickle the message alone: errors cross from worker processes.
        return type(self), (self.path, self.reason)


class UnclaimedFileError(FileError):
    """No adapter, or more than one, supports the file."""


class UnreadableFileError(FileError):
    """The file is missing, truncated or malformed."""


class EmptyObservationError(UnreadableFileError):
    """Fewer than two events are left after screening, so there is no source to test."""


class OversizeFileError(FileError):
    """The file exceeds a configured limit, by its size or by its header."""


class DropError(XheraldError):
    """A drop source cannot be listed, or a file of it not fetched.

    Parameters
    ----------
    message : str
    is_transient : bool
        Whether a retry may succeed, as after a network or server failure.
    """

    def __init__(self, message: str, *, is_transient: bool = True) -> None:
        self.is_transient = is_transient
        super().__init__(" ".join(message.split()))


class ArtefactError(XheraldError):
    """An artefact cannot be used: incomplete, modified, or of another kind or instrument."""


class ReferenceDataError(XheraldError):
    """Data are unsuitable for a reference."""


class StoreError(XheraldError):
    """The store has another schema version, or a request is invalid."""


class StoreUnavailableError(StoreError):
    """The store is unreachable, locked or full. The step was rolled back and can be repeated."""


class AlertError(XheraldError):
    """An alert could not be sent."""


class SinkUnavailableError(AlertError):
    """A sink is unavailable; the same alert is retried.

    Parameters
    ----------
    message : str
    retry_after : float or None
        Waiting time that the sink requested, s.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class AlertRefusedError(AlertError):
    """A sink refused an alert; a retry would fail, too."""


class PhotonError(XheraldError):
    """Photons, good times or regions are invalid."""


class GtiError(PhotonError):
    """Good-time intervals are absent, empty, reversed or overlapping."""


class ProjectionError(PhotonError):
    """A sky projection is absent or invalid."""
