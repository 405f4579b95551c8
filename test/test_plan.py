"""A plan is made once: what a start reads and builds is counted."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bodyseg_ros import load
from bodyseg_ros import plan as planning
from bodyseg_ros.catalog import SHIPPED_MODEL, card
from bodyseg_ros.catalog.card import Card, shipped_folder
from bodyseg_ros.errors import ModelFileError, SettingsError
from bodyseg_ros.plan import Plan, make_plan
from bodyseg_ros.ros.graph.fake_graph import FakeGraph
from bodyseg_ros.ros.nodes.bodyseg import BodysegNode
from bodyseg_ros.ros.nodes.node_settings import NodeSettings, PrivacySettings
from bodyseg_ros.ros.nodes.privacy_camera import PrivacyCameraNode
from bodyseg_ros.settings import ModelSettings, Settings


class Counts:
    """How often each card file was read, a card chosen, and each settings class built."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cards: Counter[str] = Counter()
        self.built: Counter[str] = Counter()
        self.choices = 0
        read_card, choose_card, build = card.read_card, planning.choose_card, Settings.__init__

        def read(path: Path) -> Card:
            self.cards[path.name] += 1
            return read_card(path)

        def choose(settings: ModelSettings) -> Card:
            self.choices += 1
            return choose_card(settings)

        def built(settings: Settings, **values: Any) -> None:
            self.built[type(settings).__name__] += 1
            build(settings, **values)

        monkeypatch.setattr(card, "read_card", read)
        monkeypatch.setattr(planning, "choose_card", choose)
        monkeypatch.setattr(Settings, "__init__", built)

    def clear(self) -> None:
        self.cards.clear()
        self.built.clear()
        self.choices = 0


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    monkeypatch.delenv("BODYSEG_MODEL_PATH", raising=False)
    return Counts(monkeypatch)


def start_node(node: Callable[[FakeGraph], Any], *parameters: str) -> tuple[FakeGraph, Any]:
    words = [word for text in parameters for word in ("-p", text)]
    graph = FakeGraph("bodyseg", arguments=["--ros-args", *words])
    started = node(graph)
    started.configure()
    return graph, started


@pytest.mark.parametrize("engine", ["fake", "auto"])
def test_load_reads_one_card_and_builds_each_class_once(counts: Counts, engine: str) -> None:
    load(engine=engine, segmentation_threshold=0.5, refine={"grow_px": 1}, overlay={"opacity": 0.5}).close()
    assert counts.cards == {f"{SHIPPED_MODEL}.yaml": 1}
    assert counts.choices == 1
    assert {"ModelSettings", "BodyPixSettings", "RefineSettings", "OverlaySettings"} <= counts.built.keys()
    assert set(counts.built.values()) == {1}


def test_a_node_reads_one_card_and_builds_each_class_once(counts: Counts) -> None:
    graph, node = start_node(BodysegNode, "engine:=fake", "fake.people:=2", "overlay.opacity:=0.5", "refine.grow_px:=1")
    assert counts.cards == {f"{SHIPPED_MODEL}.yaml": 1}
    assert counts.choices == 1
    assert {"NodeSettings", "BodyPixSettings", "FakeSettings", "SkeletonSettings"} <= counts.built.keys()
    assert set(counts.built.values()) == {1}
    for changed, built in [
        ({"segmentation_threshold": 0.4}, {"BodyPixSettings": 1}),
        ({"overlay.opacity": 0.2}, {"OverlaySettings": 1}),
        ({"jpeg_quality": 50, "refine.grow_px": 2}, {"NodeSettings": 1, "RefineSettings": 1}),
    ]:
        counts.clear()
        graph.set_parameters(changed)
        assert counts.built == built
        assert (counts.cards, counts.choices) == ({}, 0)
    node.cleanup()


@pytest.mark.parametrize("named", ["recognized", "unknown"])
def test_where_all_cards_are_asked_each_is_read_once(counts: Counts, tmp_path: Path, named: str) -> None:
    if named == "recognized":
        shipped = shipped_folder() / SHIPPED_MODEL / "model-stride16.tflite"
        values = {"model_path": str(shutil.copy(shipped, tmp_path / "mine.tflite"))}
    else:
        values = {"network": "background"}
    plan = make_plan(values, NodeSettings)
    assert plan.card.name in (SHIPPED_MODEL, "mine.tflite", "background")
    assert set(counts.cards.values()) == {1}
    assert counts.choices == 1


def test_the_privacy_camera_too(counts: Counts) -> None:
    _, node = start_node(PrivacyCameraNode, "engine:=fake", "effects:=[pixelate]")
    node._loaded()
    assert counts.cards == {f"{SHIPPED_MODEL}.yaml": 1}
    assert counts.choices == 1
    assert {"PrivacySettings", "BodyPixSettings", "FakeSettings", "PixelateSettings"} <= counts.built.keys()
    assert set(counts.built.values()) == {1}
    node.cleanup()


def test_what_parameters_leave_out_has_its_default() -> None:
    plan = make_plan({}, NodeSettings)
    assert plan.card.name == SHIPPED_MODEL
    assert plan.own == NodeSettings()
    assert (plan.engines, plan.effects) == ({}, {})


