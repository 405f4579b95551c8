"""Select a model's card and file from its parameters: local, shipped, cached or downloaded."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Final, Literal
from urllib.parse import urlsplit

from platformdirs import user_cache_path

from ..errors import ModelFileError, ModelNotFoundError, SettingsError, quote
from ..formats import SUFFIXES, Kind, ModelSource, Quantize, detect
from ..plugins import load_plugin
from ..settings import ModelSettings
from .card import PRECISIONS, Card, all_cards, card_folders, expanded, load_card, shipped_folder
from .checksums import check_files, model_files, sha256_of, stored_bytes
from .download import Limits, Progress, download_model
from .recognize import adapted, own_name, recognize

__all__ = [
    "SHIPPED_MODEL",
    "Located",
    "cache_folder",
    "choose_card",
    "converted_file",
    "find_model",
    "prefers_int8",
    "locate",
]

_log = logging.getLogger(__name__)

#: The model for `model: auto`: shipped with the package.
SHIPPED_MODEL: Final = "bodyseg-mobilenet-075"
#: The widths of MobileNetV1 in which BodyPix and PoseNet were published, and each one's documented default.
_PUBLISHED_MULTIPLIERS: Final = (0.5, 0.75, 1.0)
_DOCUMENTED_MULTIPLIERS: Final = {"bodypix": 0.75, "posenet": 1.0}


@dataclass(frozen=True)
class Located:
    """A local model file. place: 'found' in $BODYSEG_MODEL_PATH, 'shipped' or 'cached'."""

    index: Path
    place: Literal["found", "shipped", "cached"]


def cache_folder() -> Path:
    """Where downloads are kept: the user's cache folder."""
    return user_cache_path("bodyseg_ros")


def choose_card(settings: ModelSettings) -> Card:
    """Select the card for `model`, without looking for a file except at model_path.

    'auto' recognizes the model at model_path; otherwise it is the first card of `network`, or the shipped network.
    Raises ModelNotFoundError, ModelFileError, SettingsError.
    """
    if settings.model != "auto":
        return load_card(settings.model)
    if settings.architecture != "auto" or settings.multiplier:
        return load_card(_published_name(settings))
    if settings.network == "auto" and not settings.model_path:
        return load_card(SHIPPED_MODEL)
    cards = all_cards()
    if settings.model_path and reads_files(settings.engine):
        try:
            return recognize(_own_file(settings.model_path), settings.output_stride, cards)
        except ModelFileError:
            if settings.network == "auto":  # otherwise its plugin may recognize the file
                raise
    shipped = next(card for card in cards if card.name == SHIPPED_MODEL)
    for card in (shipped, *cards):
        if settings.network in ("auto", card.network):
            return card
    # A network without a card uses the given file, or the package's.
    return shipped.model_copy(update={"name": own_name(_own_file(settings.model_path))} if settings.model_path else {})


def _published_name(settings: ModelSettings) -> str:
    """Name of the card for `architecture` and `multiplier`, as load() of the reference packages takes them.

    Source: tfjs-models body-segmentation 1.0.2 and posenet 2.2.2. Raises SettingsError for what was not published.
    """
    network = "bodypix" if settings.network == "auto" else settings.network
    if network not in _DOCUMENTED_MULTIPLIERS:
        raise SettingsError(
            f"Parameter network is {network!r}, but architecture and multiplier are for "
            f"{' and '.join(_DOCUMENTED_MULTIPLIERS)}; set model to a card of {network}."
        )
    if settings.architecture == "ResNet50":
        if settings.multiplier not in (0.0, 1.0):
            raise SettingsError(f"Parameter multiplier is {settings.multiplier:g}, but ResNet50 has 1 only.")
        return f"{network}-resnet50"
    multiplier = settings.multiplier or _DOCUMENTED_MULTIPLIERS[network]
    if multiplier not in _PUBLISHED_MULTIPLIERS:
        choices = ", ".join(f"{one:g}" for one in _PUBLISHED_MULTIPLIERS)
        raise SettingsError(f"Parameter multiplier is {multiplier:g}, but {network} was published with {choices} only.")
    return f"{network}-mobilenet-{round(100 * multiplier):03d}"


def reads_files(engine: str) -> bool:
    """Whether an engine reads model files at all."""
    return engine == "auto" or "none" not in load_plugin("engines", engine).formats


def find_model(
    card: Card, settings: ModelSettings, progress: Progress | None = None, limits: Limits | None = None
) -> tuple[Card, ModelSource]:
    """Find the model file, and return the card with the facts declared by the file.

    Search order: model_path; model_url; the folders of $BODYSEG_MODEL_PATH; the card's folder; the cache; the card's
    URL. With model_path and model_url the card only supplies facts about the network. Known checksums must match.
    Raises SettingsError for a variant that the card lacks, ModelNotFoundError, ModelFileError.
    """
    if card.format == "none" or not reads_files(settings.engine):
        return card, ModelSource(Path(card.name), "none", output_stride=settings.output_stride)
    if settings.model_path or settings.model_url:
        index = _given_file(settings, progress, limits)
        source = _strided(card, detect(index, settings.output_stride))
        # Its tensor names may differ: the network finds its heads among all outputs.
        found = adapted(card, source), _judged(source, settings)
    else:
        index = _card_file(card, settings, progress, limits)
        source = _strided(card, detect(index, settings.output_stride))
        source = replace(source, input=source.input or card.input, outputs=source.outputs or card.outputs)
        if not index.is_relative_to(shipped_folder()):
            source = _judged(source, settings)
        found = card, replace(source, others=_others(card, source, card.known_sha256(settings.quant_bytes)))
    _log.info("Reading the model %s from %s.", card.name, index)
    return found


