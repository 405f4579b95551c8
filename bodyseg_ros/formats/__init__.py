"""Read model files: tfjs GraphModel (v2 and v1), frozen GraphDef, SavedModel. All are untrusted input."""

from .base import ModelSource

__all__ = ["ModelSource"]
