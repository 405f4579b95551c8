"""The node `bodyseg` with a second network on each person."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.errors import SettingsError
from bodyseg_ros.ros.graph.image_messages import image_message, read_image
from per_person import spots
from per_person.test_two_stages import CARD

from .conftest import Rig, header_of

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture
def red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "red-64.yaml").write_text(CARD)
    spots.portrait(tmp_path / "red-64.onnx")
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(tmp_path))
    return "red-64"


def test_a_network_without_masks_has_mask_topics_and_live_margins(red: str, rig: Callable[..., Rig]) -> None:
    node = rig(
        "model:=posenet-mobilenet-075", f"per_person.model:={red}",
        "per_person.min_size_px:=2", "per_person.margin:=0.0",
    )  # fmt: skip
    messages = node.tester.messages
    heard = node.listen("/bodyseg/instances")

    def send(stamp_ns: int) -> np.ndarray:
        image = np.full((120, 160, 3), 255, np.uint8)
        node.send(image_message(messages, header_of(messages, stamp_ns), image, "rgb8"))
        node.wait(lambda: heard and heard[-1].header.stamp.nanosec == stamp_ns)
        return read_image(heard[-1]).image[..., 0]

    tight = send(1)
    assert set(np.unique(tight)) == {0, 1}
    node.graph.set_parameters({"per_person.margin": 0.5})
    wide = send(2)
    assert np.count_nonzero(wide) > 1.2 * np.count_nonzero(tight)
    with pytest.raises(SettingsError, match="per_person.margin"):
        node.graph.set_parameters({"per_person.margin": -1.0})
    assert not node.warnings()