def test_the_owners_default_counts_for_a_parameter_of_the_same_name() -> None:
    """Or the privacy camera would look for people as carelessly as the node bodyseg."""
    plan = make_plan({}, PrivacySettings)
    assert plan.network.segmentation_threshold == plan.own.segmentation_threshold == 0.3  # type: ignore[attr-defined]
    assert plan.network.internal_resolution == plan.own.internal_resolution == "high"  # type: ignore[attr-defined]
    declared = {parameter.name: parameter.default for parameter in plan.parameters}
    assert (declared["segmentation_threshold"], declared["internal_resolution"]) == (0.3, "high")
    plan = make_plan({"segmentation_threshold": 0.4}, PrivacySettings)
    assert plan.network.segmentation_threshold == plan.own.segmentation_threshold == 0.4  # type: ignore[attr-defined]


def test_a_change_leaves_what_it_does_not_touch() -> None:
    plan = make_plan({"overlay.opacity": 0.5, "effects": ["mirror"]}, NodeSettings)
    changed = plan.changed({"segmentation_threshold": 0.4, "skeleton.min_score": 0.2})
    assert changed.network.segmentation_threshold == 0.4  # type: ignore[attr-defined]
    assert changed.effects["skeleton"].min_score == 0.2  # type: ignore[attr-defined]
    assert changed.own is plan.own
    assert changed.refine is plan.refine
    assert changed.effects["overlay"] is plan.effects["overlay"]
    assert plan.network.segmentation_threshold == 0.7  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"output_stride": 8}, "output_stride is read when the model is loaded"),
        ({"engine": "fake"}, "engine is read when"),
        ({"litert.delegate": "x.so"}, "litert.delegate is read when"),
        ({"cameras": ["front"]}, "cameras is read when"),
        ({"segmentation_treshold": 0.5}, "'segmentation_treshold'.* Did you mean segmentation_threshold"),
        ({"overlay.opacite": 0.5}, "'overlay.opacite'.* Did you mean overlay.opacity"),
        ({"segmentation_threshold": 2}, "segmentation_threshold is 2, .*from 0 to 1"),
    ],
)
def test_a_change_that_cannot_be(values: dict[str, Any], said: str) -> None:
    plan: Plan[NodeSettings] = make_plan({}, NodeSettings)
    with pytest.raises(SettingsError, match=said):
        plan.changed(values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"segmentation_treshold": 0.5}, "'segmentation_treshold'.* Did you mean segmentation_threshold"),
        ({"max_poses": 2}, f"{SHIPPED_MODEL} has no parameter 'max_poses'"),
        ({"tensorflo.device": "cpu"}, "'tensorflo.device'.* Did you mean tensorflow.device"),
        ({"tensorflow.devise": "cpu"}, "'tensorflow.devise'.* Did you mean tensorflow.device"),
        ({"overlay.opacity": 3}, "overlay.opacity is 3"),
        ({"tensorflow": "cpu"}, "no parameter 'tensorflow'"),
        ({"output_stride": 5}, "output_stride is 5"),
    ],
)
def test_what_no_plan_can_be_made_of(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        make_plan(values, NodeSettings)


def test_configure_tells_what_is_read_at_start_from_what_there_is_not() -> None:
    with load(engine="fake") as model:
        model.configure(segmentation_threshold=0.4, refine={"grow_px": 2})
        assert model.network.settings.segmentation_threshold == 0.4
        assert model.refiner.settings.grow_px == 2
        with pytest.raises(SettingsError, match="output_stride is read when.*load it again"):
            model.configure(output_stride=8)
        with pytest.raises(SettingsError, match="'output_strid'.*output_stride"):
            model.configure(output_strid=8)
        with pytest.raises(SettingsError, match=r"refine.grow_px is 1000"):
            model.configure(segmentation_threshold=0.2, refine={"grow_px": 1000})
        assert model.network.settings.segmentation_threshold == 0.4


def test_a_card_has_its_own_defaults() -> None:
    """The 2018 BodyPix documents a threshold of 0.5, that of 2019 one of 0.7."""
    plan = make_plan({"model": "bodypix-v1-mobilenet-075"}, Settings)
    assert plan.network.model_dump()["segmentation_threshold"] == 0.5
    assert {one.name: one.default for one in plan.parameters}["segmentation_threshold"] == 0.5
    given = make_plan({"model": "bodypix-v1-mobilenet-075", "segmentation_threshold": 0.6}, Settings)
    assert given.network.model_dump()["segmentation_threshold"] == 0.6
    assert make_plan({"model": "bodypix-mobilenet-075"}, Settings).network.model_dump()["segmentation_threshold"] == 0.7


def test_a_card_s_default_of_no_parameter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (shipped_folder() / "bodypix-v1-mobilenet-075.yaml").read_text()
    (tmp_path / "bodypix-v1-mobilenet-075.yaml").write_text(text.replace("segmentation_threshold", "opacity"))
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(tmp_path))
    with pytest.raises(ModelFileError, match="has a default for 'opacity', but its network has the parameters"):
        make_plan({"model": "bodypix-v1-mobilenet-075"}, Settings)


def test_the_values_are_those_given_and_make_the_same_plan() -> None:
    given = {
        "segmentation_threshold": 0.25,
        "threads": 3,
        "tracker": "none",
        "refine.grow_px": 2,
        "smoothing.min_cutoff": 0.75,
        "events.hold_s": 2.5,
        "overlay.opacity": 0.125,
        "kalman.memory": 3.0,
    }
    known = {parameter.name: parameter for parameter in make_plan({}, Settings).parameters}
    plan = make_plan(given, Settings)
    assert plan.values.keys() == known.keys()
    differing = {name: value for name, value in plan.values.items() if value != known[name].default}
    assert differing == given
    assert make_plan(plan.values, Settings).values == plan.values
