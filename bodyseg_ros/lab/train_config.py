"""All settings of a training run, read from one YAML file. Does not need Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..catalog import Preprocessing, load_card
from ..errors import SettingsError
from ..yaml_reader import read_yaml_file
from .frames import Augmentation
from .photo_folders import PhotoFolder

Backbone = Literal["mobilenet", "resnet50"]
Configuration = TypeVar("Configuration", bound=BaseModel)
LAST_BLOCK: Final = 13
"""MobileNetV1's blocks are numbered from 1, like its layers."""
CONFIG_NAME = "train.yaml"
"""Name of the configuration's copy in a run's folder."""


class LossWeights(BaseModel):
    """How much each head counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segments: float = Field(12.0, description="Person cross-entropy, mean over positions.")
    parts: float = Field(0.15, description="Sum of the 24 parts' cross-entropies, mean over person positions.")
    heatmaps: float = Field(0.7, description="Sum of the 17 keypoints' cross-entropies, mean over positions.")
    short_offsets: float = Field(0.3, description="Huber, 16 px units, near keypoints.")
    displacements: float = Field(0.15, description="Huber, 32 px units, near the edge's source keypoint.")
    long_offsets: float = Field(0.1, description="Huber, 64 px units, inside people.")
    part_choice: float = Field(0.0, description="Softmax cross-entropy of the 24 parts, mean over person positions.")
    start_pose: float = Field(
        0.0, description="How much the pose losses count once more, on what the frozen start itself sees."
    )


class HeadContext(BaseModel):
    """Layers before the person and part heads that widen their view: 1×1, depthwise, 1×1. A width of 0 omits them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segments: int = Field(96, ge=0, description="Width of the person head's layers.")
    part_heatmaps: int = Field(192, ge=0, description="Width of the part head's layers.")
    kernel: int = Field(5, ge=1, description="Side of the depthwise kernel, output positions at stride 16.")

    @property
    def widths(self) -> dict[str, int]:
        """Width by head."""
        return {"segments": self.segments, "part_heatmaps": self.part_heatmaps}


class Stage(BaseModel):
    """One stage of a run, with one frame size; the learning rate changes linearly from its first to its last value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(ge=1, description="Optimizer steps.")
    size: int = Field(161, ge=33, description="Frame side, network px: a multiple of 16 plus 1.")
    batch: int = Field(32, ge=1, description="Frames per step.")
    learning_rate: tuple[float, float] = Field((2e-3, 2e-3), description="At the stage's start and at its end.")
    train: Literal["all", "heads"] | int = Field(
        "all",
        description="What is trained: all, the heads that the start lacks, or all heads and MobileNet's blocks from "
        "this number, 1 to 13, on.",
    )
    frames: int = Field(
        0,
        ge=0,
        description="Make so many frames once, and keep what the frozen layers give for them in the cache; "
        "0: new frames at every step.",
    )
    midpoints: bool = Field(
        False, description="Train person and parts also halfway between output positions, as masks interpolate them."
    )
    pull: float = Field(0.0, ge=0, description="Decoupled decay of each weight's distance from the start.")
    head_rate: float = Field(1.0, ge=0, description="Learning rate of the heads that the start lacks, as a multiple.")

    @property
    def first_block(self) -> int:
        """The first of MobileNet's blocks that is trained; 14 where none is, 0 for all."""
        return {"all": 0, "heads": LAST_BLOCK + 1}[self.train] if isinstance(self.train, str) else self.train

    @field_validator("train")
    @classmethod
    def _is_a_block(cls, train: str | int) -> str | int:
        if isinstance(train, int) and not 1 <= train <= LAST_BLOCK:
            raise ValueError(f"train is {train!r}, but a block is a number from 1 to {LAST_BLOCK}")
        return train

    @field_validator("size")
    @classmethod
    def _on_the_grid(cls, size: int) -> int:
        if size % 16 != 1:
            raise ValueError(f"size is {size!r}, but it must be a multiple of 16 plus 1, such as {size // 16 * 16 + 1}")
        return size


