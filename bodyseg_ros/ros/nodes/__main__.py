"""Run one node: python -m bodyseg_ros.ros.nodes bodyseg --ros-args -p engine:=onnx.

The same as `python -m bodyseg_ros.ros.nodes.bodyseg`, but Ctrl-C during the imports shows no traceback.
"""

import signal
import sys
from importlib import import_module

NODES = ("bodyseg", "camera", "compositor", "privacy_camera", "recorder")


def main() -> None:
    """Run the node named by the first argument.

    Exits with a sentence for an unknown name, and with 130 on Ctrl-C.
    """
    _, *given = sys.argv
    node = given[0] if given else ""
    if node not in NODES:
        raise SystemExit(f"Unknown node {node!r}; choose one of: {', '.join(NODES)}.")
    try:
        import_module(f"{__package__}.{node}").main(given[1:])
    except KeyboardInterrupt:  # too early to stop the node in order
        raise SystemExit(128 + signal.SIGINT) from None


if __name__ == "__main__":
    main()
