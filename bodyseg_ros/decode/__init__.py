"""Decode tensors to masks, parts, poses and instances.

masks.py, poses.py and instances.py have the NumPy versions, and call the C kernels if built.
"""

from .instances import instance_map
from .masks import confidence_map, part_map, person_map, person_mask, sigmoid
from .poses import decode_poses, decode_single_pose

__all__ = [
    "confidence_map",
    "decode_poses",
    "decode_single_pose",
    "instance_map",
    "part_map",
    "person_map",
    "person_mask",
    "sigmoid",
]
