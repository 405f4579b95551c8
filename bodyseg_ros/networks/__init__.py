"""Networks: preprocessing, and the meaning of their tensors.

network.py is the base class. One module per kind of network: bodypix, posenet, movenet (with movenet_crop), top_down,
deeplab, portrait, and background_subtraction, which needs no network. prepare.py makes the input tensor, heads.py finds
the outputs by name, person_poses.py and pixels.py are shared. The arithmetic is in `decode`.
"""

from .flip import flip_if_asked
from .network import Network, NetworkSettings

__all__ = ["Network", "NetworkSettings", "flip_if_asked"]
