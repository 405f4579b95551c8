"""The same tiny run on Keras' JAX backend, in a process of its own: a backend is chosen once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jax", reason="training on JAX needs it: pip install jax")
pytest.importorskip("keras", reason="training needs Keras: pip install '.[train]'")

from lab.drawn import write_run

RUN = """
import sys
from pathlib import Path
import keras
from bodyseg_ros.lab import train_config as config, trainer as train

class Watcher(train.Nobody):
    def stepped(self, step, settings, loss):
        print(keras.backend.backend(), step, loss)
    def stop(self):
        return False

assert train.run(config.read_settings(Path(sys.argv[1])), Watcher())
trainer = train.Trainer(config.read_settings(Path(sys.argv[1])))
trainer.restore(trainer.settings.output / train.CHECKPOINT)
trainer.averaged()
print(trainer.step)
"""


def test_loss_falls_on_jax(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(write_run(tmp_path))],
        env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    losses = [float(line.removeprefix(f"jax {step} ")) for step, line in enumerate(lines, 1)]
    assert last == "12"
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])
    assert (tmp_path / "run/sheet.png").exists()
