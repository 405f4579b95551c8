"""OpenVINO's own files, as it writes them and as they should not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from bodyseg_ros.errors import ModelFileError
from bodyseg_ros.formats import TensorFacts, describe, detect

LAYERS = """
<layer id="0" name="p" type="Parameter"><output><port precision="FP32" names="picture"><dim>1</dim><dim>3</dim>
<dim>-1</dim><dim>-1</dim></port></output></layer>
<layer id="1" name="weights" type="Const"/><layer id="2" name="c" type="Convolution"/>
<layer id="3" name="r" type="Result" output_names="mask,alias"><input><port precision="U8"><dim>1</dim><dim>2</dim>
<dim>64</dim><dim>64</dim></port></input></layer>"""


def write(folder: Path, text: str) -> Path:
    path = folder / "drawn.xml"
    path.write_text(text)
    return path


def test_inputs_outputs_and_ops(tmp_path: Path) -> None:
    facts = describe(detect(write(tmp_path, f"<net><layers>{LAYERS}</layers></net>"), 16))
    assert facts.inputs == (TensorFacts("picture", "float32", (1, 3, None, None)),)
    assert facts.outputs == (TensorFacts("alias", "uint8", (1, 2, 64, 64)),)
    assert facts.ops == {"Parameter": 1, "Convolution": 1}


def test_what_openvino_itself_writes(tmp_path: Path, shared: Path) -> None:
    openvino = pytest.importorskip("openvino")
    source = shared / "models/portrait/prisma_nchw.onnx"
    openvino.save_model(openvino.convert_model(source), tmp_path / "prisma.xml")
    written, original = describe(detect(tmp_path / "prisma.xml", 16)), describe(detect(source, 16))
    assert [tensor.name for tensor in written.inputs + written.outputs] == ["input_3", "permute_2"]
    assert written.inputs[0].shape[1:] == original.inputs[0].shape[1:] == (3, 256, 256)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "drawn.xml' is no OpenVINO model, or it is damaged: no element found"),
        ("<net><layers>", "is damaged: no element found"),
        ("<html/>", "is no OpenVINO model: it states no inputs or no outputs"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><net/>', "is damaged: it holds XML declarations"),
        ('<net><layers><layer name="p" type="Parameter"/></layers></net>', "the layer 'p' has no output"),
        (f"<net><layers>{LAYERS.replace('64', 'x')}</layers></net>", "invalid literal for int"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        describe(detect(write(tmp_path, text), 16))
