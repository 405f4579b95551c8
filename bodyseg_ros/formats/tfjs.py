"""TensorFlow.js GraphModels: a graph, and weights in shards beside it.

v2 is model.json (topology, manifest) + shards; v1 (2018) is tensorflowjs_model.pb + weights_manifest.json + shards.
Format and de-quantization: tfjs-core 2.8 ``src/io/types.ts`` and ``src/io/io_utils.ts`` (decodeWeights).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, FiniteFloat, TypeAdapter, ValidationError

from ..errors import ModelFileError
from .graphdef import GraphFile, parse_graph
from .model_source import MAX_MODEL_BYTES, check_regular, read_file
from .runtime import first_line, load_tensorflow

__all__ = ["read_graph_model", "read_graph_model_v1", "read_weights"]

#: A topology is text; more than this is not one.
_MAX_JSON_BYTES: Final = 64 * 2**20
#: Magic bytes of gzip (RFC 1952).
_GZIP: Final = b"\x1f\x8b"
_STORED: Final = {"float32": "<f4", "int32": "<i4", "bool": "u1", "uint8": "u1", "uint16": "<u2", "float16": "<f2"}


class _Quantization(BaseModel):
    dtype: Literal["uint8", "uint16", "float16"]
    scale: FiniteFloat = 1.0
    min: FiniteFloat = 0.0


class _Weight(BaseModel):
    name: str
    shape: Annotated[tuple[Annotated[int, Field(strict=True, ge=0, lt=2**31)], ...], Field(max_length=8)]
    dtype: Literal["float32", "int32", "bool", "string"]
    quantization: _Quantization | None = None

    @property
    def stored(self) -> np.dtype[Any]:
        return np.dtype(_STORED[self.quantization.dtype if self.quantization else self.dtype])

    @property
    def nbytes(self) -> int:
        """Bytes in the shards; for strings at least that many, as each has its length before it."""
        return math.prod(self.shape) * (4 if self.dtype == "string" else self.stored.itemsize)


class _Group(BaseModel):
    paths: list[str]
    weights: list[_Weight]


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Read the weights of a model.json or weights_manifest.json by name: float32, int32, bool, or bytes objects.

    Quantized weights are returned dequantized: q·scale + min, rounded for int32. Shards must be in the file's folder
    and have exactly the declared number of bytes. Raises ModelFileError.
    """
    content = _read_json(path)
    manifest = content.get("weightsManifest") if isinstance(content, dict) else content
    groups = _manifest(manifest, path)
    weights: dict[str, NDArray[Any]] = {}
    _check_total(groups, path)
    for group in groups:
        data = _shards(group, path)
        offset = 0
        for weight in group.weights:
            if weight.name in weights:
                raise ModelFileError(f"The manifest of {str(path)!r} has the weight {weight.name!r} twice.")
            weights[weight.name], offset = _decode(weight, data, offset, path)
        if offset != len(data):
            raise _wrong_size(group, path, offset, len(data))
    return weights


