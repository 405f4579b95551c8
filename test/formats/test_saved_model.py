"""SavedModel folders: run, and refused where loading them would run something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.errors import ModelFileError
from bodyseg_ros.formats import ModelSource, detect, open_model

from .tiny import expected, random, tf, write_saved_model


def source(folder: Path) -> ModelSource:
    return ModelSource(folder, "saved_model")


def change_pb(folder: Path, change: Callable[[Any], None]) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    content = SavedModel()
    content.ParseFromString((folder / "saved_model.pb").read_bytes())
    change(content.meta_graphs[0])
    (folder / "saved_model.pb").write_bytes(content.SerializeToString())


def test_a_saved_model_runs(tmp_path: Path) -> None:
    found = detect(write_saved_model(tmp_path), 16)
    assert (found.format, found.path) == ("saved_model", tmp_path)
    model = open_model(found)
    assert model.outputs == {"features": (1, None, None, 4), "float_segments": (1, None, None, 1)}
    picture = random(1, 9, 13, 3)
    result = model.function(tf.constant(picture))
    np.testing.assert_allclose(result["float_segments"].numpy()[0], expected(picture), atol=1e-5)
    assert list(open_model(ModelSource(tmp_path, "saved_model", outputs={"s": "float_segments"})).outputs) == ["s"]


def writes_a_file(meta: Any) -> None:
    """Let the network's function write a file on the way."""
    body = next(item for item in meta.graph_def.library.function if any(n.op == "Conv2D" for n in item.node_def))
    body.node_def.add(name="spy", op="WriteFile")


def writes_at_loading(meta: Any) -> None:
    meta.graph_def.node.add(name="spy", op="SaveV2")
    next(node for node in meta.graph_def.node if node.name == meta.saver_def.restore_op_name).input.append("^spy")


def initializes(meta: Any) -> None:
    meta.graph_def.node.add(name="spy", op="ReadFile")
    meta.collection_def["saved_model_main_op"].node_list.value.append("spy")


def huge_constant(meta: Any) -> None:
    body = next(item for item in meta.graph_def.library.function if any(n.op == "Conv2D" for n in item.node_def))
    tensor = body.node_def.add(name="big", op="Const").attr["value"].tensor
    tensor.dtype = 1
    tensor.tensor_shape.dim.add(size=2**40)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (writes_a_file, r"The node 'spy' of '.*' has the op 'WriteFile'"),
        (writes_at_loading, r"The node 'spy' of '.*' has the op 'SaveV2'"),
        (initializes, r"The node 'spy' of '.*' has the op 'ReadFile'"),
        (huge_constant, r"The node 'big' of '.*' has a tensor of 1099511627776"),
        (
            lambda meta: meta.object_graph_def.nodes.add().asset.SetInParent(),
            r"an object of kind 'asset', which runs code",
        ),
        (lambda meta: meta.object_graph_def.nodes.add().resource.SetInParent(), r"an object of kind 'resource'"),
        (lambda meta: meta.signature_def.pop("serving_default"), r"has no signature 'serving_default'"),
        (lambda meta: meta.graph_def.ClearField("node"), r"refers to a node '\w+'"),
        (lambda meta: meta.object_graph_def.ClearField("nodes"), r"The SavedModel '.*' cannot be loaded"),
    ],
)
def test_a_hostile_saved_model_is_refused(tmp_path: Path, change: Callable[[Any], Any], message: str) -> None:
    write_saved_model(tmp_path)
    change_pb(tmp_path, change)
    with pytest.raises(ModelFileError, match=message):
        open_model(source(tmp_path))


def test_damaged_files(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "a")
    data = folder / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-40])
    with pytest.raises(ModelFileError, match=r"The SavedModel '.*' cannot be loaded: "):
        open_model(source(folder))
    (folder / "variables" / "variables.index").write_bytes(b"nonsense")
    with pytest.raises(ModelFileError, match=r"The SavedModel '.*' cannot be loaded: "):
        open_model(source(folder))
    (folder / "saved_model.pb").write_bytes(b"\xff\xff\xff")
    with pytest.raises(ModelFileError, match=r"saved_model.pb.*damaged"):
        open_model(source(folder))


def test_files_stay_in_the_folder(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "a")
    data = folder / "variables" / "variables.data-00000-of-00001"
    data.rename(tmp_path / "elsewhere")
    data.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelFileError, match=r"'variables.data-.*' .*folder"):
        open_model(source(folder))
