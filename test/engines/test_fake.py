"""The fake engine's people come out of the decoders as they went in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.body import PART_NAMES
from bodyseg_ros.decode import confidence_map, decode_poses, instance_map, part_map, person_mask, sigmoid
from bodyseg_ros.decoder_inputs import LongOffsets, PoseHeads, PoseLimits
from bodyseg_ros.engines.fake import FakeEngine, FakeSettings, fake_keypoints
from bodyseg_ros.errors import EngineError
from bodyseg_ros.formats import ModelSource
from bodyseg_ros.geometry import padded_geometry
from bodyseg_ros.plugins import load_plugin
from bodyseg_ros.types import Outputs


def tree_of(found: Outputs) -> PoseHeads:
    tree = (found[name] for name in ("short_offsets", "displacement_fwd", "displacement_bwd"))
    return PoseHeads(sigmoid(found["heatmaps"]), *tree, stride=found.stride)


def heads(people: int, height: int, width: int, stride: int = 16) -> Outputs:
    engine = FakeEngine(ModelSource(Path("none"), "none", output_stride=stride), FakeSettings(people=people))
    return Outputs(engine.run(np.zeros((1, height, width, 3), np.float32)), stride)


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("people", [0, 1, 2, 5, 30])
@pytest.mark.parametrize("size", [(481, 641), (641, 481)])
def test_the_decoder_finds_exactly_these_people(people: int, size: tuple[int, int], stride: int) -> None:
    found = heads(people, *size, stride)
    keypoints, poses = decode_poses(tree_of(found), PoseLimits(40, 0.5, 20.0))
    assert len(poses) == people
    np.testing.assert_allclose(keypoints, fake_keypoints(people, *size), atol=1e-4)
    assert (poses.keypoint_scores > 0.98).all()


def test_masks_parts_and_instances_are_a_persons() -> None:
    height, width, stride = 241, 321, 16
    found = heads(2, height, width, stride)
    geometry = padded_geometry(height, width, height, width)
    person = person_mask(confidence_map(found["segments"], geometry), 0.7)
    parts = part_map(found["part_heatmaps"], person, geometry)
    _, poses = decode_poses(tree_of(found), PoseLimits(10, 0.5, 20.0))
    field = LongOffsets(found["long_offsets"], stride, geometry)
    instances = instance_map(field, person, poses, refine_steps=10, min_keypoint_score=0.3)
    ys, xs = np.nonzero(person)
    np.testing.assert_array_equal(instances[ys, xs], xs > width / 2)  # one stands in each half
    assert 0.1 < person.mean() < 0.5
    for joint, part in ((9, "left_hand"), (10, "right_hand"), (15, "left_foot"), (16, "right_foot")):
        x, y = np.round(poses.keypoints[0, joint]).astype(int)
        assert PART_NAMES[parts[y, x]] == part


def test_people_face_the_camera_inside_of_the_picture() -> None:
    points = fake_keypoints(30, 241, 321)
    assert (points >= 0).all()
    assert (points <= [321, 241]).all()
    np.testing.assert_allclose(fake_keypoints(1, 200, 400)[0, 0], [200, 28])  # the nose: 0.14 of the height down
    assert (points[:, 5, 0] > points[:, 6, 0]).all()  # the left shoulder is on the right


def test_only_the_heads_asked_for() -> None:
    source = ModelSource(Path("none"), "none", outputs={"segments": "float_segments", "heatmaps": "float_heatmaps"})
    outputs = FakeEngine(source, FakeSettings()).run(np.zeros((1, 33, 33, 3), np.float32))
    assert set(outputs) == {"segments", "heatmaps"}
    assert outputs["segments"].shape == (1, 3, 3, 1)


def test_it_fails_when_asked() -> None:
    engine = load_plugin("engines", "fake")(ModelSource(Path("none"), "none"), FakeSettings(fail_every=2, delay_ms=0.1))
    picture = np.zeros((1, 33, 33, 3), np.float32)
    engine.run(picture)
    with pytest.raises(EngineError, match="run 2.*fake.fail_every"):
        engine.run(picture)
    engine.run(picture)
    with pytest.raises(EngineError, match=r"array of 1×any×any×3.*\(33, 33\)"):
        engine.run(np.zeros((33, 33), np.float32))
    engine.close()
    assert engine.device


def test_it_needs_no_tensorflow() -> None:
    program = (
        "import sys; import bodyseg_ros.engines.fake, bodyseg_ros.engines.tensorflow, bodyseg_ros.formats;"
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
