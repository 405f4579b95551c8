"""Tensors to people: masks, parts, poses, instances. NumPy, and kernels in C where they were built."""

from .instances import instance_map
from .masks import confidence_map, part_map, person_map, person_mask
from .plain import sigmoid
from .poses import argmax2d, decode_poses, decode_single_pose

__all__ = [
    "argmax2d",
    "confidence_map",
    "decode_poses",
    "decode_single_pose",
    "instance_map",
    "part_map",
    "person_map",
    "person_mask",
    "sigmoid",
]
