"""Train a harmonization network on photos of people: `bodyseg train harmony CONFIG.yaml`.

Composites are made once; a run is a function of its settings and of the masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt

from ..effects.harmony_networks import open_network
from ..errors import MediaError
from ..types import Frame
from .harmony_composites import Image, Person, crop, make_composite
from .harmony_config import HarmonySettings
from .harmony_network import HISTOGRAM_VALUES, build_network, color_loss, histograms, learner, tflite_bytes
from .harmony_people import Advance, read_people
from .harmony_scores import HarmonyScore, score

NETWORK_NAME: Final = "harmony.tflite"
"""Name of the network's file in a run's folder."""
_COLORS: Final = 128
"""Colors compared per composite."""


@dataclass(frozen=True)
class Pool:
    """Composites and the photos they are made from, as the network sees them.

    seen: histograms (m, 2, 687) float16, of the photo and of the composite. colors: (m, 2, n, 3) uint8, of the same
    pixels of people in both.
    """

    seen: npt.NDArray[np.float16]
    colors: npt.NDArray[np.uint8]

    def batch(self, count: int, unchanged: float, random: np.random.Generator) -> tuple[Any, Any]:
        """Draw samples: ((histograms (b, 687), colors (b, n, 3)), the photos' colors (b, n, 3)), float32."""
        rows = random.integers(len(self.seen), size=count)
        shown = (random.random(count) >= unchanged).astype(np.intp)
        seen, before, after = self.seen[rows, shown], self.colors[rows, shown], self.colors[rows, 0]
        return (seen.astype(np.float32), _unit(before)), _unit(after)


def run(settings: HarmonySettings, advance: Advance) -> HarmonyScore:
    """Train, write the network's file into the run's folder, and measure that file on held-out photos.

    Where none is held out, on those it learned from. Raises MediaError.
    """
    people = read_people(settings, advance)
    if not people.known:
        raise MediaError(f"All photos are held out: held_out is {settings.held_out!r}; lower it, or add photos.")
    pool = make_pool(people.known, settings, advance)
    network = train(pool, settings, advance)
    settings.output.mkdir(parents=True, exist_ok=True)
    path = settings.output / NETWORK_NAME
    path.write_bytes(tflite_bytes(network, settings.side))
    written = open_network(path, "litert", 0)

    def recolor(image: Image, mask: Image) -> Image:
        return written.recolor(Frame(image), mask)

    return score(recolor, people.held_out or people.known, settings.tints)


def make_pool(people: Sequence[Person], settings: HarmonySettings, advance: Advance) -> Pool:
    """Make the composites of a run: so many crops of each photo, each recolored in another way."""
    count = len(people) * settings.crops
    pool = Pool(np.zeros((count, 2, HISTOGRAM_VALUES), np.float16), np.zeros((count, 2, _COLORS, 3), np.uint8))
    for number, person in enumerate(people):
        random = np.random.default_rng([settings.seed, number])
        for row in range(number * settings.crops, (number + 1) * settings.crops):
            made = make_composite(crop(person, settings.side, random), settings.tints, random, rough=True)
            where = np.argwhere(made.person)[random.integers(made.person.sum(), size=_COLORS)].T
            for state, image in enumerate((made.truth, made.image)):
                pool.seen[row, state] = histograms(image, made.mask)
                pool.colors[row, state] = image[where[0], where[1]]
        advance("composites", number + 1, len(people), "")
    return pool


def train(pool: Pool, settings: HarmonySettings, advance: Advance) -> keras.Model:
    """Train a network on a pool."""
    keras.utils.set_random_seed(settings.seed)
    network = build_network(settings.dropout)
    warmup = max(1, settings.steps // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, settings.steps - warmup), warmup_target=settings.learning_rate, warmup_steps=warmup
    )
    trained = learner(network)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, clipnorm=5.0)
    trained.compile(optimizer, loss=color_loss)
    for step in range(1, settings.steps + 1):
        inputs, truth = pool.batch(settings.batch, settings.unchanged, np.random.default_rng([settings.seed, step]))
        loss = float(trained.train_on_batch(list(inputs), truth))
        advance("steps", step, settings.steps, f"ΔE {loss:.2f}")
    return network


def _unit(colors: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return colors.astype(np.float32) / np.float32(255)
