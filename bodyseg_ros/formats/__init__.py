"""Read model files: tfjs GraphModel (v2 and v1), frozen GraphDef, SavedModel. All are untrusted input."""

from .base import FORMATS, ModelSource
from .detect import detect
from .opening import OpenedModel, open_model
from .runtime import load_tensorflow
from .tfjs import read_weights

__all__ = ["FORMATS", "ModelSource", "OpenedModel", "detect", "load_tensorflow", "open_model", "read_weights"]
