"""`xherald context`: import, list, show, update and remove catalogues of what is known at a position."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from xherald.context.object_types import CATEGORIES

from .group import FILE_FAILED, configuration, report, run_options
from .position_options import POSITION
from .progress import stages

if TYPE_CHECKING:
    from xherald.context.catalogues.catalogue_store import CatalogueStore
    from xherald.context.catalogues.import_catalogue import ImportOptions

__all__ = ["command"]


class Band(click.ParamType[tuple[float, float]]):
    """Two energies in keV, such as 0.5-7."""

    name = "LOW-HIGH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", str(value))
        if match is None or not float(match[1]) < float(match[2]):
            self.fail(f"{value!r} is not an energy band in keV, such as 0.5-7", param, ctx)
        return float(match[1]), float(match[2])


def _names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (value or "").split(",") if word.strip())


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
name_argument = click.argument("name")


@click.group("context")
def command() -> None:
    """Manage catalogues of known sources.

    A catalogue is imported once from a file and then searched on disk, without a network.

    \b
    Examples:
      xherald context import gaia_bright.fits --name gaia --preset gaia_dr3
      xherald context import stars.csv --name stars --columns "name=ID,ra=RA[deg],dec=DEC[deg],pos_err=ERR[arcsec]"
      xherald context list
      xherald context show gaia
      xherald context search --at 83.633,22.014 --radius 10
    """  # noqa: D301


@command.command("import")
@click.argument("origin", metavar="FILE|URL")
@click.option("--name", required=True, help="Name of the catalogue.")
@click.option("--preset", metavar="PRESET", help="Columns of a known catalogue; see `context list --presets`.")
@click.option(
    "--columns",
    default="",
    metavar="ROLE=COLUMN[unit],…",
    help="Columns of the file, or constants; they replace those of the preset, and ROLE= removes one.",
)
@click.option("--keep", callback=_names, metavar="COLUMN,…", help="Further columns to keep.")
@click.option(
    "--error-is",
    metavar="MEANING",
    help="Meaning of positional errors: sigma (per axis; the default), rms, or the content of a circle such as 90%.",
)
@click.option(
    "--default-error",
    type=click.FloatRange(min=0, min_open=True),
    metavar="ARCSEC",
    help="Positional error, 1 sigma per axis, of rows without one.",
)
@click.option("--magnitude-band", metavar="BAND", help="Band of the magnitudes, such as G.")
@click.option("--flux-band", type=Band(), help="Band of the fluxes, keV, such as 0.5-7.")
@click.option(
    "--category",
    type=click.Choice(CATEGORIES),
    metavar="CATEGORY",
    help=f"What objects are if their type does not say: {', '.join(CATEGORIES)}.",
)
@click.option("--types", type=click.Choice(["simbad", "vsx"]), help="How types are written; default: in words.")
@click.option("--hdu", metavar="NAME|N", help="Extension of a FITS file; default: the first table.")
@click.option("--skip-invalid", is_flag=True, help="Leave out rows without a name, position or positional error.")
@click.option("--wrap-ra", is_flag=True, help="Accept right ascensions from -360 to 360 deg.")
@click.option("--keep-repeated", is_flag=True, help="Accept names that occur more than once.")
@click.option("--replace", is_flag=True, help="Replace a catalogue of this name.")
@json_option
@run_options
def import_(
    origin: str,
    name: str,
    preset: str | None,
    columns: str,
    keep: tuple[str, ...],
    error_is: str | None,
    default_error: float | None,
    magnitude_band: str | None,
    flux_band: tuple[float, float] | None,
    category: str | None,
    types: str | None,
    hdu: str | None,
    skip_invalid: bool,
    wrap_ra: bool,
    keep_repeated: bool,
    replace: bool,
    as_json: bool,
) -> None:
    """Import a catalogue from a file.

    Reads FITS, VOTable, ECSV, CSV, TSV and Parquet, compressed or not. Each column of the file gets a role: name, ra,
    dec, pos_err (or pos_err_ra and pos_err_dec, or pos_err_major, pos_err_minor and pos_err_angle), pmra, pmdec,
    epoch, magnitude, flux, flux_err, type, distance, parallax, parallax_err, redshift. Units are those of the file
    unless given in brackets; sexagesimal positions have the units hms and dms. A row that cannot be used is an error
    that names it, and nothing is imported.

    \b
    Examples:
      xherald context import gaia_bright.fits --name gaia --preset gaia_dr3
      xherald context import 4XMM_slim_DR14cat_v1.0.fits.gz --name 4xmm --preset 4xmm --keep SC_VAR_FLAG
      xherald context import stars.csv --name stars --columns "name=ID,ra=RA[deg],dec=DEC[deg],pos_err=0.5[arcsec]"

    \b
    Exit codes:
      0  the catalogue was imported
      1  the file cannot be read, fetched or used; nothing was imported
      2  wrong options or configuration, or the columns do not fit the file; nothing was imported
    """  # noqa: D301
    options, preset_name = _options(
        preset,
        columns,
        keep,
        {
            "pos_err_is": error_is,
            "default_pos_err_arcsec": default_error,
            "magnitude_band": magnitude_band,
            "flux_band_kev": flux_band,
            "category": category,
            "types": types,
        },
        {"hdu": hdu, "skip_invalid": skip_invalid, "wrap_ra": wrap_ra, "keep_repeated": keep_repeated},
    )
    store = _store()
    with stages(shown=not as_json) as stage:
        catalogue = store.add(origin, name, options, preset=preset_name, replace=replace, stage=stage)
    _print(store, [catalogue.name], as_json)


@command.command("list")
@click.option("--presets", is_flag=True, help="List the presets instead.")
@json_option
@run_options
def list_catalogues(presets: bool, as_json: bool) -> None:
    """List the imported catalogues.

    \b
    Exit codes:
      0  the list was printed
      1  a catalogue cannot be read
      2  wrong options or configuration
    """  # noqa: D301
    from xherald.context.catalogues.presets import load_presets

    from .context_rendering import print_presets

    if presets:
        known = load_presets()
        if as_json:
            click.echo(json.dumps({name: one.model_dump(mode="json") for name, one in known.items()}))
        else:
            print_presets(known)
        return
    store = _store()
    names = store.names()
    if names or as_json:
        _print(store, names, as_json)
    else:
        click.echo(f"No catalogues in {store.folder}; see `xherald context import --help`.")


@command.command("show")
@name_argument
@click.option("--verify", is_flag=True, help="Compare the hashes of all files.")
@json_option
@run_options
def show(name: str, verify: bool, as_json: bool) -> None:
    """Show a catalogue and its columns.

    \b
    Exit codes:
      0  the catalogue was shown
      1  it cannot be read, or was modified
      2  wrong options or configuration, or no such catalogue
    """  # noqa: D301
    from .context_rendering import catalogue_to_json, print_catalogue

    store = _store()
    with stages(shown=not as_json) as stage:
        stage("comparing hashes" if verify else "")
        catalogue = store.open(name, verify=verify)
    if as_json:
        click.echo(json.dumps(catalogue_to_json(catalogue)))
    else:
        print_catalogue(catalogue)


@command.command("update")
@name_argument
@click.option("--from", "origin", metavar="FILE|URL", help="A new release; default: where the catalogue came from.")
@json_option
@run_options
def update(name: str, origin: str | None, as_json: bool) -> None:
    """Import a catalogue again if it changed.

    The columns and options are those of the import. The earlier version is searched until the new one is complete.

    \b
    Exit codes:
      0  the catalogue is up to date
      1  the file cannot be read, fetched or used; the catalogue was not changed
      2  wrong options or configuration, or no such catalogue
    """  # noqa: D301
    store = _store()
    with stages(shown=not as_json) as stage:
        catalogue, is_new = store.update(name, origin, stage)
    if not as_json:
        click.echo(f"{name}: {'imported again' if is_new else 'the file has not changed'}.")
    _print(store, [catalogue.name], as_json)


@command.command("remove")
@name_argument
@json_option
@run_options
def remove(name: str, as_json: bool) -> None:
    """Remove a catalogue.

    \b
    Exit codes:
      0  the catalogue was removed
      1  it cannot be removed
      2  wrong options or configuration, or no such catalogue
    """  # noqa: D301
    _store().remove(name)
    click.echo(json.dumps({"removed": name}) if as_json else f"Removed {name}.")


@command.command("search")
@click.option("--at", "position", type=POSITION, required=True, help="Position, ICRS: degrees, sexagesimal, gal:l,b.")
@click.option(
    "--radius",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="ARCSEC",
    help="Radius of the search.",
)
@click.option("--epoch", type=float, metavar="YEAR", help="Julian year of the position; default: now.")
@json_option
@run_options
def search(position: tuple[float, float], radius: float, epoch: float | None, as_json: bool) -> None:
    """Show what is known at a position.

    Asks the shipped table, the imported catalogues and the context providers of plugins. Proper motions are carried
    to the epoch.

    \b
    Examples:
      xherald context search --at 217.4,-62.68 --radius 120 --epoch 2016
      xherald context search --at "05:34:31.97 +22:00:52.1" --json

    \b
    Exit codes:
      0  everything was asked
      1  some provider could not be asked; the others were
      2  wrong options or configuration
    """  # noqa: D301
    from datetime import UTC, datetime

    from xherald.detector.context_search import search_context

    from .context_rendering import matches_to_json, print_matches

    year = datetime.now(UTC)
    when = epoch if epoch is not None else year.year + (year.timetuple().tm_yday - 1) / 365.25
    with stages(shown=not as_json) as stage:
        stage("searching")
        found = search_context(configuration(), [position[0]], [position[1]], radius, when)
    rows = matches_to_json(found.matches)
    if as_json:
        click.echo(json.dumps(rows, allow_nan=False))
    else:
        print_matches(rows, [one.catalogue for one in found.matches], radius)
    for failure in found.failures:
        report(failure)
    if found.failures:
        raise click.exceptions.Exit(FILE_FAILED)


def _store() -> CatalogueStore:
    from xherald.context.catalogues.catalogue_store import CatalogueStore, default_folder

    return CatalogueStore(configuration().settings.context.folder or default_folder())


def _options(
    preset: str | None,
    columns: str,
    keep: tuple[str, ...],
    settings: dict[str, Any],
    reading: dict[str, Any],
) -> tuple[ImportOptions, str]:
    """How the file is read: the preset, changed by what was given."""
    from xherald.context.catalogues.columns import ColumnMap, parse_columns
    from xherald.context.catalogues.import_catalogue import ImportOptions
    from xherald.context.catalogues.presets import find_preset

    start = ColumnMap()
    if preset is not None:
        known = find_preset(preset)
        start = known.columns
        reading["keep_repeated"] |= known.keep_repeated
    chosen = start.updated(parse_columns(columns), keep=(*start.keep, *keep), **settings)
    return ImportOptions(chosen, **reading), preset or ""


def _print(store: CatalogueStore, names: list[str], as_json: bool) -> None:
    from .context_rendering import catalogue_to_json, print_catalogues

    catalogues = [store.open(name) for name in names]
    if as_json:
        click.echo(json.dumps([catalogue_to_json(one) for one in catalogues]))
    else:
        print_catalogues(catalogues)
