"""Instruments: one module per mission, and the FITS reading, screening and mission table they share.

An adapter of another instrument imports from here what it needs: `FitsAdapter` with a `MissionTable` for FITS event
lists, `read_header` and `open_fits` for anything else.
"""

from .reading.field_of_view import FieldOfView
from .reading.fits_files import FitsFile, Hdu, Keywords, open_fits, read_header
from .reading.gti_tables import GtiLayout
from .reading.mission_table import FitsAdapter, Instrument, MissionTable, NoImage, PhotonColumns
from .reading.screening import ChannelEnergy, Energy, LinearEnergy, Rule

__all__ = [
    "ChannelEnergy",
    "Energy",
    "FieldOfView",
    "FitsAdapter",
    "FitsFile",
    "GtiLayout",
    "Hdu",
    "Instrument",
    "Keywords",
    "LinearEnergy",
    "MissionTable",
    "NoImage",
    "PhotonColumns",
    "Rule",
    "open_fits",
    "read_header",
]
