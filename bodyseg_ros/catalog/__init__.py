"""Model cards: what was published, where it is found, how it is downloaded and checked.

card.py reads a card; find.py goes from the model's parameters to a card and a file; recognise.py finds the card of a
file that has none; download.py and checksums.py fetch and verify.
"""

from .card import Card, Preprocessing, all_cards, card_names, load_card
from .checksums import FileCheck, check_files, model_files
from .download import Limits, Progress
from .find import SHIPPED_MODEL, Located, choose_card, converted_file, find_model, locate
from .recognise import looks_like, recognise

__all__ = [
    "SHIPPED_MODEL",
    "Card",
    "FileCheck",
    "Limits",
    "Located",
    "Preprocessing",
    "Progress",
    "all_cards",
    "card_names",
    "check_files",
    "choose_card",
    "converted_file",
    "find_model",
    "load_card",
    "locate",
    "looks_like",
    "model_files",
    "recognise",
]
