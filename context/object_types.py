"""What a catalogue's type of an object means for an X-ray source: `categorise`.

Types are SIMBAD's condensed ones (otypes; https://simbad.cds.unistra.fr/guide/otypes.htx), those of the AAVSO VSX
(https://www.aavso.org/vsx/index.php?view=about.vartypes), or words. A candidate type, such as ``QSO?`` or ``AG?``, is
taken for what it may be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

__all__ = ["CATEGORIES", "Category", "as_category", "categorise", "categorise_all"]

Category = Literal[
    "star",
    "active_star",
    "cataclysmic_variable",
    "x_ray_binary",
    "pulsar",
    "supernova",
    "agn",
    "galaxy",
    "galaxy_cluster",
    "x_ray_source",
    "other",
]

CATEGORIES: Final[tuple[Category, ...]] = get_args(Category)

SIMBAD: Final[Mapping[Category, str]] = {
    "active_star": "Er* RS* BY* LM* TT* Or* Y*O Ro* EB* Fl* Pu* Ir* Ae*",
    "cataclysmic_variable": "CV* No* DN* DQ* AM* NL* Sy*",
    "x_ray_binary": "XB* LXB HXB LX? HX? XB? ULX UX? BH? BH",
    "pulsar": "Psr N* N*?",
    "supernova": "SN* SN? SNR SR?",
    "agn": "AGN AG? SyG Sy1 Sy2 Sy? QSO Q? Bla BLL BL? Bz? LIN rG Bz",
    "galaxy": "G G? LSB bCG SBG H2G EmG GiP GiG GiC BiC IG PaG EmO HII LSG",
    "galaxy_cluster": "ClG GrG CGG SCG Cl? Gr?",
    "x_ray_source": "X gam gB ev",
    "star": "* ** V* V? SB* MS* PM* HV* BD* WD* RG* HB* C* S* AB* Be* WR* sg* s*r s*y s*b",
}
"""Condensed types that say what the object is; other types that end in an asterisk are stars."""

VSX: Final[Mapping[Category, str]] = {
    "active_star": "UV UVN RS BY FKCOM INS INST INT INA INB IN TTS CTTS WTTS ROT EA EB EW E EC GCAS",
    "cataclysmic_variable": "UG UGSS UGSU UGZ UGER UGWZ CV AM NL NR N NA NB NC DQ IBWD V838MON ZAND",
    "x_ray_binary": "X XB XF XI XJ XND XNG XP XPR XR XRM XN XM HMXB LMXB BHXB IMXB",
    "pulsar": "PSR",
    "supernova": "SN SNIA SNIB SNIC SNII",
    "agn": "AGN QSO BLLAC",
}
"""Parts of a variability type, which is a list such as ``UGSU+E`` or ``EA|EB``."""

WORDS: Final[tuple[tuple[Category, str], ...]] = (
    ("galaxy_cluster", r"(cluster|group)s? of galaxies|galaxy (cluster|group)"),
    ("x_ray_source", r"gamma-ray burst|fast (x-?ray|blue optical) transient|tidal disruption"),
    ("x_ray_binary", r"(x|gamma)-?(ray )?binar|\b[hl]mxb\b|microquasar|black hole binar|luminous (supersoft )?x-?ray"),
    ("supernova", r"supernova"),
    ("cataclysmic_variable", r"cataclysmic|nova\b|\bpolar\b"),
    ("pulsar", r"pulsar|magnetar|neutron star"),
    ("agn", r"\bagn\b|quasar|\bqso\b|seyfert|blazar|bl lac|liner|active gal"),
    ("galaxy", r"galax|galactic nucleus"),
    ("active_star", r"flare star|flaring|rs cvn|by dra|t tauri|young stellar|eclipsing|coronal|active binary"),
    ("star", r"\bstars?\b|dwarf|giant|wind binary"),
    ("x_ray_source", r"x-?ray (source|transient)|burst"),
)
"""Patterns for words, the first that is found."""

SHORTEST: Final = 3
"""Letters of SIMBAD's types that other catalogues do not use with another meaning."""

_BY_SIMBAD: Final = {name: category for category, names in SIMBAD.items() for name in names.split()}
_BY_VSX: Final = {name: category for category, names in VSX.items() for name in names.split()}


def as_category(written: str) -> Category:
    """The category of that name; "other" if there is none."""
    return next((one for one in CATEGORIES if one == written), "other")


def categorise_all(types: Sequence[str], scheme: str, of_others: Category | None) -> tuple[Category, ...]:
    """Category of each object of a catalogue.

    Parameters
    ----------
    types : sequence of str
    scheme : str — see `categorise`
    of_others : str or None — category of objects whose type says nothing
    """
    found = (categorise(one, scheme) for one in types)
    return tuple(of_others if one == "other" and of_others is not None else one for one in found)


def categorise(written: str, scheme: str = "") -> Category:
    """Category of an object by its type.

    Parameters
    ----------
    written : str — the type as the catalogue writes it
    scheme : str
        "simbad" or "vsx"; otherwise SIMBAD's types of three letters or more, and words, are understood.

    Returns
    -------
    str
        One of `CATEGORIES`; "other" where the type says nothing.
    """
    text = written.strip()
    if not text:
        return "other"
    if scheme == "vsx":
        found = [_BY_VSX[part] for part in re.split(r"[+|/: ]+", text.upper()) if part in _BY_VSX]
        return next((one for one in CATEGORIES[::-1] if one in found), "star")
    if scheme == "simbad" or len(text) >= SHORTEST:
        for name in (text, text.removesuffix("?")):
            if name in _BY_SIMBAD:
                return _BY_SIMBAD[name]
    if scheme == "simbad":
        return "star" if text.endswith(("*", "*?")) else "other"
    lowered = text.lower().replace("supergiant fast x-ray transient", "x-ray binary")
    return next((category for category, pattern in WORDS if re.search(pattern, lowered)), "other")
