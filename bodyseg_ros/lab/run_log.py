"""A run's table: log.csv, and TensorBoard's events where TensorFlow is the backend."""

from __future__ import annotations

import csv
import logging
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

logger = logging.getLogger(__name__)


class RunLog:
    """The run's table: log.csv, and TensorBoard's files where TensorFlow is the backend."""

    COLUMNS = ("step", "seconds", "learning_rate", "loss", "person_iou")

    def __init__(self, folder: Path, step: int) -> None:
        self.path = folder / "log.csv"
        self.rows: list[dict[str, str]] = []
        if step and self.path.exists():
            with self.path.open() as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
        before = float(self.rows[-1]["seconds"]) if self.rows else 0.0
        self.started = time.monotonic() - before
        self.board = _tensorboard(folder)

    def write(self, step: int, learning_rate: float, loss: float, person_iou: float) -> None:
        """Add a line."""
        seconds = time.monotonic() - self.started
        values = (step, f"{seconds:.0f}", f"{learning_rate:.3g}", f"{loss:.4f}", f"{person_iou:.4f}")
        self.rows.append({name: str(value) for name, value in zip(self.COLUMNS, values, strict=True)})
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
        logger.info("step %d: loss %.4f, person IoU %.4f", step, loss, person_iou)
        self.board(step, {"learning_rate": learning_rate, "loss": loss, "person_iou": person_iou})

    def since_best(self) -> int:
        """Validations since the best one; -1 before the first."""
        scores = [float(row["person_iou"]) for row in self.rows]
        return len(scores) - 1 - int(np.argmax(scores)) if scores else -1


def _tensorboard(folder: Path) -> Callable[[int, dict[str, float]], None]:
    """Open an event file: TFRecords of Event messages. TensorBoard is needed to read it, not to write it."""
    if keras.backend.backend() != "tensorflow":
        return lambda step, values: None
    import tensorflow as tf
    from tensorflow.core.framework.summary_pb2 import Summary
    from tensorflow.core.util.event_pb2 import Event

    started = time.time()
    writer = tf.io.TFRecordWriter(str(folder / f"events.out.tfevents.{started:.0f}"))
    writer.write(Event(wall_time=started, file_version="brain.Event:2").SerializeToString())

    def write(step: int, values: dict[str, float]) -> None:
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
        writer.write(Event(wall_time=time.time(), step=step, summary=summary).SerializeToString())
        writer.flush()

    return write
