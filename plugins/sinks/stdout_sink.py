"""Alerts on standard output: for a terminal, a pipe, or a service manager's journal."""

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
    form : str — "text" for people, or "json", one object a line
    """

    form: Literal["text", "json"] = "text"


class StandardOutputSink(AlertSink[StandardOutputOptions]):
    """Standard output. It cannot be looked at, so a repetition is written again, under the same id."""

    name = "stdout"

    def send(self, alert: Alert, options: StandardOutputOptions) -> Receipt:
        """Write the alert."""
        told = json.dumps(alert.as_json(), allow_nan=False) if options.form == "json" else text(alert)
        try:
            sys.stdout.write(told + "\n")
            sys.stdout.flush()
        except OSError as fault:
            raise SinkUnavailableError(f"standard output: cannot be written: {fault.strerror or fault}") from fault
        return Receipt("standard output")
