"""Masks of converted tfjs models in tfjs itself: `bodyseg models convert --to tfjs` in all three weight widths.

    npm install @tensorflow/tfjs@4.22.0        # once, in a folder of its own
    python benchmark/tfjs_masks.py NODE_MODULES MODEL…

MODEL: a card's name or a model file. Runs each written file on matplotlib's sample portrait, in node with tfjs (CPU
backend) and here, and prints its size, the share of pixels whose mask differs between the two, and between it and the
original.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.cbook import get_sample_data

from bodyseg_ros.catalog import choose_card, find_model
from bodyseg_ros.engines import open_engine
from bodyseg_ros.formats import ModelSource, Quantize
from bodyseg_ros.lab.conversion import convert_model
from bodyseg_ros.media import read_photo
from bodyseg_ros.networks import Network
from bodyseg_ros.plugins import load_plugin
from bodyseg_ros.settings import ModelSettings
from bodyseg_ros.types import Frame, Prepared, Wanted

WIDTHS: dict[int, Quantize] = {4: "none", 2: "float16", 1: "dynamic"}
Outputs = dict[str, np.ndarray]


def main(node_modules: str, models: list[str]) -> None:
    """Convert, run and print."""
    photo = Frame(read_photo(Path(str(get_sample_data("grace_hopper.jpg", asfileobj=False)))))
    for name in models:
        settings = ModelSettings(**{"model_path" if Path(name).exists() else "model": name})
        card, source = find_model(choose_card(settings), settings)
        source = replace(source, others=())
        kind = load_plugin("networks", card.network)
        network: Network = kind(card, kind.Settings(), settings.output_stride)
        prepared = network.prepare(photo)
        original = mask(network, run_here(source, prepared), prepared)
        for width, quantize in WIDTHS.items():
            with tempfile.TemporaryDirectory() as folder:
                made = convert_model(source, "tfjs", Path(folder) / "model", quantize)
                size = sum(file.stat().st_size for file in made.path.parent.iterdir())
                here = mask(network, run_here(made, prepared), prepared)
                there = mask(network, run_there(made, prepared, node_modules, Path(folder)), prepared)
                print(
                    f"{card.name}, {width} bytes: {size / 1e6:.2f} MB; tfjs differs from here in "
                    f"{100 * np.mean(here != there):.4f} % of pixels, this file from the original in "
                    f"{100 * np.mean(here != original):.3f} %",
                    flush=True,
                )


def mask(network: Network, outputs: Outputs, prepared: Prepared) -> Any:
    """(H, W) uint8: 1 for person."""
    return network.decode(outputs, prepared, Wanted.PERSON).person


def run_here(source: ModelSource, prepared: Prepared) -> Outputs:
    """Run on TensorFlow."""
    engine = open_engine("tensorflow", source, {})
    try:
        return {name: np.array(array) for name, array in engine.run(prepared.tensor).items()}
    finally:
        engine.close()


def run_there(made: ModelSource, prepared: Prepared, node_modules: str, folder: Path) -> Outputs:
    """Run on tfjs in node."""
    dtype = "float32" if prepared.tensor.dtype == np.float32 else "int32"
    tensor = folder / "tensor"
    tensor.write_bytes(np.ascontiguousarray(prepared.tensor, dtype).tobytes())
    script = Path(__file__).with_name("tfjs_run.js")
    words = ["node", str(script), str(made.path), str(tensor), json.dumps(prepared.tensor.shape), dtype]
    environment = {"NODE_PATH": str(Path(node_modules).absolute()), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    answer = subprocess.run(words, stdout=subprocess.PIPE, check=True, env=environment)
    values, first, outputs = np.fromfile(f"{tensor}.out", np.float32), 0, {}
    heads = {tensor: head for head, tensor in made.outputs.items()}
    for name, shape in json.loads(answer.stdout):
        count = int(np.prod(shape))
        outputs[heads[name]] = values[first : first + count].reshape(shape)
        first += count
    return outputs


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