class TrainSettings(BaseModel):
    """One run."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    folders: list[PhotoFolder] = Field(description="Photos to learn from.")
    held_out: float = Field(0.07, ge=0, lt=1, description="Share of photos to validate on, by hash of the name.")
    start: str = Field("", description="Card or model.json whose weights the run starts from; '' for random ones.")
    start_sha256: dict[str, str] = Field({}, description="Checksum of each of the start's files, by its name.")
    fetch: str = Field("", description="Where start and photos come from: said where one of them is missing.")
    teacher: str = Field("", description="Card or model file whose outputs are labels; '' for annotations alone.")
    teacher_stride: Literal[8, 16, 32] = Field(8, description="The teacher's output stride.")
    teacher_long_sides: list[int] = Field(
        [513, 641, 321],
        min_length=1,
        description="Photo sizes the teacher sees, px: parts and poses are the first one's, the person their mean.",
    )
    cache: Path = Field(Path("cache"), description="Folder of the teacher's labels.")
    output: Path = Field(Path("run"), description="Folder of checkpoints, logs and sheets.")
    backbone: Backbone = Field("mobilenet", description="The network's trunk.")
    multiplier: float = Field(0.5, ge=0.25, le=1, description="Width of the trunk; BodyPix's ResNet50 has 1.")
    context: HeadContext | None = Field(None, description="What person and part heads see; null: BodyPix's 1×1 heads.")
    near_start: bool = Field(
        False, description="Train the start's folded weights, each as a change in units of its channel's size."
    )
    change: float = Field(
        1.0, ge=0, le=1, description="Share of the change from the start that is exported, where near_start is set."
    )
    stages: list[Stage] = Field(min_length=1, description="The run, stage by stage.")
    warmup: int = Field(200, ge=0, description="Steps in which the learning rate rises from 0.")
    weight_decay: float = Field(1e-4, ge=0, description="AdamW's.")
    average: float = Field(0.99, ge=0, lt=1, description="Momentum of the weights' moving average, which is exported.")
    mixed_precision: bool = Field(False, description="Compute in float16, for GPUs.")
    augmentation: Augmentation = Field(Augmentation(), description="How frames differ from photos.")
    losses: LossWeights = Field(LossWeights(), description="How much each head counts.")
    validate_every: int = Field(250, ge=1, description="Steps between validations, log lines and sheets.")
    checkpoint_every: int = Field(100, ge=1, description="Steps between checkpoints.")
    patience: int = Field(0, ge=0, description="Stop after so many validations without a better one; 0: never.")
    seed: int = Field(1, ge=0, description="Of weights and frames.")

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def preprocessing(self) -> Preprocessing:
        """How a picture goes into the run's network."""
        return preprocessing_of(self.backbone)

    def at(self, step: int) -> tuple[Stage, float]:
        """Return the stage and the learning rate of a step."""
        start = warm = 0
        before: Stage | None = None
        for stage in self.stages:
            if before is not None and not same_optimizer(before, stage):
                warm = start
            if step < start + stage.steps:
                first, last = stage.learning_rate
                rate = first + (last - first) * (step - start) / stage.steps
                return stage, rate * min(1.0, (step - warm + 1) / max(1, self.warmup))
            start += stage.steps
            before = stage
        raise SettingsError(f"step {step!r} is past the run's {self.steps} steps")

    @model_validator(mode="after")
    def _fits_together(self) -> TrainSettings:
        if self.near_start and not self.start:
            raise ValueError("near_start is true, but there is no start: name one, or set near_start: false")
        frozen_from = LAST_BLOCK + 1
        for number, stage in enumerate(self.stages, 1):
            frozen_from = min(frozen_from, stage.first_block)
            if stage.first_block and not self.near_start:
                raise ValueError(f"stage {number} trains {stage.train!r}: layers are frozen where near_start is true")
            if stage.frames and stage.first_block > frozen_from:
                raise ValueError(
                    f"stage {number} reuses frozen layers' outputs, but an earlier stage changed the layers"
                )
            if stage.frames and not stage.first_block:
                raise ValueError(f"stage {number} keeps frames, but freezes nothing: set frames: 0, or train: heads")
        return self


def same_optimizer(one: Stage, other: Stage) -> bool:
    """Whether a stage continues with the optimizer of the one before."""
    return (one.train, one.pull, one.head_rate) == (other.train, other.pull, other.head_rate)


def preprocessing_of(backbone: Backbone) -> Preprocessing:
    """How a picture goes into a trunk: as into BodyPix's of the same kind."""
    return load_card("bodypix-resnet50" if backbone == "resnet50" else "bodypix-mobilenet-050").preprocessing


def read_configuration(path: Path, kind: type[Configuration]) -> Configuration:
    """Read and validate the YAML of one kind of training run. Raises SettingsError."""
    content = read_yaml_file(path, "training configuration", SettingsError)
    try:
        return kind.model_validate(content)
    except ValidationError as err:
        raise SettingsError(f"The training configuration {str(path)!r} is not valid: {_sentences(err)}") from err


def read_settings(path: Path) -> TrainSettings:
    """Read a run's YAML; its relative paths are relative to the file. Raises SettingsError."""
    settings = read_configuration(path, TrainSettings)
    base = path.absolute().parent
    return settings.model_copy(
        update={
            "folders": [folder.rooted(base) for folder in settings.folders],
            "start": _rooted_name(base, settings.start),
            "teacher": _rooted_name(base, settings.teacher),
            "cache": base / settings.cache,
            "output": base / settings.output,
        }
    )


def _rooted_name(base: Path, name: str) -> str:
    """A card's name as it stands, a file's path relative to the configuration."""
    return str((base / name).resolve()) if "/" in name else name


def write_settings(settings: TrainSettings, path: Path) -> None:
    """Write what read_settings gives back, all values spelled out, relative paths made absolute."""
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def _sentences(err: ValidationError) -> str:
    """What pydantic found, a sentence per field."""
    words = {"missing": "is missing", "extra_forbidden": "is not a field of a configuration; check its spelling"}
    sentences = []
    for problem in err.errors():
        name = ".".join(str(step) for step in problem["loc"]) or "its content"
        if problem["type"] in words:
            sentences.append(f"{name} {words[problem['type']]}.")
        elif problem["type"] == "value_error":
            sentences.append(f"{name}: {problem['ctx']['error']}.")
        else:
            sentences.append(
                f"{name} is {problem['input']!r}, but {problem['msg'].replace('Input should', 'it should')}."
            )
    return " ".join(sentences)
