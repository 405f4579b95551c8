"""A frame as BodyPix's and PoseNet's networks want it."""

from __future__ import annotations

import numpy as np

from ..catalog import Preprocessing
from ..geometry import Geometry, resize_padded
from ..types import Frame, Prepared

__all__ = ["prepared"]


def prepared(frame: Frame, geometry: Geometry, preprocessing: Preprocessing) -> Prepared:
    """Pad, resize and normalise a frame as its model's card says: tensor (1, h, w, 3) float32."""
    tensor = resize_padded(frame.image, geometry)
    tensor *= np.asarray(preprocessing.scale, np.float32)
    tensor += np.asarray(preprocessing.offset, np.float32)
    return Prepared(tensor[None], geometry)
