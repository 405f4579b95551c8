"""The published weights against the reference's own tensors, and against each other."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bodyseg_ros.formats import ModelSource, detect, open_model
from golden import Case, bodypix_cases, load_case

from .tiny import tf

HEADS = {name: f"float_{name}" for name in ("segments", "part_heatmaps", "heatmaps", "short_offsets", "long_offsets")}
HEADS |= {f"displacement_{way}": f"MobilenetV1/displacement_{way}_2/BiasAdd" for way in ("fwd", "bwd")}


def run(source: ModelSource, picture: np.ndarray) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in open_model(source).function(tf.constant(picture)).items()}


def asked(shared: Path, model: str, stride: int, outputs: dict[str, str]) -> ModelSource:
    found = detect(shared / "models" / model, stride)
    return ModelSource(found.path, found.format, "sub_2", outputs)


def sparrow(shared: Path, case: str = "default") -> Case:
    return load_case(shared, shared / f"golden/bodypix/sparrow_640x480/{case}.json")


def person_overlap(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.logical_and(first > 0, second > 0).sum() / np.logical_or(first > 0, second > 0).sum())


def test_bodypix_gives_the_references_tensors(shared: Path) -> None:
    cases = [case for case in bodypix_cases(shared) if "raw/net_input" in case]
    assert {case.stride for case in cases} == {8, 16}
    models = {stride: open_model(asked(shared, "bodypix_050_tfjs", stride, HEADS)) for stride in (8, 16)}
    for case in cases:
        outputs = models[case.stride].function(tf.constant(case["raw/net_input"]))
        for head, value in outputs.items():
            np.testing.assert_allclose(value.numpy(), case[f"raw/{head}"], atol=1e-3, rtol=0, err_msg=case.name)


@pytest.mark.parametrize(
    ("stride", "image", "name"), [(16, "sparrow_640x480", "r257"), (16, "fauxels_640x480", "r641x481")]
)
def test_posenet_gives_the_references_tensors(shared: Path, stride: int, image: str, name: str) -> None:
    outputs = {key: HEADS[key] for key in ("heatmaps", "short_offsets", "displacement_fwd", "displacement_bwd")}
    with np.load(shared / f"golden/posenet/{image}/{name}.npz") as arrays:
        picture = arrays["raw/resized"][None] / np.float32(127.5) - 1
        found = run(asked(shared, f"posenet_050_golden_tfjs_stride{stride}", stride, outputs), picture)
        scores = 1 / (1 + np.exp(-found["heatmaps"][0].astype(np.float64)))
        np.testing.assert_allclose(scores, arrays["raw/heatmap_scores"], atol=1e-4)
        for head, golden in (("short_offsets", "offsets"), ("displacement_fwd",) * 2, ("displacement_bwd",) * 2):
            np.testing.assert_allclose(found[head][0], arrays[f"raw/{golden}"], atol=1e-3)


def test_the_frozen_graph_is_the_same_network(shared: Path) -> None:
    picture = sparrow(shared, "low")["raw/net_input"]
    frozen = run(asked(shared, "bodypix_050_frozen_stride16.pb", 16, HEADS), picture)
    tfjs = run(asked(shared, "bodypix_050_tfjs", 16, HEADS), picture)
    for head, value in tfjs.items():
        np.testing.assert_allclose(frozen[head], value, atol=1e-4)


@pytest.mark.parametrize("stride", [8, 16])
def test_bodypix_075_sees_the_same_people(shared: Path, stride: int) -> None:
    picture = sparrow(shared, "s8_default")["raw/net_input"]
    larger = run(asked(shared, "bodypix_075_tfjs", stride, HEADS), picture)
    smaller = run(asked(shared, "bodypix_050_tfjs", stride, HEADS), picture)
    assert person_overlap(larger["segments"], smaller["segments"]) > 0.75


def test_bodypix_v1_sees_the_same_people(shared: Path) -> None:
    # The networks of 2018 see little in small pictures.
    photo = cv2.imread(str(shared / "golden/inputs/portrait_410x512.png"))[..., ::-1]
    picture = cv2.resize(photo, (401, 513)).astype(np.float32)[None] / 127.5 - 1
    model = open_model(detect(shared / "models/bodypix_v1_tfjs/model_50", 16))
    assert set(model.outputs) == {f"output_raw_{head}" for head in ("segments", "part_heatmaps", "heatmaps", "offsets")}
    old = model.function(tf.constant(picture))["output_raw_segments"].numpy()
    new = run(asked(shared, "bodypix_050_tfjs", 16, HEADS), picture)["segments"]
    assert person_overlap(old, new) > 0.7


def test_posenet_075_quantised_sees_the_same_people(shared: Path) -> None:
    picture = sparrow(shared, "s8_default")["raw/net_input"]
    found = run(detect(shared / "models/posenet_075_tfjs", 16), picture)["MobilenetV1/heatmap_2/BiasAdd"]
    bodypix = run(asked(shared, "bodypix_075_tfjs", 16, HEADS), picture)["heatmaps"]
    for person in (slice(0, 11), slice(11, 21)):  # one on either side
        ours, theirs = found[0, :, person, 0], bodypix[0, :, person, 0]  # noses
        assert abs(int(ours.argmax()) % ours.shape[1] - int(theirs.argmax()) % ours.shape[1]) <= 1


def test_deeplab_with_fused_ops_is_the_frozen_graph(shared: Path) -> None:
    picture = sparrow(shared).image[None, ::2, ::2]
    fused = run(detect(shared / "models/deeplab/tfjs", 16), picture)["SemanticPredictions"]
    frozen = run(detect(shared / "models/deeplab/deeplabv3_mnv2_dm05_pascal_frozen_inference_graph.pb", 16), picture)
    assert (fused == 15).mean() > 0.1
    assert (fused == frozen["SemanticPredictions"]).mean() > 0.999
