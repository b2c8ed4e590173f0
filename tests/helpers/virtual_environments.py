"""Environments of their own that share what is installed here, for packages that a test installs and nobody else sees.

separate = Separate.make(tmp_path / "env")
separate.install(package)
separate.xherald("plugins", "--json")
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Separate", "mypy_on"]

SCRIPT = "import sys; from xherald.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Separate:
    """An environment, its interpreter, and a folder that stands in for a user's home."""

    python: Path
    home: Path

    @classmethod
    def make(cls, folder: Path) -> Separate:
        """A fresh one in that folder; it sees the packages of ours, entry points included, and ours sees none of it."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=120)
        python = folder / "bin" / "python"
        found = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        # addsitedir, for our .pth files count too: an editable xherald is one.
        ours = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        (Path(found.stdout.strip()) / "ours.pth").write_text(ours)
        home = folder / "home"
        home.mkdir()
        return cls(python, home)

    def run(self, *words: object, timeout: float = 240, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run its interpreter."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("XHERALD_", "PYTHON", "COV_"))}
        kept |= {"HOME": str(self.home), "XDG_DATA_HOME": str(self.home / "data"), **environment}
        command = [str(self.python), *map(str, words)]
        return subprocess.run(command, env=kept, cwd=self.home, capture_output=True, text=True, timeout=timeout)

    def install(self, *packages: Path) -> None:
        """Install packages with pip; nothing is fetched: what they need is here."""
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index")
        done = self.run("-m", "pip", "install", *options, *packages)
        assert done.returncode == 0, done.stderr

    def xherald(self, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return self.run("-c", SCRIPT, *words, **environment)

    def pytest(self, package: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the tests of a package with its own settings."""
        return self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", package, "-c",
                        package / "pyproject.toml", package / "tests", **environment)  # fmt: skip


def mypy_on(packages: list[Path], scratch: Path) -> subprocess.CompletedProcess[str]:
    """Types of the packages' code, by the first one's settings; of ours it sees the folders, as `make types` does."""
    root = Path(__file__).resolve().parents[2]
    rooms = scratch / "types" / "xherald"
    rooms.mkdir(parents=True)
    for room in ("photons", "encoders", "plugins", "adapters", "catalog_store", "simulation", "detector"):
        (rooms / room).symlink_to(root / room)
    sources = [next((package / "src").glob("*/py.typed")).parent for package in packages]
    command = [Path(sys.executable).with_name("mypy"), "--config-file", packages[0] / "pyproject.toml",
               "--follow-imports=silent", "--cache-dir", root / "build" / "mypy-packages", *sources]  # fmt: skip
    environment = {**os.environ, "MYPYPATH": str(rooms.parent)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
