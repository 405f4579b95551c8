"""People of capsules in any pose before a wall, as a color camera and a depth camera see them.

Everything is in the color camera's optical frame (x right, y down, z ahead), m. Rays meet surfaces with a formula, so
the truth of each pixel is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from bodyseg_ros.body import KEYPOINT_NAMES
from bodyseg_ros.person import TrackState
from bodyseg_ros.space import DepthImage, PeopleInSpace, Pinhole, Rigid, to_meters
from bodyseg_ros.types import Poses, Result, Tracks

JOINT = {name: place for place, name in enumerate(KEYPOINT_NAMES)}
COLOR = Pinhole((480, 640), (525.0, 525.0), (319.5, 239.5))
#: Depth cameras beside it, of its size and of half of it.
OTHERS = (
    Pinhole((480, 640), (560.0, 560.0), (319.5, 239.5)),
    Pinhole((240, 320), (262.5, 262.5), (159.5, 119.5)),
)
#: How far around a keypoint the person's own surface is looked for.
NEAR_PX = 14
#: Height of the floor below the camera.
FLOOR_M = 1.1


@dataclass(frozen=True)
class Body:
    """joints: (17, 3). capsules: (n, 7), both ends and the radius."""

    joints: np.ndarray
    capsules: np.ndarray


def stand(x: float, z: float, random: np.random.Generator | None = None, height: float = 1.75) -> Body:
    """A person who faces the camera, arms hanging; with `random`, limbs, turn and lean in any direction."""
    scale = height / 1.75
    hips, shoulders = np.array([0, -0.95, 0.0]), np.array([0, -1.45, 0.0])
    turn = random.uniform(-np.pi / 3, np.pi / 3) if random else 0.0
    left = np.array([np.cos(turn), 0, np.sin(turn)])  # the person's left is at the picture's right
    ahead = np.array([np.sin(turn), 0, -np.cos(turn)])
    joints = np.zeros((17, 3))

    def limb(start: np.ndarray, side: float, lengths: tuple[float, float], arm: bool) -> tuple[np.ndarray, np.ndarray]:
        way = np.array([0.15 * side, 1, 0]) @ np.stack([left, [0, 1, 0], ahead])
        ends = []
        for length in lengths:
            if random is not None:
                if arm:
                    way = random.normal(0, 1, 3) + np.array([0, 0.5, 0]) + 0.5 * ahead + 0.5 * side * left
                else:
                    way = np.array([0, 1, 0]) + random.normal(0, 0.25, 3)
            start = start + length * way / np.linalg.norm(way)
            ends.append(start)
        return ends[0], ends[1]

    for side, name in ((1.0, "left"), (-1.0, "right")):
        joints[JOINT[f"{name}_shoulder"]] = shoulders + side * 0.18 * left
        joints[JOINT[f"{name}_hip"]] = hips + side * 0.12 * left
        for start, parts, lengths in (
            ("shoulder", ("elbow", "wrist"), (0.29, 0.26)),
            ("hip", ("knee", "ankle"), (0.44, 0.43)),
        ):
            ends = limb(joints[JOINT[f"{name}_{start}"]], side, lengths, start == "shoulder")
            for part, end in zip(parts, ends, strict=True):
                joints[JOINT[f"{name}_{part}"]] = end
        joints[JOINT[f"{name}_eye"]] = [0, -1.67, 0] + side * 0.03 * left + 0.085 * ahead
        joints[JOINT[f"{name}_ear"]] = [0, -1.65, 0] + side * 0.08 * left
    joints[JOINT["nose"]] = [0, -1.63, 0] + 0.1 * ahead
    j = {name: joints[place] for name, place in JOINT.items()}
    head = np.array([0, -1.64, 0.0])
    capsules = [(head, head, 0.11), (head, shoulders, 0.06), (hips, shoulders, 0.12)]
    for side in ("left", "right"):
        capsules += [
            (j[f"{side}_shoulder"], j[f"{side}_hip"], 0.09),
            (j[f"{side}_shoulder"], j[f"{side}_elbow"], 0.045),
            (j[f"{side}_elbow"], j[f"{side}_wrist"], 0.035),
            (j[f"{side}_hip"], j[f"{side}_knee"], 0.07),
            (j[f"{side}_knee"], j[f"{side}_ankle"], 0.05),
        ]
    place = np.array([x, FLOOR_M / scale, 0])
    lifted = (joints + place * [0, 1, 0]) * scale + [x, 0, z]
    placed = [
        (*((np.asarray(p) + place * [0, 1, 0]) * scale + [x, 0, z] for p in (a, b)), r * scale) for a, b, r in capsules
    ]
    return Body(lifted, np.array([(*a, *b, r) for a, b, r in placed]))


@dataclass
class PeopleScene:
    """people: bodies. wall: a point on it and its normal; the floor is level."""

    people: list[Body]
    wall: tuple[np.ndarray, np.ndarray] = field(default_factory=lambda: (np.array([0, 0, 5.0]), np.array([0, 0, 1.0])))

    def cast(self, camera: Pinhole, to_world: Rigid, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Along rays of (M, 2) pixels: (M,) depth and (M,) whose surface it is, -1 the room's."""
        rays = np.column_stack((camera.unproject(pixels.astype(np.float32)).astype(float), np.ones(len(pixels))))
        way, start = rays @ to_world.rotation.T, to_world.translation
        nearest, owner = np.full(len(pixels), np.inf), np.full(len(pixels), -1, np.int16)
        for point, normal in (self.wall, (np.array([0, FLOOR_M, 0]), np.array([0, 1.0, 0]))):
            with np.errstate(divide="ignore"):
                far = ((point - start) @ normal) / (way @ normal)
            nearest = np.where(far > 1e-6, np.minimum(nearest, far), nearest)
        from_world = to_world.inverse()
        for person, body in enumerate(self.people):
            for capsule in body.capsules:
                hit = _maybe_hit(camera, from_world, capsule, pixels)
                far = _meet(start, way[hit], capsule)
                closer = far < nearest[hit]
                nearest[hit[closer]], owner[hit[closer]] = far[closer], person
        return nearest, owner

    def render(self, camera: Pinhole, to_world: Rigid) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) float32 depth and (H, W) int16 instances."""
        row, column = np.mgrid[: camera.size[0], : camera.size[1]]
        depth, owner = self.cast(camera, to_world, np.stack([column.ravel(), row.ravel()], axis=-1))
        return depth.reshape(camera.size).astype(np.float32), owner.reshape(camera.size)

    def result(self, camera: Pinhole = COLOR) -> Result:
        """What a network without errors would say."""
        _, instances = self.render(camera, Rigid.still())
        count = len(self.people)
        keypoints = np.full((count, 17, 2), np.nan, np.float32)
        for person, body in enumerate(self.people):
            x, y, index = camera.project(body.joints.astype(np.float32))
            keypoints[person, index] = np.stack([x, y], axis=-1)
        poses = Poses(keypoints, np.ones((count, 17), np.float32), np.ones(count, np.float32))
        tracks = Tracks(tuple(range(1, count + 1)), (TrackState.NEW,) * count)
        return Result(camera.size, instances=instances, poses=poses, tracks=tracks)

    def surfaces(self, result: Result, camera: Pinhole = COLOR) -> np.ndarray:
        """(N, 17, 3) the point that the camera sees at each keypoint; NaN where that is not the person's own."""
        truth = np.full((len(self.people), 17, 3), np.nan)
        for person, points in enumerate(result.poses.keypoints):
            depth, owner = self.cast(camera, Rigid.still(), points)
            height, width = camera.size
            own = (owner == person) & (points >= 0).all(axis=1) & (points <= (width - 1, height - 1)).all(axis=1)
            rays = np.column_stack((camera.unproject(points), np.ones(17)))
            truth[person, own] = (rays * depth[:, None])[own]
        return truth


