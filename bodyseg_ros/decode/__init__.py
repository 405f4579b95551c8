"""Tensors to people: masks, parts, poses, and whose each pixel is.

masks.py, poses.py and instances.py each hold the NumPy version, and call the kernel in C where one was built.
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