def _strided(card: Card, source: ModelSource) -> ModelSource:
    """Mark a source whose graph is to be changed to its output stride."""
    return replace(source, any_stride=card.any_stride and source.format.startswith("tfjs"))


def _judged(source: ModelSource, settings: ModelSettings) -> ModelSource:
    """Set the source's unknown_digest if its files have no published checksum and need a trial run."""
    if not settings.try_model_files:
        return source
    digests = [sha256_of(path) for path in _all_files(source.path)]
    published = {digest for card in all_cards() for digest in card.sha256.values()}
    if published.issuperset(digests):
        return source
    return replace(source, unknown_digest=hashlib.sha256("".join(digests).encode()).hexdigest())


def _all_files(index: Path) -> list[Path]:
    """List the files of a model; for a SavedModel, everything in its folder."""
    if index.is_dir():
        return sorted(path for path in index.rglob("*") if path.is_file())
    beside = [index.with_suffix(".bin")] if index.suffix == ".xml" else []
    return [*model_files(index), *(path for path in beside if path.is_file())]


def _given_file(settings: ModelSettings, progress: Progress | None, limits: Limits | None) -> Path:
    """Find the file at model_path, or download it from model_url."""
    if settings.model_path:
        return _own_file(settings.model_path)
    digest = hashlib.sha256(settings.model_url.encode()).hexdigest()
    index = download_model(settings.model_url, cache_folder() / f"url-{digest[:16]}", {}, progress, limits)
    _refuse_changed(index, {})
    return index


def _own_file(path: str) -> Path:
    """Return the file or folder of model_path. Raises ModelNotFoundError."""
    index = expanded(path)
    try:
        if index.exists():
            return index
    except OSError as err:  # a name that is too long, or an unreadable folder
        raise ModelNotFoundError(f"The model at {quote(path)}, where model_path points: {err.strerror}.") from err
    raise ModelNotFoundError(f"There is no model at {str(index)!r}, where model_path points.")


def converted_file(source: ModelSource, kind: Kind, quantize: Quantize = "none", label: str = "") -> Path:
    """Path for `bodyseg models convert`: in the cache, under the checksum of the source files.

    label: of a file that engines do not take by themselves, such as its input size.
    """
    digests = "".join(sha256_of(path) for path in model_files(source.path))
    folder = cache_folder() / "converted" / hashlib.sha256(digests.encode()).hexdigest()[:16]
    stem = source.path.stem + (f"-stride{source.output_stride}" if source.any_stride else "")
    words = [stem, label, "" if quantize == "none" else quantize]
    return folder / f"{'-'.join(filter(None, words))}{SUFFIXES[kind]}"


def _others(card: Card, source: ModelSource, known: dict[str, str]) -> tuple[ModelSource, ...]:
    """List the same network in other formats: the card's files beside this one, and the user's conversions."""
    found = []
    if card.int8_file:
        how = "taken: it is expected to be faster than float" if prefers_int8() else "not taken: float is fast enough"
        _log.info("On this processor the 8-bit file of %s is %s.", card.name, how)
    for kind, path in _other_files(card, source):
        if path.parent == source.path.parent:
            _refuse_changed(path, known)
        found.append(replace(source, path=path, format=kind, any_stride=False))
    return tuple(found)


@lru_cache(maxsize=1)
def prefers_int8() -> bool:
    """Whether 8-bit files are taken in place of float ones: on ARM with dot products, where float takes long.

    On x86 float is kept: there 8 bits took .56 of its time (AVX-512 VNNI), and the answer is to be the same everywhere.
    """
    if platform.machine().lower() not in ("aarch64", "arm64"):
        return False
    if platform.system() == "Darwin":
        return True  # every processor of that kind has them
    try:
        return "asimddp" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return False


def _other_files(card: Card, source: ModelSource) -> Iterator[tuple[str, Path]]:
    """(format, file) of the same network in other formats: beside the card's file, then converted by the user."""
    names: list[tuple[str, str]] = list(card.other_files.items())
    if card.int8_file and prefers_int8():
        names.insert(0, ("tflite", card.int8_file))
    for kind, name in names:
        path = source.path.with_name(name.replace("{stride}", str(source.output_stride)))
        if path.is_file():
            yield kind, path
    # Skip a cache that we may not read.
    converted = os.access(cache_folder() / "converted", os.R_OK | os.X_OK)
    kinds: tuple[Kind, ...] = ("tflite", "onnx") if converted else ()
    for made in kinds:
        path = converted_file(source, made)
        if path.is_file():
            yield made, path


