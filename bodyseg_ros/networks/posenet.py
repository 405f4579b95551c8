"""PoseNet: people's poses alone, no masks.

Source: tfjs-models ``posenet/src/posenet_model.ts`` and ``util.ts`` (posenet 2.2.2). `pose-detection` shows its
network another picture (replicated borders), so its results differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..catalog import Card
from ..decode import decode_poses, decode_single_pose, sigmoid
from ..errors import SettingsError
from ..geometry import network_size, padded_geometry, resize_padded
from ..settings import Settings, live
from ..types import Frame, Prepared, Result, Wanted
from .heads import named_heads

__all__ = ["PoseNet", "PoseNetSettings"]

_HEADS = ("heatmaps", "short_offsets", "displacement_fwd", "displacement_bwd")
