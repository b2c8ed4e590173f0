"""Make .venv and install the locked requirements and this package into it: ``python3 .ci/install.py runtime|dev``.

Standard library only. uv, pinned with its hash, is installed with pip and then installs everything else from the lock.
uv does not read the configuration of pip; its indexes and wheel folders are passed on.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(".venv")
LOCKS = {"runtime": "requirements.lock", "dev": "requirements-dev.lock"}
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
HEARTBEAT_S = 4.0


def main(which: str) -> None:
    """Install one lock."""
    os.chdir(ROOT)
    python = VENV / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        run("making .venv", [sys.executable, "-m", "venv", str(VENV)], hint="install the venv module (python3-venv)")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    run("installing uv", [*pip, "install", "--quiet", "--require-hashes", "-r", "requirements-uv.lock"])
    uv = [str(python), "-m", "uv", "--quiet", "--no-config", "pip", "install", "--python", str(python)]
    environment = {**os.environ, **uv_environment(pip)}
    lock = LOCKS[which]
    number = sum("==" in line for line in Path(lock).read_text().splitlines())
    run(f"installing {number} packages of {lock}", [*uv, "--require-hashes", "-r", lock], environment)
    run("installing xherald", [*uv, "--no-deps", "--no-build-isolation", "-e", "."], environment)


def uv_environment(pip: list[str]) -> dict[str, str]:
    """Translate the configuration of pip into variables of uv; variables that are set already take precedence."""
    listed = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True).stdout
    values: dict[str, str] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        option = name.rpartition(".")[2]
        # Variables are listed first and take precedence over files.
        if option in PIP_TO_UV:
            values.setdefault(PIP_TO_UV[option], " ".join(shlex.split(value)))
    if values:
        values["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # all indexes are equal, as for pip; hashes are checked
    return {name: value for name, value in values.items() if name not in os.environ}


def run(task: str, command: list[str], environment: dict[str, str] | None = None, hint: str = "") -> None:
    """Run a command, with a line of progress at its start and every few seconds."""
    say(task)
    start = time.monotonic()
    process = subprocess.Popen(command, env=environment)
    while True:
        try:
            code = process.wait(HEARTBEAT_S)
            break
        except subprocess.TimeoutExpired:
            say(f"{task}: {time.monotonic() - start:.0f} s")
    if code:
        raise SystemExit(f"setup: failed: {shlex.join(command)}{f'; {hint}' if hint else ''}")


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"setup: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