def _card_file(card: Card, settings: ModelSettings, progress: Progress | None, limits: Limits | None) -> Path:
    """Find the card's file locally or download it, and check a known checksum."""
    stride, quant = settings.output_stride, settings.quant_bytes
    card.check_variant(stride, quant)
    located = locate(card, stride, quant)
    if located:
        index = located.index
    elif card.source:
        address = card.folder_address(quant) + card.file_name(stride) + card.query
        index = download_model(address, _cached(card, quant), card.known_sha256(quant), progress, limits)
    else:
        raise ModelNotFoundError(
            f"The model {card.name!r} has no public address, and {card.file_name(stride)!r} is missing: put it into "
            f"{str(_cached(card, quant))!r}, or set model_path to where it is."
        )
    stored = stored_bytes(index) if _judges_precision(card) else None
    if stored not in (None, quant):
        _log.warning(
            "The model file %r stores %d bytes per weight, but quant_bytes is %d; there is no other, so it is taken.",
            *(str(index), stored, quant),
        )
    _refuse_changed(index, card.known_sha256(quant))
    return index


def _refuse_changed(index: Path, known: dict[str, str]) -> None:
    problems = [check.problem for check in check_files(index, known) if check.problem]
    if problems:
        raise ModelFileError(problems[0])


def _cached(card: Card, quant_bytes: int) -> Path:
    return cache_folder() / card.name / PRECISIONS[quant_bytes]


def locate(card: Card, output_stride: int, quant_bytes: int) -> Located | None:
    """Find the card's file on this machine; None if it is not here. Downloads nothing."""
    other = None
    for folder, place in _folders(card, quant_bytes):
        for name in _file_names(card, output_stride):
            index = folder / name
            if not _is_file(index) or (place == "cached" and not _whole(index)):
                continue
            if _has_precision(card, index, quant_bytes):
                return Located(index, place)
            other = other or Located(index, place)
    if other and quant_bytes == max(card.quant_bytes):
        return other
    if other:
        _log.warning(
            "The model file %r is passed over: quant_bytes is %d, but it stores %s bytes per weight.",
            *(str(other.index), quant_bytes, stored_bytes(other.index)),
        )
    return None


def _has_precision(card: Card, index: Path, quant_bytes: int) -> bool:
    """Whether a file stores its weights as asked for; if it does not say, its folder's name counts."""
    if not _judges_precision(card):
        return True
    stored = stored_bytes(index)
    if stored is None:
        return quant_bytes == max(card.quant_bytes) or PRECISIONS[quant_bytes] in index.parts
    return stored == quant_bytes


def _judges_precision(card: Card) -> bool:
    """Whether a file of this card says itself in which of several published precisions it is."""
    return card.format == "tfjs" and len(card.quant_bytes) > 1


def _is_file(path: Path) -> bool:
    """Whether a file exists and is readable."""
    try:
        return path.is_file()
    except PermissionError as err:
        _log.info("%s is passed over: %s.", path, err.strerror)
        return False


def _folders(card: Card, quant_bytes: int) -> Iterator[tuple[Path, Literal["found", "shipped", "cached"]]]:
    """Folders to search for the card's files of a precision, in order.

    In each search folder: a subfolder with the card's name or another of its names (first its subfolder for the
    precision); the end of the public URL, such as bodypix/mobilenet/float/050; and for single-file models the search
    folder itself. A folder without a precision in its name may hold any.
    """
    finest = quant_bytes == max(card.quant_bytes)
    names = [PurePosixPath(name) for name in (card.name, *card.folder_names)]
    below = [path for name in names for path in (name / PRECISIONS[quant_bytes], name)]
    parts = PurePosixPath(urlsplit(card.folder_address(quant_bytes)).path).parts
    if "savedmodel" in parts:
        below.append(PurePosixPath(*parts[parts.index("savedmodel") + 1 :]))
    if card.format != "tfjs" and finest:
        below.append(PurePosixPath())
    shipped = shipped_folder()
    for folder in card_folders():
        for path in below:
            yield folder / path, "shipped" if folder == shipped else "found"
    if card.package_folder:
        yield from ((folder, "found") for folder in _package_folders(card.package_folder))
    yield _cached(card, quant_bytes), "cached"


def _package_folders(folder: str) -> list[Path]:
    """A folder of an installed package, which is not imported; none if it is not installed."""
    package, _, below = folder.partition("/")
    spec = importlib.util.find_spec(package)
    return [Path(root) / below for root in (spec.submodule_search_locations or [])] if spec else []


def _file_names(card: Card, output_stride: int) -> list[str]:
    """File names to look for; names without a stride only if the card has a single one."""
    names = [card.file_name(output_stride)]
    if (len(card.output_strides) <= 1 or card.any_stride) and card.format == "tfjs":
        names += ["model.json", "tensorflowjs_model.pb"]
    return names


def _whole(index: Path) -> bool:
    """Whether all files exist: an interrupted download leaves model.json without its weights."""
    return all(path.is_file() for path in model_files(index))
