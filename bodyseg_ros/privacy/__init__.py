"""Hide people, live and in recordings; if that is not possible, show no image.

mask_check.py detects a network that does not really see. Live, person_hider.py covers people where live_filling.py
decides. Recordings are read twice: seeing.py runs the network on every frame and mask_store.py keeps the masks;
filling.py then decides what to cover, and recording_painter.py covers it. people_paths.py, for both, tells where people
are who are not detected. release_report.py writes the report. media_release.py handles photos and videos; bags are
handled in ros/.
"""

from .filling import Covers, Gap, fill_over_time
from .mask_check import MaskCheck
from .mask_store import MaskFile, Sightings, to_cells, to_pixels
from .person_hider import Hider, Safe, blank, paint_over
from .privacy_settings import LiveHidingSettings, RecordingSettings, refuse_blindness
from .recording_painter import Coverer, load_coverer
from .seeing import NEEDED, Observer, Seer, unfit_reason

__all__ = [
    "NEEDED",
    "Coverer",
    "Covers",
    "Gap",
    "Hider",
    "LiveHidingSettings",
    "MaskCheck",
    "MaskFile",
    "Observer",
    "RecordingSettings",
    "Safe",
    "Seer",
    "Sightings",
    "blank",
    "fill_over_time",
    "load_coverer",
    "paint_over",
    "refuse_blindness",
    "to_cells",
    "to_pixels",
    "unfit_reason",
]
