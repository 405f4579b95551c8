"""From the model parameters to a card and a file: here, in a folder of one's own, shipped, cached or downloaded."""

from __future__ import annotations

import hashlib
import logging
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Final, Literal
from urllib.parse import urlsplit

from platformdirs import user_cache_path

from ..errors import ModelFileError, ModelNotFoundError, SettingsError
from ..formats import SUFFIXES, Kind, ModelSource, Quantize, detect
from ..plugins import load_plugin
from ..settings import ModelSettings
from .card import PRECISIONS, Card, card_folders, card_names, expanded, load_card, shipped_folder
from .checksums import check_files, model_files, sha256_of
from .download import Limits, Progress, download_model
from .recognise import adapted, own_name, recognise

__all__ = ["Located", "cache_folder", "choose_card", "converted_file", "find_model", "int8_is_faster", "locate"]

_log = logging.getLogger(__name__)

#: What `model: auto` takes, whatever else lies on the machine: the same command gives the same answer on each.
_OURS: Final = "bodyseg-mobilenet-075"
#: Whose facts a BodyPix file of one's own is read by.
_PUBLISHED: Final = "bodypix-mobilenet-050"
#: Format → packages of which one must be here for its files to be run.
_PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "tfjs": ("tensorflow",),
    "frozen": ("tensorflow",),
    "tflite": ("ai_edge_litert", "openvino"),
    "onnx": ("onnxruntime", "openvino"),
    "openvino": ("openvino",),
}


@dataclass(frozen=True)
class Located:
    """A model's file that is on this machine. place: 'found' in $BODYSEG_MODEL_PATH, 'shipped' or 'cached'."""

    index: Path
    place: Literal["found", "shipped", "cached"]


def cache_folder() -> Path:
    """Where downloads are kept: the user's cache folder."""
    return user_cache_path("bodyseg_ros")


def choose_card(settings: ModelSettings) -> Card:
    """The card that `model` names.

    'auto' recognises the model at model_path; else it takes the first card of the network that is named, if its files
    are here or it needs none, and for BodyPix the network that comes with the package. A card whose files an engine
    here can run comes before those that none can.
    """
    if settings.model != "auto":
        return load_card(settings.model)
    if settings.model_path and _is_read(settings.engine):
        try:
            return recognise(_own(settings.model_path), settings.output_stride)
        except ModelFileError:
            if settings.network == "auto":  # else its plugin may know what it is
                raise
    cards = _cards_of(settings.network)
    here = [card for card in cards if card.format == "none" or _located(card, settings)]
    if here:
        return next((card for card in here if _can_run(card, settings)), here[0])
    if not settings.model_path and not settings.model_url:
        return load_card(_OURS)
    published = load_card(_PUBLISHED)
    if settings.model_path and not cards and settings.network not in ("auto", published.network):
        return published.model_copy(update={"name": own_name(_own(settings.model_path))})  # a network that has no card
    return published


def _located(card: Card, settings: ModelSettings) -> Located | None:
    return locate(card, settings.output_stride, settings.quant_bytes)


def _can_run(card: Card, settings: ModelSettings) -> bool:
    """Whether the engine that is named, or any that is installed, reads one of the card's files that are here."""
    located = _located(card, settings)
    formats: set[str] = {card.format}
    if located:
        formats |= {kind for kind, _ in _other_files(card, located.index, settings.output_stride)}
    if settings.engine != "auto":
        return not formats.isdisjoint(load_plugin("engines", settings.engine).formats)
    return any(find_spec(package) for kind in formats for package in _PACKAGES.get(kind, ())) or "none" in formats


def _own(path: str) -> Path:
    """The file or folder that model_path means. Raises ModelNotFoundError."""
    index = expanded(path)
    if not index.exists():
        raise ModelNotFoundError(f"There is no model at {str(index)!r}, where model_path points.")
    return index


def _is_read(engine: str) -> bool:
    """Whether an engine reads model files at all."""
    return engine == "auto" or "none" not in load_plugin("engines", engine).formats


def _cards_of(network: str) -> list[Card]:
    """The cards of a network, sorted by name; none for BodyPix, whose default choose_card() knows."""
    if network in ("auto", "bodypix"):
        return []
    return [card for card in map(load_card, card_names()) if card.network == network]


def find_model(
    settings: ModelSettings, progress: Progress | None = None, limits: Limits | None = None
) -> tuple[Card, ModelSource]:
    """The card and the file that the parameters mean; downloaded where no file is here.

    In order: model_path; model_url; the folders of $BODYSEG_MODEL_PATH; the files shipped beside the card; the
    cache; the card's address. With model_path and model_url the card gives the network's facts only.
    Files in a folder of one's own are taken as they are; quant_bytes chooses among the published ones.
    Raises SettingsError for a variant the card does not offer, ModelNotFoundError, ModelFileError.
    """
    if settings.model_path and settings.model_url:
        raise SettingsError("Both model_path and model_url are set; set one of them, and the other to ''.")
    card = choose_card(settings)
    if card.format == "none":
        return card, ModelSource(Path(card.name), "none")
    if settings.model_path:
        index = _own(settings.model_path)
    elif settings.model_url:
        digest = hashlib.sha256(settings.model_url.encode()).hexdigest()
        folder = cache_folder() / f"url-{digest[:16]}"
        index = download_model(settings.model_url, folder, {}, progress, limits)
        _refuse_changed(index, {})
    else:
        index = _card_file(card, settings, progress, limits)
    _log.info("The model %s is read from %s.", card.name, index)
    source = detect(index, settings.output_stride)
    if settings.model_path or settings.model_url:
        # Its tensors may be named otherwise: the network finds its heads among all outputs.
        return adapted(card, source), source
    source = replace(source, input=source.input or card.input, outputs=source.outputs or card.outputs)
    return card, replace(source, others=_others(card, source, card.known_sha256(settings.quant_bytes)))


