"""Versions of calibrations that were rebuilt for a store: which exist, how they compared, and which one is active.

The artefacts are in a folder; the active version and the comparisons are shared states, so that all daemons of a store
use the same version. If another calibration is configured afterwards, it takes precedence.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xherald.photons.errors import ArtefactError, ConfigError, StoreUnavailableError

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.records import Json
    from xherald.catalog_store.ledger.store import Store
    from xherald.daemon.logs import Log
    from xherald.detector.configuration.configuration import Configuration

__all__ = [
    "CONFIGURED",
    "VERSIONS_STATE",
    "activate",
    "find_calibrations_folder",
    "get_configured_calibration",
    "list_versions",
    "next_number",
    "read_active_name",
    "record_version",
    "with_active_calibration",
    "with_usable_calibration",
]

VERSIONS_STATE: Final = "calibrations"
"""Name of the shared state with all versions and their comparisons."""

ACTIVE_STATE: Final = "calibration_in_use"
"""Name of the shared state with the active version; a small one, as daemons read it every few seconds."""

CONFIGURED: Final = "configured"
"""Name of the calibration in the configuration, or the built-in one."""

MAX_REJECTED_KEPT: Final = 3
"""Rejected versions whose folders are kept; their comparisons are kept for ever."""


def list_versions(store: Store) -> list[dict[str, Any]]:
    """All versions, the earliest first, as recorded by `record_version`."""
    return list((store.shared_state(VERSIONS_STATE) or {"versions": []})["versions"])


def read_active_name(store: Store) -> str | None:
    """Name of the active version; None for the configured calibration."""
    state = store.shared_state(ACTIVE_STATE)
    return None if state is None else state["name"]


def with_active_calibration(configuration: Configuration, store: Store) -> Configuration:
    """The configuration with the active calibration of a store.

    Raises
    ------
    ArtefactError
        Its folder is missing.
    """
    state = store.shared_state(ACTIVE_STATE)
    if state is None or state["name"] is None or state["configured"] != get_configured_calibration(configuration):
        return configuration
    if not Path(state["folder"]).is_dir():
        raise ArtefactError(
            f"{state['folder']}: the folder of calibration {state['name']}, active on {store.name}, is missing; "
            "restore it, or run `xherald calibration activate configured`"
        )
    settings = configuration.settings
    detection = settings.detection.model_copy(update={"calibration": Path(state["folder"])})
    return replace(configuration, settings=settings.model_copy(update={"detection": detection}))


def with_usable_calibration(configuration: Configuration, store: Store, log: Log) -> Configuration:
    """`with_active_calibration`, or the unchanged configuration and a warning if the store or the folder is missing.

    Files are processed all the same; every row names the calibration that was used.
    """
    try:
        return with_active_calibration(configuration, store)
    except (StoreUnavailableError, ArtefactError) as fault:
        log.warning("using the configured calibration", reason=str(fault))
        return configuration


def get_configured_calibration(configuration: Configuration) -> str:
    """The calibration in the configuration; empty for the built-in one."""
    return str(configuration.settings.detection.calibration or "")


def find_calibrations_folder(configuration: Configuration, store: Store) -> Path:
    """Folder for rebuilt calibrations of a store."""
    folder = configuration.settings.daemon.calibrations_folder
    if folder is not None:
        return folder.absolute()
    from platformdirs import user_data_path

    digest = hashlib.sha256(store.name.encode()).hexdigest()[:12]
    return user_data_path("xherald") / "calibrations" / digest


def next_number(store: Store, folder: Path) -> int:
    """Number of the next version."""
    names = [one["name"] for one in list_versions(store)] + [path.name for path in folder.glob("rebuilt-*")]
    return max((int(name.rpartition("-")[2]) for name in names if name.rpartition("-")[2].isdigit()), default=0) + 1


def record_version(store: Store, entry: Mapping[str, Any]) -> None:
    """Record a version with its comparison, and activate it if the entry says so.

    Folders of rejected versions are deleted, except for the latest ones.
    """

    def change(state: Json | None) -> Json:
        return {"versions": [*(state or {"versions": []})["versions"], dict(entry)]}

    store.update_shared_state(VERSIONS_STATE, change)
    if entry["activated"]:
        _set_active(store, entry)
    active = read_active_name(store)
    rejected = [one for one in list_versions(store) if not one["activated"] and one["name"] != active]
    for one in rejected[:-MAX_REJECTED_KEPT]:
        shutil.rmtree(one["folder"], ignore_errors=True)


def activate(store: Store, name: str) -> None:
    """Activate a version, or the configured calibration (`CONFIGURED`).

    Raises
    ------
    ConfigError
        There is no such version, or its folder is missing.
    """
    versions = list_versions(store)
    entry = next((one for one in versions if one["name"] == name), None)
    if name != CONFIGURED and entry is None:
        names = ", ".join([CONFIGURED, *(one["name"] for one in versions)])
        raise ConfigError(f"no calibration {name!r} was rebuilt for {store.name}; available: {names}")
    if entry is not None and not Path(entry["folder"]).is_dir():
        raise ConfigError(f"calibration {name}: its folder {entry['folder']} is missing; restore it, or choose another")
    _set_active(store, entry)


def _set_active(store: Store, entry: Mapping[str, Any] | None) -> None:
    """Set the active version; None for the configured calibration."""
    values = {name: None if entry is None else entry[name] for name in ("name", "folder", "configured")}
    store.set_shared_states({ACTIVE_STATE: values})
