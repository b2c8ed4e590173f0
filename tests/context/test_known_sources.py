"""The shipped table: made of its text, with positions that agree with names and with other publications."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from astropy.coordinates import FK4, SkyCoord
from paths import ROOT

from xherald.context.catalogues.catalogue import Catalogue
from xherald.context.catalogues.catalogue_store import CatalogueStore
from xherald.context.catalogues.columns import ColumnMap
from xherald.context.catalogues.import_catalogue import ImportOptions
from xherald.context.catalogues.known_sources import open_known_sources, write_known_sources
from xherald.photons.errors import ConfigError
from xherald.simulation.published_templates import TEMPLATES

TABLE = ROOT / "context" / "catalogues" / "known_sources.csv"
ROWS = list(csv.DictReader(line for line in TABLE.read_text().splitlines() if not line.startswith("#")))


def rows_of(catalogue: Catalogue) -> list[dict[str, object]]:
    files = sorted((catalogue.folder / "dataset").rglob("Npix=*.parquet"))
    return [row for path in files for row in pq.read_table(path, partitioning=None).to_pylist()]


def test_the_shipped_catalogue_is_that_of_the_table(tmp_path: Path) -> None:
    write_known_sources(tmp_path / "made")
    shipped = Catalogue.open(open_known_sources().folder, verify=True)
    made = rows_of(Catalogue.open(tmp_path / "made"))
    assert str(rows_of(shipped)) == str(made), "run write_known_sources and commit its folder"
    assert len(shipped) == len(ROWS) > 100


def test_every_source_has_a_kind_and_a_reference() -> None:
    assert [row["name"] for row in ROWS if not row["type"] or not re.search(r"\d{4}|Database", row["reference"])] == []


def test_sources_are_found_at_any_epoch() -> None:
    """Proxima Centauri in Gaia DR3, epoch 2016."""
    found = open_known_sources().search(217.392321472, -62.676075117, 0.5, epoch_yr=2016.0)
    assert found.text("name") == ["Proxima Centauri"]
    assert len(open_known_sources().search(217.392321472, -62.676075117, 0.5)) == 0


COORDINATES = re.compile(r"(?<![A-Z]P)\bJ?(\d{4,6}(?:\.\d)?)([+-])(\d{2,6})\b")
"""As in MAXI J1820+070, 4U 1820-30 or CXOM51 J132943.3+471135."""

NAMED = [
    (row, match)
    for row in ROWS
    if (match := COORDINATES.search(row["name"])) and row["name"] != "SGR 1900+14"  # 5 deg from its first position
]


@pytest.mark.parametrize(("row", "match"), [pytest.param(*one, id=one[0]["name"]) for one in NAMED])
def test_positions_agree_with_names(row: dict[str, str], match: re.Match[str]) -> None:
    """Old names are those of first positions, in either equinox; digits in the wrong place are seen all the same."""
    ra, sign, dec = match.groups()
    is_precise = len(dec) == 6
    hours = int(ra[:2]) + int(ra[2:4]) / 60 + (float(ra[4:]) / 3600 if is_precise else 0.0)
    parts = (dec[:2], dec[2:4], dec[4:]) if len(dec) != 3 else (dec[:2], dec[2] + "0", "")
    degrees = float(sign + "1") * sum(int(part or 0) / 60**power for power, part in enumerate(parts))
    position = SkyCoord(float(row["ra_deg"]), float(row["dec_deg"]), unit="deg")
    stated = [SkyCoord(hours * 15, degrees, unit="deg", frame=frame) for frame in ("icrs", FK4(equinox="B1950"))]
    separation = min(position.separation(one.transform_to("icrs")).arcsec for one in stated)
    assert separation < (2.0 if is_precise else 3600.0)


def test_published_templates_have_positions() -> None:
    """But for one without a published position that we know, and one that is named otherwise."""
    assert set(TEMPLATES) - {row["name"] for row in ROWS} == {"EP240315a", "M51-ULX-1b"}


def test_bona_fide_transients_are_of_the_published_list(data: Path) -> None:
    published = json.loads((data / "published" / "bonafide_transients.json").read_text())
    names = {name for kind in published.values() for name in kind}
    ours = [row["bona_fide_id"] for row in ROWS if row["bona_fide_id"]]
    assert len(ours) == len(set(ours)) > 9
    assert set(ours) <= names


def test_the_table_comes_before_imported_catalogues(tmp_path: Path) -> None:
    store = CatalogueStore(tmp_path / "catalogues")
    assert [one.name for one in store.open_all()] == ["known_sources"]
    assert len(store.open("known_sources", verify=True)) == len(ROWS)
    with pytest.raises(ConfigError, match="shipped table"):
        store.add(str(TABLE), "known_sources", ImportOptions(ColumnMap()))
