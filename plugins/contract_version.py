"""The contract's version, and what becomes of a plugin that was written for another: `CONTRACT_VERSION`, `agreement`.

The version has two numbers. A name or a parameter that goes, or means something else, raises the first; what comes on
top raises the second. docs/contract.md lists the names and says how long what is to go stays. A plugin module says what
it was written for as ``XHERALD_CONTRACT = "2.0"``; what is distributed with the contract was written for it.
"""

from __future__ import annotations

import re
from typing import Final

from xherald.photons.errors import PluginError

__all__ = ["CONTRACT_ATTRIBUTE", "CONTRACT_VERSION", "agreement"]

CONTRACT_VERSION: Final = "2.0"
"""Of the types of `xherald.photons` and of the contract in `xherald.plugins`."""

CONTRACT_ATTRIBUTE: Final = "XHERALD_CONTRACT"
"""Attribute of a plugin module."""

FORM: Final = re.compile(r"(\d+)\.(\d+)")


def agreement(stated: object, offered: str = CONTRACT_VERSION) -> str:
    """What is to be said of a plugin that states this version; empty where it fits.

    Parameters
    ----------
    stated : object
        The module's attribute, None where it has none.
    offered : str
        The contract at hand.

    Raises
    ------
    PluginError
        It is no version, or one of another first number: what the plugin relies on may be gone or mean something else.
    """
    if stated is None:
        return f'states no {CONTRACT_ATTRIBUTE}; taken as written for {offered}: add {CONTRACT_ATTRIBUTE} = "{offered}"'
    match = FORM.fullmatch(stated) if isinstance(stated, str) else None
    if match is None:
        raise PluginError(f'{CONTRACT_ATTRIBUTE} = {stated!r} is no version; write one like "{offered}"')
    ours = FORM.fullmatch(offered)
    assert ours is not None
    if match[1] != ours[1]:
        older = int(match[1]) < int(ours[1])
        what = "ask its authors for a newer one" if older else "install a newer xherald"
        raise PluginError(f"written for contract {stated}, this is {offered}: {what} (docs/contract.md)")
    if int(match[2]) > int(ours[2]):
        return f"written for contract {stated}, this is {offered}: some of it is not there yet; install a newer xherald"
    return ""
