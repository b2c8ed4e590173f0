"""Version of the contract, and which plugins it accepts: `CONTRACT_VERSION`, `check_contract_version`.

The major number changes when a name or parameter is removed or changes its meaning, the minor number when something is
added; docs/contract.md lists the names and the rules of deprecation. A plugin module states the version it was written
for as ``XHERALD_CONTRACT = "2.0"``; modules distributed with xherald need not.
"""

from __future__ import annotations

import re
from typing import Final

from xherald.photons.errors import PluginError

__all__ = ["CONTRACT_ATTRIBUTE", "CONTRACT_VERSION", "check_contract_version"]

CONTRACT_VERSION: Final = "2.2"
"""Version of the names listed in docs/contract.md."""

CONTRACT_ATTRIBUTE: Final = "XHERALD_CONTRACT"
"""Attribute of a plugin module with the version it was written for."""

VERSION: Final = re.compile(r"(\d+)\.(\d+)")


def check_contract_version(stated: object, offered: str = CONTRACT_VERSION) -> str:
    """Check the contract version that a plugin states.

    Parameters
    ----------
    stated : object
        Attribute of the module; None if missing.
    offered : str
        The contract of this installation.

    Returns
    -------
    str
        A remark for the user; empty if the versions agree.

    Raises
    ------
    PluginError
        It is not a version, or has another major number.
    """
    if stated is None:
        return f'{CONTRACT_ATTRIBUTE} is missing, {offered} is assumed; add {CONTRACT_ATTRIBUTE} = "{offered}"'
    match = VERSION.fullmatch(stated) if isinstance(stated, str) else None
    if match is None:
        raise PluginError(f'{CONTRACT_ATTRIBUTE} = {stated!r} is not a version; write, for example, "{offered}"')
    ours = VERSION.fullmatch(offered)
    assert ours is not None
    if match[1] != ours[1]:
        older = int(match[1]) < int(ours[1])
        what = "ask its authors for a new release" if older else "install a newer xherald"
        raise PluginError(f"written for contract {stated}, but xherald has {offered}; {what} (docs/contract.md)")
    if int(match[2]) > int(ours[2]):
        return f"written for contract {stated}, but xherald has {offered}; install a newer xherald if names are missing"
    return ""