def read_graph_model(path: Path) -> GraphFile:
    """A model.json with its weights in place, and the input and outputs of its signature, if it has one."""
    content = _read_json(path)
    topology = content.get("modelTopology") if isinstance(content, dict) else None
    if not isinstance(topology, dict) or "node" not in topology:
        raise ModelFileError(
            f"{str(path)!r} is not a tfjs GraphModel: it has no modelTopology with nodes. "
            "A layers-model must be converted to a graph-model first."
        )
    tf = load_tensorflow()
    from google.protobuf import json_format

    graph = tf.compat.v1.GraphDef()
    try:
        json_format.ParseDict(topology, graph, ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as err:
        raise ModelFileError(f"The modelTopology of {str(path)!r} is not a graph: {first_line(err)}.") from err
    _fill(graph, read_weights(path), path)
    return GraphFile(path, graph, *_signature(content, path))


def read_graph_model_v1(path: Path) -> GraphFile:
    """A tensorflowjs_model.pb with the weights of the weights_manifest.json beside it."""
    graph = parse_graph(path)
    _fill(graph, read_weights(path.with_name("weights_manifest.json")), path)
    return GraphFile(path, graph)


def _read_json(path: Path) -> Any:
    data = read_file(path, _MAX_JSON_BYTES)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as err:
        raise ModelFileError(f"The model file {str(path)!r} is not valid JSON: {err}.") from err


def _manifest(manifest: Any, path: Path) -> list[_Group]:
    try:
        return TypeAdapter(list[_Group]).validate_python(manifest)
    except ValidationError as err:
        problem = err.errors()[0]
        named = ""
        if problem["loc"][1:2] == ("weights",) and len(problem["loc"]) > 3:
            weight = manifest[problem["loc"][0]]["weights"][problem["loc"][2]]
            named = f" of the weight {weight.get('name')!r}"
        where = ".".join(str(key) for key in problem["loc"]) or "weightsManifest"
        raise ModelFileError(
            f"The weights manifest of {str(path)!r} is damaged at {where}{named}: {problem['msg']}, "
            f"but it is {str(problem['input'])[:60]!r}."
        ) from err


def _check_total(groups: list[_Group], path: Path) -> None:
    """Refuse weights that are too large, as they are declared, before one byte of them is read."""
    total = sum(max(weight.nbytes, 4 * math.prod(weight.shape)) for group in groups for weight in group.weights)
    if total > MAX_MODEL_BYTES:
        raise ModelFileError(
            f"The manifest of {str(path)!r} declares {total:,} bytes of weights; at most {MAX_MODEL_BYTES:,} are read."
        )


def _shards(group: _Group, path: Path) -> bytes:
    """The bytes of a group, once the sizes of its files are known to fit."""
    files = []
    for name in group.paths:
        # A name may not lead out of the folder; a link may, as in huggingface_hub's cache, to a regular file.
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ModelFileError(f"The shard {name!r} of {str(path)!r} is outside the model's folder; it is not read.")
        file = path.parent / name
        try:
            file.lstat()
        except (FileNotFoundError, NotADirectoryError) as err:
            raise ModelFileError(f"The shard {name!r} of {str(path)!r} is missing; download the model again.") from err
        except (OSError, ValueError) as err:
            raise ModelFileError(f"The shard {name[:80]!r} of {str(path)!r} is not a file name: {err}.") from err
        check_regular(file)
        files.append(file)
    declared = sum(weight.nbytes for weight in group.weights)
    have = sum(file.stat().st_size for file in files)
    strings = any(weight.dtype == "string" for weight in group.weights)
    if have < declared or have > (MAX_MODEL_BYTES if strings else declared):
        _refuse_gzip(files)
        raise _wrong_size(group, path, declared, have)
    return b"".join(read_file(file) for file in files)


def _refuse_gzip(files: Sequence[Path]) -> None:
    for file in files:
        with file.open("rb") as data:
            if data.read(2) == _GZIP:
                raise ModelFileError(
                    f"The shard {str(file)!r} is compressed with gzip, as some servers send it. Unpack it: "
                    f"mv {file.name} {file.name}.gz && gunzip {file.name}.gz"
                )


def _wrong_size(group: _Group, path: Path, declared: int, have: int) -> ModelFileError:
    return ModelFileError(
        f"The shards {', '.join(group.paths)} of {str(path)!r} hold {have:,} bytes, but the manifest declares "
        f"{declared:,} for {len(group.weights)} weights. They are truncated or from another model; download them again."
    )


def _decode(weight: _Weight, data: bytes, offset: int, path: Path) -> tuple[NDArray[Any], int]:
    """Read one weight from its group's bytes; also return the next offset."""
    if weight.dtype == "string":
        return _decode_strings(weight, data, offset, path)
    end = offset + weight.nbytes
    if end > len(data):
        raise ModelFileError(f"The weight {weight.name!r} of {str(path)!r} is truncated.")
    values: NDArray[Any] = np.frombuffer(memoryview(data)[offset:end], weight.stored)
    if weight.quantization and weight.quantization.dtype != "float16":
        values = values * np.float64(weight.quantization.scale) + weight.quantization.min
        if weight.dtype == "int32":
            values = np.floor(values + 0.5)  # JavaScript's Math.round
            if not (np.abs(values) < 2**31).all():
                raise ModelFileError(f"The weight {weight.name!r} of {str(path)!r} has numbers that are not int32.")
    with np.errstate(over="ignore"):
        return values.astype(weight.dtype).reshape(weight.shape), end


def _decode_strings(weight: _Weight, data: bytes, offset: int, path: Path) -> tuple[NDArray[Any], int]:
    """Strings: for each a uint32 length, then its bytes."""
    strings: list[bytes] = []
    for _ in range(math.prod(weight.shape)):
        end = offset + 4
        if end <= len(data):
            end += struct.unpack_from("<I", data, offset)[0]
        if end > len(data):
            raise ModelFileError(f"The weight {weight.name!r} of {str(path)!r} is truncated at string {len(strings)}.")
        strings.append(data[offset + 4 : end])
        offset = end
    return np.array(strings, object).reshape(weight.shape), offset


def _fill(graph: Any, weights: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Put each weight into the Const node of its name, which must declare the same dtype and shape."""
    tf = load_tensorflow()
    for node in graph.node:
        if node.op != "Const":
            continue
        declared = node.attr["value"].tensor
        if node.name not in weights:
            # Small constants may be stored in the graph itself, in any field but dtype, shape and version.
            if not any(field.number > 3 for field, _ in declared.ListFields()):
                raise ModelFileError(f"The tensor {node.name!r} of {str(path)!r} is not among its weights.")
            continue
        have = weights[node.name]
        shape = tuple(dim.size for dim in declared.tensor_shape.dim)
        have = _widened(have, tf.as_dtype(node.attr["dtype"].type or tf.float32))
        dtype = tf.string if have.dtype == object else tf.as_dtype(have.dtype)
        if shape != have.shape or node.attr["dtype"].type != dtype.as_datatype_enum:
            raise ModelFileError(
                f"The tensor {node.name!r} of {str(path)!r} is {dtype.name} {have.shape} in the weights manifest, but "
                f"the graph declares {str(node.attr['dtype']).strip()} {shape}."
            )
        declared.CopyFrom(tf.make_tensor_proto(have, dtype, have.shape))


def _widened(values: NDArray[Any], wanted: Any) -> NDArray[Any]:
    """Convert a weight to the graph's dtype if that is lossless: tfjs stores int64 as int32."""
    if values.dtype == object or not (wanted.is_integer or wanted.is_floating):
        return values
    return values.astype(wanted.as_numpy_dtype) if np.can_cast(values.dtype, wanted.as_numpy_dtype, "safe") else values


def _signature(content: Mapping[str, Any], path: Path) -> tuple[str, dict[str, str]]:
    """(input tensor or '', outputs by name) of a model.json's signature; both empty without a signature."""
    metadata = content.get("userDefinedMetadata")
    signature = content.get("signature") or (metadata.get("signature") if isinstance(metadata, dict) else None) or {}
    try:
        inputs = [entry["name"] for entry in signature.get("inputs", {}).values()]
        outputs = {key: entry["name"] for key, entry in signature.get("outputs", {}).items()}
        if not all(isinstance(name, str) for name in [*inputs, *outputs.values()]):
            raise TypeError("a tensor's name is not a string")
    except (AttributeError, KeyError, TypeError) as err:
        raise ModelFileError(f"The signature of {str(path)!r} is damaged: {err}.") from err
    return inputs[0] if len(inputs) == 1 else "", outputs
