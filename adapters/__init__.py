"""Instrument adapters, one module per mission, and the FITS reading and screening that they share.

Adapters of other instruments import from here: `FitsAdapter` and `MissionTable` for FITS event lists, `read_header` and
`open_fits` for other files.
"""

from .reading.byte_streams import check_path
from .reading.energies import ChannelEnergy, Energy, LinearEnergy
from .reading.field_of_view import FieldOfView
from .reading.fits_adapter import FitsAdapter, PhotonColumns
from .reading.fits_files import FitsFile, Hdu, open_fits, read_header
from .reading.gti_tables import GtiLayout, find_gti_tables
from .reading.headers import get_number, get_text
from .reading.keywords import Keywords
from .reading.mission_table import Instrument, MissionTable, NoImage
from .reading.selection_rules import Rule
from .reading.source_list_files import SourceListLayout, read_source_list

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
    "SourceListLayout",
    "check_path",
    "find_gti_tables",
    "get_number",
    "get_text",
    "open_fits",
    "read_header",
    "read_source_list",
]
