"""Requests to cone search and TAP services: `fetch_sources`, within a deadline.

Simple Cone Search 1.03 (https://www.ivoa.net/documents/latest/ConeSearch.html): RA, DEC and SR in degrees. TAP 1.1
(https://www.ivoa.net/documents/TAP/): a synchronous query in ADQL. Both answer with a VOTable, whose QUERY_STATUS says
whether the query succeeded (DALI 1.1, section 4.4).
"""

from __future__ import annotations

import io
import re
import time
import warnings
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

from xherald.photons.errors import DropError

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["fetch_sources"]

MAX_ANSWER_BYTES: Final = 16 * 2**20
MAX_ROWS: Final = 1_000
CHUNK: Final = 2**16
REGULAR: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""Identifiers that ADQL needs no quotes for."""


def fetch_sources(
    kind: Literal["cone", "tap"],
    url: str,
    ra_deg: float,
    dec_deg: float,
    radius_arcsec: float,
    until: float,
    *,
    table: str = "",
    columns: tuple[str, ...] = (),
    position_columns: tuple[str, str] = ("ra", "dec"),
) -> Table:
    """Ask a service for the sources in a cone.

    Parameters
    ----------
    kind : str
    url : str
    ra_deg, dec_deg, radius_arcsec : float
    until : float
        Deadline, in the seconds of `time.monotonic`.
    table, columns, position_columns
        Of the table of a TAP service.

    Returns
    -------
    Table
        Of astropy.

    Raises
    ------
    DropError
        The service failed, its answer is not a VOTable or too large, or the deadline passed.
    """
    if kind == "cone":
        query = {"RA": f"{ra_deg:.7f}", "DEC": f"{dec_deg:.7f}", "SR": f"{radius_arcsec / 3600:.7f}", "VERB": "2"}
    else:
        query = {
            "REQUEST": "doQuery",
            "LANG": "ADQL",
            "FORMAT": "votable",
            "MAXREC": str(MAX_ROWS),
            "QUERY": _adql(table, columns, position_columns, ra_deg, dec_deg, radius_arcsec),
        }
    joint = "&" if "?" in url else "?"
    return _parse(_get(f"{url.rstrip('?&')}{joint}{urlencode(query)}", url, until), url)


def _adql(
    table: str, columns: tuple[str, ...], position: tuple[str, str], ra: float, dec: float, radius_arcsec: float
) -> str:
    ra_column, dec_column = (_quoted(one) for one in position)
    chosen = ", ".join(_quoted(one) for one in columns)
    return (
        f"SELECT TOP {MAX_ROWS} {chosen} FROM {'.'.join(_quoted(part) for part in _parts(table))} "
        f"WHERE 1 = CONTAINS(POINT('ICRS', {ra_column}, {dec_column}), "
        f"CIRCLE('ICRS', {ra:.7f}, {dec:.7f}, {radius_arcsec / 3600:.7f}))"
    )


def _parts(table: str) -> list[str]:
    """Schema and name of a table; those of VizieR, such as J/A+A/675/A199/lmxbcat, are one name."""
    return [table] if "/" in table else table.split(".")


def _quoted(name: str) -> str:
    return name if REGULAR.fullmatch(name) else '"{}"'.format(name.replace('"', '""'))


def _get(address: str, url: str, until: float) -> bytes:
    import httpx2

    answer = bytearray()
    try:
        with (
            httpx2.Client(timeout=max(until - time.monotonic(), 1e-3), follow_redirects=True) as client,
            client.stream("GET", address) as response,
        ):
            for chunk in response.iter_bytes(CHUNK):
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    raise DropError(f"{url}: the answer is larger than {MAX_ANSWER_BYTES >> 20} MiB")
                if time.monotonic() > until:
                    raise DropError(f"{url}: no complete answer before the deadline")
            # Services report errors of a query as a VOTable, with any status.
            if response.status_code >= 400 and b"QUERY_STATUS" not in answer:
                raise DropError(f"{url}: HTTP {response.status_code} {response.reason_phrase}")
    except httpx2.TimeoutException as fault:
        raise DropError(f"{url}: no answer before the deadline") from fault
    except (httpx2.HTTPError, httpx2.InvalidURL) as fault:
        raise DropError(f"{url}: {type(fault).__name__}: {fault}") from fault
    return bytes(answer)


def _parse(answer: bytes, url: str) -> Table:
    from astropy.io import votable

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # departures from the standard that do not matter
            document = votable.parse(io.BytesIO(answer), verify="ignore")
            if refusal := _query_error(document):
                raise DropError(f"{url}: the service refused the query: {refusal[:200]}")
            return document.get_first_table().to_table(use_names_over_ids=True)
    except DropError:
        raise
    except Exception as fault:  # whatever a malformed answer makes the parser raise
        raise DropError(f"{url}: the answer is not a VOTable: {type(fault).__name__}") from fault


def _query_error(document: Any) -> str:
    """Message of a VOTable that says that the query failed; empty if it did not."""
    infos = [*document.infos, *(one for resource in document.resources for one in resource.infos)]
    infos += [one for resource in document.resources for one in resource.params]
    for info in infos:
        if info.name == "QUERY_STATUS" and str(info.value).upper() == "ERROR":
            return str(info.content or "no reason given")
        if str(info.name).lower() == "error":  # Simple Cone Search, section 2.3
            return str(info.value)
    return ""
