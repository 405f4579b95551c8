"""Count people in a video or camera: how many are there now, and how many different ones there were.

python examples/count_people.py clip.mp4
"""

from __future__ import annotations

import sys

import bodyseg_ros as bodyseg
from bodyseg_ros import Wanted

#: A person counts after so many frames, so that a flickering false detection does not.
LEAST_FRAMES = 3


def main(source: str) -> None:
    """Print a line when the number changes, and the total at the end."""
    frames_of: dict[int, int] = {}
    last = -1
    with bodyseg.load() as model:
        for result in model.track(source, Wanted.POSES):
            for person in result:
                frames_of[person.id] = frames_of.get(person.id, 0) + 1
            now = sum(frames_of[person.id] >= LEAST_FRAMES for person in result)
            if now != last:
                print(f"{result.frame.stamp_ns / 1e9:.2f} s: {now} people")
                last = now
    print(f"different people: {sum(frames >= LEAST_FRAMES for frames in frames_of.values())}")


if __name__ == "__main__":
    main(sys.argv[1])
