"""Rules of drop sources: `check_source`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final

from xherald.photons.errors import DropError
from xherald.plugins.contract import Options
from xherald.plugins.drops import TEMPORARY_SUFFIXES, DropSource, Listing, SourceOptions

from .common_rules import add_common_rules, add_stateless_rule, default_options, describe_state
from .rules import Report, Rules, Skipped, Violation, require

__all__ = ["SOURCE_RULES", "check_source"]


@dataclass(frozen=True)
class SourceCase:
    """A drop source, options of a location with files, and options of a location that does not exist."""

    plugin: DropSource
    given: Options | Mapping[str, Any] | None
    unreachable: Options | Mapping[str, Any] | None
    initial_state: str

    @cached_property
    def options(self) -> Options:
        """Options of a location with files."""
        if self.given is None:
            raise Skipped("give options of a location with at least one file")
        return default_options(self.given, self.plugin)

    @cached_property
    def listed(self) -> tuple[Listing, ...]:
        """Files that the source lists."""
        return tuple(self.plugin.poll(self.options))


SOURCE_RULES: Final[Rules[SourceCase]] = Rules("drop_sources")
rule = SOURCE_RULES.rule
add_common_rules(SOURCE_RULES)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="xherald-kit-") as name:
        yield Path(name)


@rule("patterns", "The options model derives from SourceOptions, which selects files by name.")
def _patterns(case: SourceCase) -> None:
    model = case.plugin.options_model
    require(issubclass(model, SourceOptions), f"{model.__name__} does not derive from SourceOptions")


@rule("lists", "poll returns a Listing with a unique URL for every file.", essential=True)
def _lists(case: SourceCase) -> None:
    require(case.listed, "poll returned no files")
    strange = [one for one in case.listed if not isinstance(one, Listing)]
    require(not strange, f"poll returned {strange[:1]!r}, expected Listing")
    urls = [one.url for one in case.listed]
    require(len(set(urls)) == len(urls), "poll returned the same URL twice")


@rule("listings", "Names are paths relative to the root, separated by /; sizes and times are not negative.")
def _listings(case: SourceCase) -> None:
    for one in case.listed:
        parts = PurePosixPath(one.name).parts
        sound = bool(parts) and not one.name.startswith("/") and ".." not in parts
        require(sound, f"a file is named {one.name!r}, expected its path relative to the root")
        require(one.size >= 0 and one.mtime >= 0, f"{one.name}: size {one.size}, time {one.mtime}; use 0 if unknown")


@rule("wanted", "Excluded files and files with names of incomplete files are not listed.")
def _wanted(case: SourceCase) -> None:
    unfinished = [one.name for one in case.listed if one.name.lower().endswith(TEMPORARY_SUFFIXES)]
    require(not unfinished, f"{', '.join(unfinished[:3])} has the name of an incomplete file; use SourceOptions.wants")
    first = case.listed[0].file_name
    none = list(case.plugin.poll(case.options.model_copy(update={"exclude": (first,)})))
    still = [one.name for one in none if one.file_name == first]
    require(not still, f"{first} is listed although it is excluded; use SourceOptions.wants")
    one = list(case.plugin.poll(case.options.model_copy(update={"include": ("no such file",)})))
    require(not one, "files are listed that no pattern includes; use SourceOptions.wants")


@rule("fetches", "fetch returns a local file: in the given folder under the listed name, or the original.")
def _fetches(case: SourceCase) -> None:
    listing = case.listed[0]
    with _folder() as into:
        path = case.plugin.fetch(listing, into, case.options)
        require(isinstance(path, Path) and path.is_file(), f"fetch returned {path!r}, which is not a file")
        require(path.name == listing.file_name, f"fetch returned {path.name} for {listing.file_name}")
        size = path.stat().st_size
        require(
            not listing.size or size == listing.size, f"{listing.name}: fetched {size} bytes, listed are {listing.size}"
        )
        if path.is_relative_to(into):
            require(
                path.parent == into,
                f"{listing.name} was put into {path.parent.relative_to(into)}; put it into the folder itself",
            )


@rule("fetches-again", "fetch can be repeated, for example after a crash, and gives the same content.")
def _fetches_again(case: SourceCase) -> None:
    listing = case.listed[0]
    with _folder() as one, _folder() as other:
        first = case.plugin.fetch(listing, one, case.options).read_bytes()
        again = case.plugin.fetch(listing, one, case.options).read_bytes()
        elsewhere = case.plugin.fetch(listing, other, case.options).read_bytes()
    require(first == again == elsewhere, f"{listing.name}: fetching it again gave different content")


@rule("gone", "fetch of a missing file raises a DropError, or returns a path that does not exist.")
def _gone(case: SourceCase) -> None:
    listing = case.listed[0]
    missing = replace(listing, url=f"{listing.folder}/no-such-file.fits", name="no-such-file.fits", size=0, etag="")
    with _folder() as into:
        try:
            path = case.plugin.fetch(missing, into, case.options)
        except DropError:
            return
        require(not path.exists(), f"fetch of a missing file returned {path.name}")


@rule("unreachable", "poll raises a DropError if the location cannot be listed completely.")
def _unreachable(case: SourceCase) -> None:
    if case.unreachable is None:
        raise Skipped("no options of an unreachable location were given")
    try:
        found = list(case.plugin.poll(default_options(case.unreachable, case.plugin)))
    except DropError as fault:
        require("\n" not in str(fault), f"the message has several lines: {str(fault)!r}")
        return
    raise Violation(f"poll of a location that does not exist returned {len(found)} files; raise DropError")


@rule("watched", "watched_folder returns a folder that the operating system can watch, or None.")
def _watched(case: SourceCase) -> None:
    folder = case.plugin.watched_folder(case.options)
    require(
        folder is None or (isinstance(folder, Path) and folder.is_dir()),
        f"watched_folder returned {folder!r}, expected a folder or None",
    )


@rule("deterministic", "poll returns the same files if nothing has changed.")
def _deterministic(case: SourceCase) -> None:
    require(tuple(case.plugin.poll(case.options)) == case.listed, "a second poll returned different files")


add_stateless_rule(SOURCE_RULES)


def check_source(
    plugin: DropSource,
    *,
    options: Options | Mapping[str, Any] | None = None,
    unreachable: Options | Mapping[str, Any] | None = None,
) -> Report:
    """Check a drop source against its contract.

    Parameters
    ----------
    plugin : DropSource
    options : Options or mapping, optional
        Of a location with at least one file, the first of which is fetched.
    unreachable : Options or mapping, optional
        Of a location that does not exist.

    Returns
    -------
    Report
        `Report.require` raises an error that lists the broken rules.
    """
    case = SourceCase(plugin, options, unreachable, describe_state(plugin))
    return SOURCE_RULES.run(case, plugin.name)