def converted_file(index: Path, kind: Kind, quantize: Quantize = "none") -> Path:
    """Where `bodyseg models convert` puts what it makes of a model: in the cache, by the checksums of its files."""
    digests = "".join(sha256_of(path) for path in model_files(index))
    folder = cache_folder() / "converted" / hashlib.sha256(digests.encode()).hexdigest()[:16]
    return folder / f"{index.stem}{'' if quantize == 'none' else f'-{quantize}'}{SUFFIXES[kind]}"


def _others(card: Card, source: ModelSource, known: dict[str, str]) -> tuple[ModelSource, ...]:
    """The same network in the card's other formats, as far as they lie beside the file, and converted by the user."""
    found = []
    if card.int8_file:
        how = "is expected to be faster than float, and taken" if int8_is_faster() else "is not faster than float"
        _log.info("The 8-bit file of %s %s on this processor.", card.name, how)
    for kind, path in _other_files(card, source.path, source.output_stride):
        if path.parent == source.path.parent:
            _refuse_changed(path, known)
        found.append(replace(source, path=path, format=kind))
    return tuple(found)


@lru_cache(maxsize=1)
def int8_is_faster() -> bool:
    """Whether the processor computes 8-bit networks faster: ARM's with dot products, by what XNNPACK has for them.

    On x86 they take about as long as float, measured with AVX-512 VNNI.
    """
    if platform.machine().lower() not in ("aarch64", "arm64"):
        return False
    if platform.system() == "Darwin":
        return True  # every processor of that kind has them
    try:
        return "asimddp" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return False


def _other_files(card: Card, index: Path, output_stride: int) -> Iterator[tuple[str, Path]]:
    """(format, file) of the same network in other formats: beside the card's file, then converted by the user."""
    names = dict(card.other_files)
    if card.int8_file and int8_is_faster():
        names["tflite"] = card.int8_file
    for kind, name in names.items():
        path = index.with_name(name.replace("{stride}", str(output_stride)))
        if path.is_file():
            yield kind, path
    kinds: tuple[Kind, ...] = ("tflite", "onnx") if (cache_folder() / "converted").is_dir() else ()
    for made in kinds:
        path = converted_file(index, made)
        if path.is_file():
            yield made, path


def _card_file(card: Card, settings: ModelSettings, progress: Progress | None, limits: Limits | None) -> Path:
    stride, quant = settings.output_stride, settings.quant_bytes
    card.check_variant(stride, quant)
    located = locate(card, stride, quant)
    if located and located.place == "found":
        return located.index
    if located:
        index = located.index
    elif card.source:
        address = card.folder_address(quant) + card.file_name(stride)
        index = download_model(address, _cached(card, quant), card.known_sha256(quant), progress, limits)
    else:
        raise ModelNotFoundError(
            f"The model {card.name!r} has no public address, and {card.file_name(stride)!r} is not here: put it into "
            f"{str(_cached(card, quant))!r}, or set model_path to where it is."
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
    """The card's file on this machine, None if it is not here; nothing is downloaded."""
    for folder, place in _folders(card, quant_bytes):
        for name in _file_names(card, output_stride):
            index = folder / name
            if index.is_file() and (place != "cached" or _whole(index)):
                return Located(index, place)
    return None


def _folders(card: Card, quant_bytes: int) -> Iterator[tuple[Path, Literal["found", "shipped", "cached"]]]:
    """Folders that may hold the card's files, best first.

    Under each search folder: one named as the card or by its other names, there first the one of the precision; the
    tail of the public address, such as bodypix/mobilenet/float/050; and for a model of one file the folder itself.
    """
    names = [PurePosixPath(name) for name in (card.name, *card.folder_names)]
    below = [path for name in names for path in (name / PRECISIONS[quant_bytes], name)]
    parts = PurePosixPath(urlsplit(card.folder_address(quant_bytes)).path).parts
    if "savedmodel" in parts:
        below.append(PurePosixPath(*parts[parts.index("savedmodel") + 1 :]))
    if card.format != "tfjs":
        below.append(PurePosixPath())
    shipped = shipped_folder()
    for folder in card_folders():
        for path in below:
            yield folder / path, "shipped" if folder == shipped else "found"
    yield _cached(card, quant_bytes), "cached"


def _file_names(card: Card, output_stride: int) -> list[str]:
    """Names under which the model may lie; those that say no stride only where there is but one."""
    names = [card.file_name(output_stride)]
    if len(card.output_strides) <= 1 and card.format == "tfjs":
        names += ["model.json", "tensorflowjs_model.pb"]
    return names


def _whole(index: Path) -> bool:
    """Whether all files are there: a download that was cut leaves model.json without its weights."""
    return all(path.is_file() for path in model_files(index))