def _maybe_hit(camera: Pinhole, from_world: Rigid, capsule: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Which pixels can show a capsule, generously."""
    corners = np.array(
        [
            end + capsule[6] * np.array([a, b, c])
            for end in (capsule[:3], capsule[3:6])
            for a in (-1, 1)
            for b in (-1, 1)
            for c in (-1, 1)
        ]
    )
    x, y, index = camera.project(from_world.apply(corners.astype(np.float32)))
    if len(index) < len(corners):
        return np.arange(len(pixels))
    height, width = camera.size
    if len(pixels) == height * width:  # all of them, row by row
        top, bottom = max(0, int(y.min()) - 3), min(height, int(y.max()) + 4)
        left, right = max(0, int(x.min()) - 3), min(width, int(x.max()) + 4)
        return (np.arange(top, bottom)[:, None] * width + np.arange(left, right)).ravel()
    inside = (pixels >= (x.min() - 3, y.min() - 3)) & (pixels <= (x.max() + 3, y.max() + 3))
    return np.flatnonzero(inside.all(axis=1))


def _meet(start: np.ndarray, way: np.ndarray, capsule: np.ndarray) -> np.ndarray:
    """Where rays meet a capsule, in units of their length; infinite where they do not."""
    a, b, radius = capsule[:3], capsule[3:6], capsule[6]
    nearest = np.full(len(way), np.inf)
    square = (way**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        for end in (a, b):
            offset = start - end
            p, q = way @ offset, offset @ offset - radius**2
            far = (-p - np.sqrt(p * p - square * q)) / square
            nearest = np.where(far > 0, np.fmin(nearest, far), nearest)
        axis, offset = b - a, start - a
        length = axis @ axis
        if length > 0:
            along, ahead = way @ axis, offset @ axis
            k = length * square - along**2
            p = length * (way @ offset) - along * ahead
            q = length * (offset @ offset - radius**2) - ahead**2
            far = (-p - np.sqrt(p * p - k * q)) / k
            on = ahead + far * along
            nearest = np.where((far > 0) & (on >= 0) & (on <= length), np.fmin(nearest, far), nearest)
    return nearest


def measure(
    depth: np.ndarray, random: np.random.Generator, *, holes: float = 0.3, millimeters: bool = False
) -> np.ndarray:
    """A depth image as cameras give it, uint16 mm or float32 m: noise, blurred edges, and holes, half of them blobs."""
    noisy = depth + random.normal(0, 1, depth.shape) * 0.0015 * depth**2
    edge = np.abs(np.diff(depth, axis=1, append=depth[:, -1:])) > 0.1
    share = random.uniform(0, 1, depth.shape)
    noisy = np.where(edge, share * noisy + (1 - share) * np.roll(noisy, -1, axis=1), noisy)
    lost = (random.uniform(0, 1, depth.shape) < holes / 2).astype(np.uint8)
    while lost.mean() < holes:
        for _ in range(20):
            place = (int(random.integers(depth.shape[1])), int(random.integers(depth.shape[0])))
            cv2.circle(lost, place, int(random.integers(2, 12)) * depth.shape[0] // 480, 1, cv2.FILLED)
    if millimeters:
        return np.where(lost > 0, 0, np.rint(noisy * 1000)).astype(np.uint16)
    return np.where(lost > 0, np.nan, noisy).astype(np.float32)


def image_of(depth: np.ndarray, camera: Pinhole, to_color: Rigid) -> DepthImage:
    return DepthImage(to_meters(depth), camera, to_color)


def random_scene(random: np.random.Generator, grow_px: int, jitter_px: float) -> tuple[PeopleScene, Result, DepthImage]:
    """One or two people in any pose, a wall 0.15 to 1.5 m behind, and a depth camera of one of three kinds.

    The network's answer has masks that are up to `grow_px` too large and keypoints with an error of σ `jitter_px`.
    """
    z = random.uniform(1.8, 4.5)
    people = [stand(random.uniform(-0.5, 0.5), z, random)]
    if random.uniform() < 0.5:
        people.append(stand(random.uniform(-1.2, 1.2), z + random.uniform(0.4, 1.2), random))
    back = max(person.joints[:, 2].max() for person in people) + random.uniform(0.15, 1.5)
    scene = PeopleScene(people, (np.array([0, 0, back]), np.array([random.uniform(-0.3, 0.3), 0, 1.0])))
    kind = random.integers(3)
    camera = (COLOR, *OTHERS)[kind]
    pose = Rigid.of((*random.normal(0, 0.01, 3), 1), random.normal(0, 0.04, 3)) if kind else Rigid.still()
    depth = measure(scene.render(camera, pose)[0], random, millimeters=bool(random.integers(2)))
    result = scene.result()
    instances, grow = result.instances.copy(), random.integers(grow_px + 1)
    for person in range(len(people)):
        wider = cv2.dilate((result.instances == person).view(np.uint8), np.ones((2 * grow + 1, 2 * grow + 1), np.uint8))
        instances[(wider > 0) & (instances < 0)] = person
    keypoints = result.poses.keypoints + random.normal(0, jitter_px, (len(people), 17, 2)).astype(np.float32)
    result = replace(result, instances=instances, poses=replace(result.poses, keypoints=keypoints))
    return scene, result, image_of(depth, camera, pose)


def background_hits(scene: PeopleScene, result: Result, found: PeopleInSpace) -> list[tuple[int, str]]:
    """Keypoints (person, name) that lie farther than 8 cm behind everything near them that is the person's."""
    depth, owner = scene.render(COLOR, Rigid.still())
    hits = []
    for person, points in enumerate(found.keypoints):
        for place in np.flatnonzero(np.isfinite(points[:, 2])):
            x, y = np.rint(result.poses.keypoints[person, place]).astype(int)
            near = np.s_[max(0, y - NEAR_PX) : y + NEAR_PX + 1, max(0, x - NEAR_PX) : x + NEAR_PX + 1]
            own = depth[near][owner[near] == person]
            if not own.size or points[place, 2] > own.max() + 0.08:
                hits.append((person, KEYPOINT_NAMES[place]))
    return hits
