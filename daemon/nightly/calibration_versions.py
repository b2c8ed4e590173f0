"""Calibrations that were rebuilt for a store: which is in use, which there are, and how each was judged.

The artefacts lie in a folder; which of them is in use, with the figures of old and new, stands in the stream's state,
so that every daemon of a store goes by the same one. A calibration that the configuration names anew goes before what
was rebuilt of another.
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
    "CALIBRATIONS",
    "CONFIGURED",
    "activate",
    "calibrations_to_json",
    "folder_of",
    "in_use",
    "name_in_use",
    "next_number",
    "noted",
    "serving",
]

CALIBRATIONS: Final = "calibrations"
"""Name of the stream's state that holds every version and how it was judged."""

IN_USE: Final = "calibration_in_use"
"""Name of that which says where the one in use lies: a few words, for daemons ask every few seconds."""

CONFIGURED: Final = "configured"
"""What stands for the calibration that the configuration names, or the shipped one."""

REFUSED_KEPT: Final = 3
"""Versions that were not activated are kept so many nights; their figures are kept for good."""


def calibrations_to_json(store: Store) -> list[dict[str, Any]]:
    """All versions, the earliest first, as they were `noted`."""
    return list((store.shared_state(CALIBRATIONS) or {"versions": []})["versions"])


def name_in_use(store: Store) -> str | None:
    """The rebuilt calibration in use; None for the configured one."""
    state = store.shared_state(IN_USE)
    return None if state is None else state["name"]


def in_use(configuration: Configuration, store: Store) -> Configuration:
    """The configuration with the calibration that is in use on a store.

    Raises
    ------
    ArtefactError
        It is not where it should be.
    """
    state = store.shared_state(IN_USE)
    if state is None or state["name"] is None or state["configured"] != configured(configuration):
        return configuration
    if not Path(state["folder"]).is_dir():
        raise ArtefactError(
            f"{state['folder']}: calibration {state['name']} is in use on {store.name} and is gone; bring it back, or "
            "run `xherald calibration activate configured`"
        )
    settings = configuration.settings
    detection = settings.detection.model_copy(update={"calibration": Path(state["folder"])})
    return replace(configuration, settings=settings.model_copy(update={"detection": detection}))


def serving(configuration: Configuration, store: Store, log: Log) -> Configuration:
    """As `in_use`; the configuration as it is, with a word in the log, where the store or the calibration is gone.

    Files go on meanwhile: each of their rows says which calibration it was judged by.
    """
    try:
        return in_use(configuration, store)
    except (StoreUnavailableError, ArtefactError) as fault:
        log.warning("the configured calibration is used", reason=str(fault))
        return configuration


def configured(configuration: Configuration) -> str:
    """What the configuration names as calibration."""
    return str(configuration.settings.detection.calibration or "")


def folder_of(configuration: Configuration, store: Store) -> Path:
    """Where calibrations are kept that are rebuilt for a store."""
    folder = configuration.settings.daemon.calibrations_folder
    if folder is not None:
        return folder.absolute()
    from platformdirs import user_data_path

    mark = hashlib.sha256(store.name.encode()).hexdigest()[:12]
    return user_data_path("xherald") / "calibrations" / mark


def next_number(store: Store, folder: Path) -> int:
    """Number of the next version."""
    names = [one["name"] for one in calibrations_to_json(store)] + [path.name for path in folder.glob("rebuilt-*")]
    return max((int(name.rpartition("-")[2]) for name in names if name.rpartition("-")[2].isdigit()), default=0) + 1


def noted(store: Store, entry: Mapping[str, Any]) -> None:
    """Keep a version with how it was judged; it comes into use if it says that it was activated.

    Of versions that were refused, but the latest few, the folders are removed.
    """

    def change(state: Json | None) -> Json:
        return {"versions": [*(state or {"versions": []})["versions"], dict(entry)]}

    store.update_shared_state(CALIBRATIONS, change)
    if entry["activated"]:
        _serve(store, entry)
    refused = [one for one in calibrations_to_json(store) if not one["activated"] and one["name"] != name_in_use(store)]
    for one in refused[:-REFUSED_KEPT]:
        shutil.rmtree(one["folder"], ignore_errors=True)


def activate(store: Store, name: str) -> None:
    """Let a version serve, or the configured calibration (`CONFIGURED`).

    Raises
    ------
    ConfigError
        There is none of that name, or its folder is gone.
    """
    versions = calibrations_to_json(store)
    entry = next((one for one in versions if one["name"] == name), None)
    if name != CONFIGURED and entry is None:
        known = ", ".join([CONFIGURED, *(one["name"] for one in versions)])
        raise ConfigError(f"no calibration {name!r} was rebuilt for {store.name}; there are: {known}")
    if entry is not None and not Path(entry["folder"]).is_dir():
        raise ConfigError(f"calibration {name}: its folder {entry['folder']} is gone; bring it back, or name another")
    _serve(store, entry)


def _serve(store: Store, entry: Mapping[str, Any] | None) -> None:
    """Write down which version is in use; None for the configured calibration."""
    facts = {name: None if entry is None else entry[name] for name in ("name", "folder", "configured")}
    store.set_shared_states({IN_USE: facts})
