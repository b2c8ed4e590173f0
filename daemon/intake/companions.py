"""Files that belong to others: regions, source lists, responses. They are no drops, and their file waits for them.

Adapters know what belongs to a file by looking beside it. What lies in an archive far away is shown to them as a folder
of empty files of the same names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from xherald.plugins import PluginHost

__all__ = ["belonging", "expects", "shadow_of"]


@contextmanager
def shadow_of(names: Iterable[str]) -> Iterator[Path]:
    """A folder of empty files of these names, for as long as it is looked at."""
    with tempfile.TemporaryDirectory(prefix="xherald-names-") as folder:
        for name in names:
            Path(folder, name).touch()
        yield Path(folder)


def belonging(folder: Path, names: Iterable[str], host: PluginHost) -> dict[str, tuple[str, ...]]:
    """Names of what belongs to each of some files of a folder, as any adapter sees it; files with none are left out.

    An adapter that breaks on a name has nothing to say of it, and is written down at the host.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        theirs: dict[str, None] = {}
        for adapter in host.adapters.values():
            try:
                theirs |= dict.fromkeys(one.name for one in adapter.companions(folder / name))
            except Exception as fault:  # foreign code, which must not end the watch
                host.note_failure("adapters", adapter, f"asked what belongs to {name}", fault)
        theirs.pop(name, None)
        if theirs:
            found[name] = tuple(theirs)
    return found


def expects(path: Path, host: PluginHost) -> bool:
    """Whether any adapter says that something usually comes with a file of this name."""
    for adapter in host.adapters.values():
        try:
            if adapter.expects_companions(path):
                return True
        except Exception as fault:  # foreign code, which must not end the watch
            host.note_failure("adapters", adapter, f"asked whether anything comes with {path.name}", fault)
    return False
