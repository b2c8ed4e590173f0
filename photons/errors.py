"""Every error xherald raises on purpose; each says what was wrong, where, and what to do.

The tree::

    XheraldError
    ├── ConfigError             a setting is unknown or wrong (file, line and key are in the message)
    ├── PluginError             a plugin is broken, or two bear one name
    │   └── ConformanceError    a plugin does not keep what its contract says
    ├── PluginDefectError       a plugin broke at its work; what it was given may be sound
    ├── FileError               a file cannot be used; knows its path and its reason
    │   ├── UnclaimedFileError  no adapter, or more than one, claims it
    │   ├── UnreadableFileError missing, a directory, no permission, truncated, not what it says it is
    │   └── OversizeFileError   larger, or claiming to be larger, than the configured limit
    ├── DropError               an archive's drop cannot be listed or fetched for now, or refuses to be
    ├── ArtefactError           a stored artefact is half-written, tampered with, or of another kind
    ├── ReferenceDataError      a population no reference can be made of: too few sources, a class empty, unknown names
    ├── StoreError              the store is of another form, or what is asked of it cannot be
    │   └── StoreUnavailableError   it is gone, locked or full for now: what was asked can be asked again
    ├── AlertError              an alert did not leave through its sink
    │   ├── SinkUnavailableError   for now; the same alert is to be tried again
    │   └── AlertRefusedError   as it is, it never will
    └── PhotonError             photons, good times or regions that cannot be true
        ├── GtiError            good-time intervals that are absent, empty, reversed or overlapping
        └── ProjectionError     a sky projection that is absent or broken
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
    """Root of all errors raised on purpose."""


class ConfigError(XheraldError):
    """A setting is unknown, missing or wrong."""


class PluginError(XheraldError):
    """A plugin cannot be used."""


class ConformanceError(PluginError):
    """A plugin does not keep what its contract says; lists every rule that it breaks."""


class PluginDefectError(XheraldError):
    """A plugin broke at its work with an error that nobody foresaw; names it, where it came from, and what it did."""


class FileError(XheraldError):
    """A file cannot be used.

    Parameters
    ----------
    path : Path or str
        The file.
    reason : str
        What is wrong with it and, where there is a way out, what to do; one line.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = Path(path)
        self.reason = " ".join(reason.split())
        super().__init__(f"{self.path}: {self.reason}")

    def __reduce__(self) -> tuple[type[FileError], tuple[Path, str]]:
        # Two arguments, where Exception would pickle the message alone: errors cross from worker processes.
        return type(self), (self.path, self.reason)


class UnclaimedFileError(FileError):
    """No adapter claims the file, or more than one does."""


class UnreadableFileError(FileError):
    """The file is missing, truncated, or not what it says it is."""


class OversizeFileError(FileError):
    """The file holds, or claims to hold, more than the configured limit."""


class DropError(XheraldError):
    """A drop source cannot be listed, or a file of it not fetched: tell whether trying again can help.

    Parameters
    ----------
    message : str
    passing : bool
        Whether it may go by itself: a server that is down, a link that broke.
    """

    def __init__(self, message: str, *, passing: bool = True) -> None:
        self.passing = passing
        super().__init__(" ".join(message.split()))


class ArtefactError(XheraldError):
    """A stored artefact cannot be used: half-written, tampered with, of another kind or instrument."""


class ReferenceDataError(XheraldError):
    """A population that no reference can be made of."""


class StoreError(XheraldError):
    """The store of drops, candidates and alerts is of another form, or what is asked of it cannot be."""


class StoreUnavailableError(StoreError):
    """The store is gone, locked or full for now; nothing of the step was done, and it can be repeated."""


class AlertError(XheraldError):
    """An alert did not leave through its sink."""


class SinkUnavailableError(AlertError):
    """A sink did not take an alert for now; the same alert is to be tried again.

    Parameters
    ----------
    message : str
    retry_after : float or None
        How long the sink itself asked to be left alone, s.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class AlertRefusedError(AlertError):
    """A sink will never take an alert as it is; trying again would not help."""


class PhotonError(XheraldError):
    """Photons, good times or regions that cannot be true."""


class GtiError(PhotonError):
    """Good-time intervals that are absent, empty, reversed or overlapping."""


class ProjectionError(PhotonError):
    """A sky projection that is absent or broken."""
