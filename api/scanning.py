"""`scan`: event files in, every source tested for a flare or a dip, candidates out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from xherald.progress_bars import shown_stages
from xherald.results import ScanResult

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import Table

    from xherald.detector.configuration.configuration import Configuration

__all__ = ["configuration_from", "scan"]


def scan(
    files: str | Path | Iterable[str | Path],
    *,
    sources: str | Path | SkyCoord | Table | None = None,
    region: Any = None,
    background: Any = None,
    as_source: bool = False,
    config: str | Path | Mapping[str, Any] | Configuration | None = None,
    on_error: Literal["raise", "keep"] = "raise",
    progress: bool | None = None,
) -> ScanResult:
    """Test every source of event files for a flare or a dip.

    Sources come from `sources` or `region`, else from what belongs to the file (region file, source list), else from
    detection on the image and on time slices. The sources of an observation are tested in the photons of all its
    cameras together, such as MOS1, MOS2 and pn; an event that several files show is one candidate.

    Parameters
    ----------
    files : str, Path or iterable of these
        Event files of any mission that an adapter reads, or tables of photons.
    sources : str, Path, SkyCoord or Table, optional
        Source list (FITS, VOTable, CSV, ECSV, DS9 regions), positions, or a table with columns ra and dec in deg.
    region : str, Path, regions.Region or sequence of regions.Region, optional
        Source regions in place of `sources`: a DS9 file, DS9 text such as ``'fk5; circle(83.82, -5.39, 3")'``, or
        regions of the `regions` package.
    background : str, Path or regions.Region, optional
        One background region for every source, or the path of an event list of the background, in place of an annulus
        around each.
    as_source : bool
        Take each list as one source, all its photons included. Lists that were cut out around a source are recognised
        by their region keywords or by their extent.
    config : str, Path, mapping or Configuration, optional
        Settings: a YAML file, or nested names as in config.yaml, ``{"timing": {"significance": 1e-4}}``.
    on_error : {"raise", "keep"}
        What to do where a file cannot be used: raise its error, or go on and keep it in `ScanResult.failures`.
    progress : bool, optional
        Whether to show progress; by default in terminals and notebooks.

    Returns
    -------
    ScanResult

    Raises
    ------
    XheraldError
        A file cannot be used (`FileError`, `PhotonError`), or an argument or setting is wrong (`ConfigError`).

    Examples
    --------
    >>> import xherald as xh
    >>> result = xh.scan("acisf29128N001_evt2.fits.gz")  # doctest: +SKIP
    >>> result.candidates[0].plot()  # doctest: +SKIP
    """
    from xherald.detector.extraction.given_sources import GivenSources
    from xherald.detector.joint_scan import scan_together
    from xherald.detector.scan import scan_file
    from xherald.photons.errors import ConfigError, FileError, PhotonError
    from xherald.plugins.host import DISABLED

    if on_error not in ("raise", "keep"):
        raise ConfigError(f"on_error: expected 'raise' or 'keep', got {on_error!r}")
    paths = [Path(files)] if isinstance(files, str | Path) else [Path(one) for one in files]
    configuration = configuration_from(config)
    for failure in configuration.host.failures:
        if failure.reason == DISABLED:
            continue
        warnings.warn(f"plugin {failure.name} is not in use: {failure.reason}", stacklevel=2)
    given = GivenSources(sources, region, background, as_source)
    scans, failures = [], {}
    with shown_stages(len(paths), shown=progress) as stage:
        for path in paths:

            def report(what: str, name: str = path.name) -> None:
                stage(f"{name}: {what}")

            try:
                scans.append(scan_file(path, configuration, given, report))
            except (FileError, PhotonError) as fault:
                if on_error == "raise":
                    raise
                failures[path] = fault
            stage("done")
        completed, joint = scan_together(scans, configuration)
    return ScanResult(tuple(completed), configuration, failures, tuple(joint))


def configuration_from(config: str | Path | Mapping[str, Any] | Configuration | None) -> Configuration:
    """Settings out of what a caller gave: a file, nested names and values, settings, or nothing for the defaults.

    Raises
    ------
    ConfigError
        A file or a value cannot be used.
    """
    from xherald.detector.configuration.configuration import Configuration, load_configuration
    from xherald.photons.errors import ConfigError

    if isinstance(config, Configuration):
        return config
    if config is None or isinstance(config, str | Path):
        return load_configuration(None if config is None else Path(config))
    if isinstance(config, Mapping):
        return load_configuration(None, given=config)
    raise ConfigError(f"config: expected a path, a mapping or a Configuration, got {type(config).__name__}")
