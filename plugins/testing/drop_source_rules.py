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

from .common_rules import add_common, add_stateless, default_options, state_of
from .rules import Report, Rules, Skipped, Violation, require

__all__ = ["SOURCE_RULES", "check_source"]


@dataclass(frozen=True)
class SourceCase:
    """A drop source, options that lead to a place with files, and options that lead nowhere."""

    plugin: DropSource
    given: Options | Mapping[str, Any] | None
    nowhere: Options | Mapping[str, Any] | None
    before: str

    @cached_property
    def options(self) -> Options:
        """Options that lead to a place with files."""
        if self.given is None:
            raise Skipped("give options that lead to a place with a file in it")
        return default_options(self.given, self.plugin)

    @cached_property
    def listed(self) -> tuple[Listing, ...]:
        """What it lists."""
        return tuple(self.plugin.poll(self.options))


SOURCE_RULES: Final[Rules[SourceCase]] = Rules("drop_sources")
rule = SOURCE_RULES.rule
add_common(SOURCE_RULES)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="xherald-kit-") as name:
        yield Path(name)


@rule("patterns", "Options derive from SourceOptions, so that every source can be told which files are wanted.")
def _patterns(case: SourceCase) -> None:
    model = case.plugin.options_model
    require(issubclass(model, SourceOptions), f"{model.__name__} does not derive from SourceOptions; derive it")


@rule("lists", "poll gives a Listing for every file, each with a URL of its own.", essential=True)
def _lists(case: SourceCase) -> None:
    require(case.listed, "poll lists nothing though the options lead to a place with files")
    strange = [one for one in case.listed if not isinstance(one, Listing)]
    require(not strange, f"poll gives {strange[:1]!r}; give Listing")
    urls = [one.url for one in case.listed]
    require(len(set(urls)) == len(urls), "poll gives one URL twice")


@rule("listings", "Names are paths below the root with / between their parts; sizes and times are not negative.")
def _listings(case: SourceCase) -> None:
    for one in case.listed:
        parts = PurePosixPath(one.name).parts
        sound = bool(parts) and not one.name.startswith("/") and ".." not in parts
        require(sound, f"a file is named {one.name!r}; give its path below the root")
        require(
            one.size >= 0 and one.mtime >= 0, f"{one.name}: size {one.size}, time {one.mtime}; give 0 where unknown"
        )


@rule("wanted", "Files that are not wanted, or have the name of something unfinished, are not listed.")
def _wanted(case: SourceCase) -> None:
    unfinished = [one.name for one in case.listed if one.name.lower().endswith(TEMPORARY_SUFFIXES)]
    require(not unfinished, f"{', '.join(unfinished[:3])} looks unfinished and is listed; ask SourceOptions.wants")
    first = case.listed[0].file_name
    none = list(case.plugin.poll(case.options.model_copy(update={"exclude": (first,)})))
    still = [one.name for one in none if one.file_name == first]
    require(not still, f"{first} is excluded and listed; ask SourceOptions.wants")
    one = list(case.plugin.poll(case.options.model_copy(update={"include": ("no such file",)})))
    require(not one, "files are listed that no pattern includes; ask SourceOptions.wants")


@rule("fetches", "fetch gives a local file with the content, in the folder under the listing's name or where it lies.")
def _fetches(case: SourceCase) -> None:
    listing = case.listed[0]
    with _folder() as into:
        path = case.plugin.fetch(listing, into, case.options)
        require(isinstance(path, Path) and path.is_file(), f"fetch gives {path!r}, which is no file")
        require(path.name == listing.file_name, f"fetch named {listing.file_name} {path.name}")
        size = path.stat().st_size
        require(not listing.size or size == listing.size, f"{listing.name}: {size} bytes came of {listing.size} listed")
        if path.is_relative_to(into):
            require(
                path.parent == into,
                f"{listing.name} was put into {path.parent.relative_to(into)}; put it into the folder",
            )


@rule("fetches-again", "The same call can be made again after a crash, and gives the same content.")
def _fetches_again(case: SourceCase) -> None:
    listing = case.listed[0]
    with _folder() as one, _folder() as other:
        first = case.plugin.fetch(listing, one, case.options).read_bytes()
        again = case.plugin.fetch(listing, one, case.options).read_bytes()
        elsewhere = case.plugin.fetch(listing, other, case.options).read_bytes()
    require(first == again == elsewhere, f"{listing.name}: fetching it again gave other bytes")


@rule("gone", "What is gone is a DropError, or a path at which nothing lies; never something else.")
def _gone(case: SourceCase) -> None:
    listing = case.listed[0]
    missing = replace(listing, url=f"{listing.folder}/no-such-file.fits", name="no-such-file.fits", size=0, etag="")
    with _folder() as into:
        try:
            path = case.plugin.fetch(missing, into, case.options)
        except DropError:
            return
        require(not path.exists(), f"fetch of a file that is not there gave {path.name}")


@rule(
    "nowhere", "Where options lead nowhere, poll raises a DropError; a list that is partly read is not to be believed."
)
def _nowhere(case: SourceCase) -> None:
    if case.nowhere is None:
        raise Skipped("no options were given that lead nowhere")
    try:
        found = list(case.plugin.poll(default_options(case.nowhere, case.plugin)))
    except DropError as fault:
        require("\n" not in str(fault), f"the reason has several lines: {str(fault)!r}")
        return
    raise Violation(f"poll of a place that is not there lists {len(found)} files; raise DropError")


@rule("watched", "watched gives the folder that the system can watch, or None.")
def _watched(case: SourceCase) -> None:
    folder = case.plugin.watched(case.options)
    require(
        folder is None or (isinstance(folder, Path) and folder.is_dir()),
        f"watched gives {folder!r}; give a folder or None",
    )


@rule("deterministic", "Two looks at a place that does not change list the same.")
def _deterministic(case: SourceCase) -> None:
    require(tuple(case.plugin.poll(case.options)) == case.listed, "a second look listed other files")


add_stateless(SOURCE_RULES)


def check_source(
    plugin: DropSource,
    *,
    options: Options | Mapping[str, Any] | None = None,
    nowhere: Options | Mapping[str, Any] | None = None,
) -> Report:
    """Hold a drop source to its contract.

    Parameters
    ----------
    plugin : DropSource
    options : Options or mapping, optional
        That lead to a place with at least one file in it, the first of which is fetched.
    nowhere : Options or mapping, optional
        That lead to no place.

    Returns
    -------
    Report
        `Report.require` raises what is broken.
    """
    case = SourceCase(plugin, options, nowhere, state_of(plugin))
    return SOURCE_RULES.run(case, plugin.name)
