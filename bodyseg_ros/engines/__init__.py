"""Run a network: a tensor in, named arrays out.

engine.py is the base class; choose.py picks the fastest engine here that reads one of the model's files. One module per
engine: litert, onnxruntime, openvino, tensorflow (tensorflow_maps.py makes masks on its device), passthrough for
methods without a network, fake for tests. tensors.py has shared helpers; trial.py runs an unknown file in a child
process first. An engine's package is imported when the engine is opened.
"""

from .choose import open_engine
from .engine import Engine

__all__ = ["Engine", "open_engine"]
