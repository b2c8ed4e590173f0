"""References by name, those of the calibration in use included: `find_reference`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xherald.detector.references.builtin_reference import open_reference_store

from .calibration import cached_calibration

if TYPE_CHECKING:
    from xherald.catalog_store.references.reference_store import ReferenceEntry
    from xherald.detector.configuration.configuration import Configuration

__all__ = ["find_reference"]


def find_reference(which: str, configuration: Configuration) -> ReferenceEntry:
    """A reference of the user's folder or, if it has none of that name, of the calibration in use.

    The look-alikes of a detection are members of the reference that its row names; this finds it.

    Parameters
    ----------
    which : str — ``name@version``, or a name for its newest version
    configuration : Configuration

    Raises
    ------
    ConfigError
        The reference does not exist.
    """
    store = open_reference_store(configuration.settings.reference)
    name = which.partition("@")[0]
    if not any(entry.name == name for entry in store.entries()):
        folder = configuration.settings.detection.calibration
        calibration = cached_calibration() if folder is None else cached_calibration(folder)
        for group in calibration.groups.values():
            if group.references is not None and any(entry.name == name for entry in group.references.entries()):
                return group.references.find(which)
    return store.find(which)
