"""Process recorded bags: the node's model on every frame, without a graph."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import lz4.frame  # type: ignore[import-untyped] # it has no types
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import Qos as BagQos
from rosbags.interfaces import QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, ReaderError, StoragePlugin, Writer, WriterError

from ..errors import MediaError
from ..events import EventWatcher
from ..plan import Plan, make_plan
from .bag_topics import PICTURES, Topic
from .graph.headers import shorten
from .graph.names import Names
from .graph.qos import LATCHED, RELIABLE, Qos
from .graph.rosbag_types import RosbagMessages
from .graph.video_messages import video_format
from .nodes.diagnostics import reason_of
from .nodes.frame_context import FrameContext
from .nodes.frame_node import make_messages
from .nodes.frame_reader import FrameReader
from .nodes.live_settings import live_settings
from .nodes.node_model import NodeModel
from .nodes.node_settings import NodeSettings
from .nodes.outputs import OUTPUTS, OutputTopic, hides_people, label_infos, wanted_of
from .video_rewriter import VIDEOS

__all__ = [
    "BagForm",
    "BagReport",
    "BagWriter",
    "add_like",
    "form_of",
    "process_bag",
    "read_bag",
    "topics_of",
    "write_bag",
]

_log = logging.getLogger(__name__)
_CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_NAMES = Names("bodyseg")


#: Type name endings of topics that may show people: images, depth, disparity and video, such as
#: sensor_msgs/CompressedImage, foxglove_msgs/CompressedVideo, ffmpeg_image_transport_msgs/FFMPEGPacket,
#: theora_image_transport/Packet.
_SHOWS_PEOPLE: Final = re.compile(r"(Image|Video|Packet)$")


@dataclass
class BagReport:
    """What was done.

    frames: pictures seen in. problems: (time of the frame in ns, why) of each picture or topic that could not be made.
    copied, left_out: topics of the bag that are in the new one, and those that are not, as they may show people whom
    an effect hides.
    """

    image_topic: str
    frames: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class BagWriter:
    """Adds topics to an open bag on first use."""

    def __init__(self, writer: Writer, messages: RosbagMessages) -> None:
        self._writer, self._messages = writer, messages
        self._topics: dict[str, Any] = {}

    def add(self, topic: str, type_name: str, data: Any, time_ns: int, qos: Qos = RELIABLE) -> None:
        """Write a message, or its CDR bytes."""
        if topic not in self._topics:
            self._topics[topic] = self._writer.add_connection(
                topic, type_name, typestore=self._messages.store, offered_qos_profiles=[_bag_qos(qos)]
            )
        raw = data if isinstance(data, bytes) else self._messages.serialize(data, type_name)
        self._writer.write(self._topics[topic], time_ns, raw)


def _bag_qos(qos: Qos) -> BagQos:
    forever = QosTime(2147483647, 4294967295)
    return BagQos(
        QosHistory.KEEP_LAST,
        qos.depth,
        QosReliability.RELIABLE if qos.reliable else QosReliability.BEST_EFFORT,
        QosDurability.TRANSIENT_LOCAL if qos.latched else QosDurability.VOLATILE,
        forever,
        forever,
        QosLiveliness.AUTOMATIC,
        forever,
        False,
    )


@dataclass(frozen=True)
class BagForm:
    """How a bag is stored. mcap: not sqlite3. file: one file, not a folder with its metadata.

    chunks: compression of an mcap file's chunks: '', 'lz4', 'zstd'. mode: rosbag2's own compression, of files or
    messages.
    """

    mcap: bool
    file: bool
    chunks: str = ""
    mode: CompressionMode = CompressionMode.NONE


def form_of(path: Path, reader: AnyReader) -> BagForm:
    """The form of an open bag."""
    storage: Any = reader.readers[0].storage  # type: ignore[union-attr] # rosbag2's reader: others are refused before
    mode = CompressionMode[(storage.metadata.compression_mode or "none").upper()]
    first: Any = storage.storages[0] if hasattr(storage, "storages") else storage
    chunks = {chunk.compression for chunk in getattr(first, "chunks", [])}
    return BagForm(hasattr(first, "chunks"), path.is_file(), max(chunks, default=""), mode)


@contextmanager
def write_bag(target: Path, form: BagForm | None = None) -> Iterator[Writer]:
    """A new bag: one file if `target` ends in .mcap, else a folder with a .db3 file and its metadata.

    form: another storage, or compression. It is there when the context ends without an exception. Raises MediaError
    where it is there already, or cannot be written.
    """
    if target.exists():
        raise MediaError(f"The bag {str(target)!r} already exists; use another name, or delete it first.")
    form = form or BagForm(mcap=target.suffix == ".mcap", file=target.suffix == ".mcap")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
            made = Path(folder) / target.name
            with _writer(made, form) as writer:
                _set_lz4(writer, form)
                yield writer
            inside = [path for path in made.iterdir() if path.name != "metadata.yaml"]
            shutil.move(inside[0] if form.file else made, target)
    except (OSError, WriterError) as err:
        raise MediaError(f"The bag {str(target)!r} cannot be written: {err}.") from err


def _writer(path: Path, form: BagForm) -> Writer:
    """Open a writer for that form."""
    writer = Writer(path, version=8, storage_plugin=StoragePlugin.MCAP if form.mcap else StoragePlugin.SQLITE3)
    if form.mode is not CompressionMode.NONE:
        writer.set_compression(form.mode, CompressionFormat.ZSTD)
    elif form.chunks:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    return writer


def _set_lz4(writer: Writer, form: BagForm) -> None:
    """Rosbags reads LZ4 but only offers Zstandard for writing."""
    if form.mcap and form.chunks == "lz4":
        storage: Any = writer.storage
        storage.compression, storage.compressor = "lz4", lz4.frame.compress


def process_bag(
    source: Path,
    target: Path,
    values: Mapping[str, Any],
    progress: Callable[[int, int], None] | None = None,
    image_topic: str = "",
    keep_raw: bool = False,
) -> BagReport:
    """Write a copy of a bag with the node's topics (those of pictures uncompressed) added, every frame, same stamps.

    Where an effect hides people, topics that may show them are left out of the copy, the node's own among them, unless
    `keep_raw`.

    source: an .mcap or .db3 file, or a bag's folder. target: see write_bag(). values: the node's parameters by dotted
    name. progress: told the frames done and their number. image_topic: whose pictures; '' for the only one there is
    besides depth.

    Raises MediaError for a bag that cannot be read or has no such topic, and what make_plan() and open_model() raise.
    """
    plan = make_plan(values, NodeSettings)
    with read_bag(source) as reader:
        image = _image_connection(reader, image_topic, source)
        with write_bag(target) as writer, closing(NodeModel(plan)) as model:
            return _Copy(reader, writer, plan, model, image, keep_raw).run(progress or _silent)


def _silent(done: int, total: int) -> None:
    """No progress is shown."""


@contextmanager
def read_bag(source: Path) -> Iterator[AnyReader]:
    """A bag open for reading. Raises MediaError where it cannot be read."""
    try:
        with AnyReader([source], default_typestore=RosbagMessages().store) as reader:
            yield reader
    except (OSError, AnyReaderError, ReaderError) as err:
        hint = " If its recording was cut off, `mcap recover IN -o OUT` mends it." if source.suffix == ".mcap" else ""
        raise MediaError(f"The bag {str(source)!r} cannot be read: {str(err).rstrip('.')}.{hint}") from err


def add_like(writer: Writer, reader: AnyReader, connection: Any) -> Any:
    """Add the same topic to a new bag; a bag without definitions gets the known ones."""
    if connection.msgdef.data and connection.digest:
        definition: dict[str, Any] = {"msgdef": connection.msgdef.data, "rihs01": connection.digest}
    else:
        definition = {"typestore": reader.typestore}
    return writer.add_connection(
        connection.topic,
        connection.msgtype,
        serialization_format=connection.ext.serialization_format,
        offered_qos_profiles=connection.ext.offered_qos_profiles,
        **definition,
    )


def topics_of(reader: AnyReader) -> list[Topic]:
    """List the topics of a bag, with the encoding of the first image."""
    forms: dict[int, str] = {}
    waiting = [one for one in reader.connections if one.msgtype in (*PICTURES, *VIDEOS) and one.msgcount]
    for connection in waiting:
        _, _, raw = next(reader.messages([connection]))
        try:
            message: Any = reader.deserialize(raw, connection.msgtype)
        except Exception:  # noqa: BLE001 - rosbags raises nearly every kind; the frame is blanked later
            continue
        forms[connection.id] = shorten(video_format(message))
    return [Topic(one.topic, one.msgtype, forms.get(one.id, "")) for one in reader.connections]


def _image_connection(reader: AnyReader, name: str, source: Path) -> Any:
    """Find the connection of the processed images. name: '' for the only topic with pictures that are not depth."""
    pairs = zip(reader.connections, topics_of(reader), strict=True)
    there = [(one, topic) for one, topic in pairs if one.msgtype in PICTURES]
    colored = [one for one, topic in there if not topic.is_depth and not topic.is_packed_depth]
    found = [one for one, _ in there if one.topic == name] if name else colored or [one for one, _ in there]
    if len(found) != 1:
        names = ", ".join(sorted(one.topic for one, _ in there)) or "none"
        what = f"no pictures on {name!r}" if name else f"{len(found)} topics with pictures"
        raise MediaError(
            f"The bag {str(source)!r} has {what}; give one as --image-topic (image_topic in Python): {names}."
        )
    return found[0]


class _Copy:
    """One bag being copied."""

    def __init__(
        self, reader: AnyReader, writer: Writer, plan: Plan[NodeSettings], model: NodeModel, image: Any, keep_raw: bool
    ) -> None:
        self._reader, self._writer, self._model, self._image = reader, writer, model, image
        self._live = live = live_settings(plan).within(model.offers)
        self._frames = FrameReader(live.settings, _log.info)
        self._messages = RosbagMessages()
        self._added = BagWriter(writer, self._messages)
        #: Whether people are hidden, so that nothing else may show them.
        self._hides = not keep_raw and (hides_people(live.composite) or hides_people(live.overlay))
        self._outputs = [
            output
            for output in OUTPUTS
            if not output.topic.endswith("/compressed")
            and not output.needs(live) & ~model.offers
            and not (self._hides and output.effects and not hides_people(output.effects(live)))
        ]
        self._wanted = wanted_of(self._outputs, live)
        self._camera_info_topic = f"{image.topic.removesuffix('/compressed').rpartition('/')[0]}/camera_info"
        self._camera_info: Any = None
        self._watcher = EventWatcher(live.events)
        self._report = BagReport(image.topic)

    def run(self, progress: Callable[[int, int], None]) -> BagReport:
        """Copy every message; after each picture, write what was made of it under the same time."""
        copies = {
            connection.id: add_like(self._writer, self._reader, connection)
            for connection in self._reader.connections
            if self._is_copied(connection)
        }
        total = sum(c.msgcount for c in self._reader.connections if c.id == self._image.id)
        for connection, time_ns, raw in self._reader.messages():
            if connection.id in copies:
                self._writer.write(copies[connection.id], time_ns, raw)
            if connection.topic == self._camera_info_topic and connection.msgtype == _CAMERA_INFO:
                self._camera_info = self._reader.deserialize(raw, connection.msgtype)
            elif connection.id == self._image.id:
                if not self._report.frames:
                    self._add_labels(time_ns)
                self._picture(raw, time_ns)
                progress(self._report.frames, total)
        return self._report

    def _is_copied(self, connection: Any) -> bool:
        """Whether a topic may be copied; recorded in the report."""
        copied = not (self._hides and _SHOWS_PEOPLE.search(connection.msgtype))
        topics = self._report.copied if copied else self._report.left_out
        if connection.topic not in topics:
            topics.append(connection.topic)
        return copied

    def _add_labels(self, time_ns: int) -> None:
        for topic, message in label_infos(self._messages, self._model.offers, self._model.classes, time_ns):
            self._added.add(_NAMES.resolve(topic), "vision_msgs/msg/LabelInfo", message, time_ns, LATCHED)

    def _picture(self, raw: bytes, time_ns: int) -> None:
        self._report.frames += 1
        try:
            message = self._reader.deserialize(raw, self._image.msgtype)
            frame = self._frames.read(message)
            result = self._model.run(self._live, frame, self._wanted)
        except Exception as err:  # noqa: BLE001 - one frame must not take the others with it; the report names it
            self._report.problems.append((time_ns, reason_of(err)))
            return

        def failed(output: OutputTopic, err: Exception) -> None:
            self._report.problems.append((time_ns, f"{_NAMES.resolve(output.topic)}: {reason_of(err)}"))

        context = FrameContext(
            self._messages, message, frame, result, self._live, self._model.name, self._camera_info,
            watcher=self._watcher,
        )  # fmt: skip
        for output, made in make_messages(self._outputs, context, failed):
            if made is not None:
                self._added.add(_NAMES.resolve(output.topic), output.type, made, time_ns)
