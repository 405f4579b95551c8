"""Follow one person through a video or camera: print where to turn, and how far away the person is.

    python examples/follow_person.py clip.mp4
    python examples/follow_person.py 0          # the first webcam

The first person seen is followed until lost for longer than `kalman.memory` seconds; then the next one is.
"""

from __future__ import annotations

import sys

import bodyseg_ros as bodyseg
from bodyseg_ros import TrackState, Wanted


def main(source: str) -> None:
    """Print a line per frame: turn from -1 (left) to 1 (right), height as a share of the image's."""
    followed = None
    with bodyseg.load() as model:
        # Masks make exact boxes. Poses alone would take less time.
        for result in model.track(source, Wanted.PERSON | Wanted.POSES | Wanted.INSTANCES):
            people = {person.id: person for person in result if person.state is not TrackState.LOST}
            if followed is None and people:
                followed = next(iter(people))  # the best score comes first
            known = followed in people or any(followed == track.id for track in result.tracks or ())
            if not known:
                followed = None
            if followed not in people:
                print(f"frame {result.frame.index}: nobody to follow")
                continue
            left, top, right, bottom = people[followed].box
            height, width = result.size
            turn = (left + right) / width - 1
            print(
                f"frame {result.frame.index}: person {followed}, turn {turn:+.2f}, height {(bottom - top) / height:.2f}"
            )


if __name__ == "__main__":
    main(sys.argv[1])
