"""A population as files: truth as columns beside the photons, and the tables in which the method was published.

The published form is that of Dillmann et al. 2025 (MNRAS 537, 931): ``eventfiles_table.csv`` with obsreg_id, time (s)
and energy (eV), ``properties_table.csv`` with columns of the Chandra Source Catalogue, ``bonafide_transients.json``.
Beside them goes ``eventfiles_table_gti.csv``, for photons alone do not say when nobody looked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from xherald.adapters.photon_lists import as_table
from xherald.photons import EventBatch
from xherald.photons.arrays import F64
from xherald.photons.statistics.clock import null_clock
from xherald.photons.statistics.gregory_loredo import compute_variability_odds, variability_index
from xherald.simulation.write_errors import file_errors

from .draws import PopulationChunk
from .population_settings import PopulationRequest

__all__ = ["TRUTH", "PublishedTables", "listed_as", "published_tables", "table_of"]


EVENTS: Final = "eventfiles_table.csv"
GTI: Final = "eventfiles_table_gti.csv"
PROPERTIES: Final = "properties_table.csv"
BONA_FIDE: Final = "bonafide_transients.json"
FILES: Final = (EVENTS, GTI, PROPERTIES, BONA_FIDE)

TRUTH: Final = "truth_"
"""What columns of truth begin with."""

SOFT_KEV: Final = (1.2, 2.0)
"""Ends of the soft and the medium band of the Chandra Source Catalogue; the rest of the band is hard (Evans et al.
2010, ApJS 189, 37, table 2)."""

OTHERS: Final = ("fast_transient", "magnetar_burst")
"""Classes listed apart from the flares, as XRT 200515 is."""

KINDS: Final = ("Known Dips", "Known Flares", "Others")


def table_of(drawn: PopulationChunk, request: PopulationRequest) -> pa.Table:
    """A chunk as a table: the columns of `ragged.COLUMNS`, then the truth.

    Parameters
    ----------
    drawn : PopulationChunk
    request : PopulationRequest

    Returns
    -------
    pyarrow.Table
        Columns of truth: class, direction ("flare", "dip" or ""), is_bona_fide, event_sigma, event_start_s and
        event_stop_s (mission seconds, null without an event), expected_counts and background_expected (in aperture,
        band and good time), flux (photons cm⁻² s⁻¹ in 0.1–15 keV for a relative flux of 1), exposure_s (good time),
        livetime_s, hard_hm, hard_ms, hard_hs (of the photons in the aperture; null without any), parameters (JSON),
        seed, version.
    """
    models, batch = drawn.models, drawn.batch
    events = [
        (None, None) if model.interval is None else (start + model.interval[0], start + model.interval[1])
        for model, start in zip(models, drawn.start.tolist(), strict=True)
    ]
    truth = {
        "class": pa.array([model.kind for model in models]),
        "direction": pa.array([model.direction for model in models], pa.string()),
        "is_bona_fide": drawn.sigma >= request.bona_fide_sigma,
        "event_sigma": drawn.sigma,
        "event_start_s": pa.array([start for start, _ in events], pa.float64()),
        "event_stop_s": pa.array([stop for _, stop in events], pa.float64()),
        "expected_counts": drawn.expected,
        "background_expected": drawn.background,
        "flux": drawn.flux,
        "exposure_s": np.add.reduceat(np.diff(batch.gti, axis=1).ravel(), batch.gti_offsets[:-1]),
        "livetime_s": batch.livetime,
        **_hardness(batch),
        "parameters": pa.array([json.dumps(dict(model.parameters), allow_nan=False) for model in models]),
        "seed": np.full(len(batch), request.seed),
        "version": pa.array([version("xherald")] * len(batch)),
    }
    table = as_table(batch)
    for name, values in truth.items():
        table = table.append_column(TRUTH + name, pa.array(values))
    return table


def _hardness(batch: EventBatch) -> dict[str, pa.Array]:
    """Differences over sums of the counts in two bands, background not taken off; null without photons in either."""
    source = np.repeat(np.arange(len(batch)), batch.counts)
    band = np.searchsorted(SOFT_KEV, batch.energy, side="right")
    counts = np.bincount(3 * source + band, minlength=3 * len(batch)).reshape(-1, 3).astype(np.float64)
    soft, medium, hard = counts.T

    def ratio(upper: F64, lower: F64) -> pa.Array:
        total = upper + lower
        return pa.array((upper - lower) / np.where(total > 0, total, 1.0), mask=total == 0)

    return {"hard_hm": ratio(hard, medium), "hard_ms": ratio(medium, soft), "hard_hs": ratio(hard, soft)}


@contextmanager
def published_tables(folder: Path) -> Iterator[PublishedTables]:
    """The published form, to which batches are added; files appear under their names when all is written.

    Raises
    ------
    FileError
        A file cannot be written.
    """
    with file_errors(folder), ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        parts = {name: folder / f".{name}.part" for name in FILES}
        for part in parts.values():
            stack.callback(part.unlink, missing_ok=True)
        with PublishedTables(parts) as tables:
            yield tables
        for name, part in parts.items():
            part.replace(folder / name)


class PublishedTables:
    """The published form while it is being written; `published_tables` opens it.

    Parameters
    ----------
    paths : mapping of str to Path
        Where each of `FILES` is written.
    """

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths
        self._writers: dict[str, pc.CSVWriter] = {}
        self._known: dict[str, list[str]] = {kind: [] for kind in KINDS}

    def __enter__(self) -> PublishedTables:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for writer in self._writers.values():
            writer.close()
        if kind is None:
            self._paths[BONA_FIDE].write_text(json.dumps(self._known, indent=1) + "\n")

    def add(self, batch: EventBatch, truth: pa.Table) -> None:
        """Append sources.

        Parameters
        ----------
        batch : EventBatch
        truth : pyarrow.Table
            Of `Population`, a row a source.
        """
        ids = np.array([one.detection_id for one in batch.identities], dtype=object)
        energy_ev = batch.energy.astype(np.float64) * 1e3
        of_photon = np.repeat(ids, batch.counts)
        self._write(EVENTS, pa.table({"obsreg_id": of_photon, "time": batch.time, "energy": energy_ev}))
        rows = np.repeat(ids, np.diff(batch.gti_offsets))
        self._write(GTI, pa.table({"obsreg_id": rows, "start": batch.gti[:, 0], "stop": batch.gti[:, 1]}))
        self._write(PROPERTIES, _properties(batch, truth))
        columns = (truth.column(name).to_pylist() for name in ("class", "direction", "is_bona_fide"))
        for name, (kind, direction, known) in zip(ids.tolist(), zip(*columns, strict=True), strict=True):
            if known:
                self._known[listed_as(kind, direction)].append(name)

    def _write(self, name: str, table: pa.Table) -> None:
        if name not in self._writers:
            self._writers[name] = pc.CSVWriter(
                self._paths[name], table.schema, write_options=pc.WriteOptions(quoting_style="none")
            )
        self._writers[name].write_table(table)


def listed_as(kind: str, direction: str) -> str:
    """Key of the published list under which a bona-fide transient of a class stands."""
    if kind in OTHERS:
        return "Others"
    return "Known Dips" if direction == "dip" else "Known Flares"


def _properties(batch: EventBatch, truth: pa.Table) -> pa.Table:
    """Columns of the Chandra Source Catalogue, measured on the photons as it does.

    theta arcmin; livetime s; cnts_aper_b, cnts_aperbkg_b: photons in aperture and background region; src_cnts_aper_b,
    src_rate_aper_b: net; significance: net counts over their error; var_prob_b, var_index_b: Gregory–Loredo.
    """
    counts, around, ratio = batch.counts, np.diff(batch.background_offsets), batch.area_ratio
    net = counts - ratio * around
    clock = null_clock(batch)
    log_odds, within_3, within_5 = compute_variability_odds(clock.u, clock.offsets)
    return pa.table(
        {
            "obsreg_id": [one.detection_id for one in batch.identities],
            "obsid": [one.obs_id for one in batch.identities],
            "region_id": [one.detection_id.rpartition("_")[2] for one in batch.identities],
            "theta": [one.off_axis_arcmin for one in batch.identities],
            "livetime": batch.livetime,
            "cnts_aper_b": counts,
            "cnts_aperbkg_b": around,
            "src_cnts_aper_b": net,
            "src_rate_aper_b": net / batch.livetime,
            "significance": net / np.sqrt(counts + ratio**2 * around),
            **{name: truth.column(name) for name in ("hard_hm", "hard_ms", "hard_hs")},
            "var_prob_b": 1.0 / (1.0 + np.exp(-np.clip(log_odds, -700.0, 700.0))),
            "var_index_b": variability_index(log_odds, within_3, within_5),
        }
    )
