"""Model cards, and how their files are found, downloaded and verified.

card.py reads a card; find.py selects card and file from the parameters; recognize.py finds the card for an unknown
file; download.py and checksums.py download and verify.
"""

from .card import Card, Preprocessing, all_cards, card_names, load_card
from .checksums import FileCheck, check_files, model_files
from .download import Limits, Progress
from .find import SHIPPED_MODEL, Located, choose_card, converted_file, find_model, locate
from .recognize import card_beside, looks_like, recognize

__all__ = [
    "SHIPPED_MODEL",
    "Card",
    "FileCheck",
    "Limits",
    "Located",
    "Preprocessing",
    "Progress",
    "all_cards",
    "card_beside",
    "card_names",
    "check_files",
    "choose_card",
    "converted_file",
    "find_model",
    "load_card",
    "locate",
    "looks_like",
    "model_files",
    "recognize",
]
