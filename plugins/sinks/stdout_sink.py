"""Alerts on standard output, for a terminal, a pipe or a journal: `StandardOutputSink`."""

from __future__ import annotations

import json
import sys
from typing import Literal

from xherald.photons.errors import SinkUnavailableError
from xherald.plugins.alerts import Alert, AlertSink, Receipt
from xherald.plugins.contract import Options

from .alert_text import text

__all__ = ["StandardOutputOptions", "StandardOutputSink"]


class StandardOutputOptions(Options):
    """Options of `StandardOutputSink`.

    Parameters
    ----------
    form : str — "text", or "json", one object per line
    """

    form: Literal["text", "json"] = "text"


class StandardOutputSink(AlertSink[StandardOutputOptions]):
    """Standard output. Repetitions are written again, with the same id."""

    name = "stdout"

    def send(self, alert: Alert, options: StandardOutputOptions) -> Receipt:
        """Write the alert."""
        output = json.dumps(alert.as_json(), allow_nan=False) if options.form == "json" else text(alert)
        try:
            sys.stdout.write(output + "\n")
            sys.stdout.flush()
        except OSError as fault:
            raise SinkUnavailableError(f"standard output: cannot be written: {fault.strerror or fault}") from fault
        return Receipt("standard output")
