"""Everything that decides the outcome of a training run, read from one YAML file. Needs no Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..catalog import Preprocessing, load_card
from ..errors import SettingsError
from ..yaml_reader import read_yaml_file
from .frames import Augmentation
from .photo_folders import PhotoFolder

Backbone = Literal["mobilenet", "resnet50"]
CONFIG_NAME = "train.yaml"
"""The configuration's name in a run's folder, where a copy of it is kept."""


class LossWeights(BaseModel):
    """How much each head counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segments: float = Field(12.0, description="Person cross-entropy, mean over positions.")
    parts: float = Field(0.15, description="Sum of the 24 parts' cross-entropies, mean over person positions.")
    heatmaps: float = Field(0.7, description="Sum of the 17 keypoints' cross-entropies, mean over positions.")
    short_offsets: float = Field(0.3, description="Huber, 16 px units, near keypoints.")
    displacements: float = Field(0.15, description="Huber, 32 px units, near the edge's source keypoint.")
    long_offsets: float = Field(0.1, description="Huber, 64 px units, inside people.")


class Stage(BaseModel):
    """A stretch of the run with one frame size; the learning rate goes linearly from its first value to its last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(ge=1, description="Optimiser steps.")
    size: int = Field(161, ge=33, description="Frame side, network px: a multiple of 16 plus 1.")
    batch: int = Field(32, ge=1, description="Frames per step.")
    learning_rate: tuple[float, float] = Field((2e-3, 2e-3), description="At the stage's start and at its end.")

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
    teacher: str = Field("", description="Card or model file whose outputs are labels; '' for annotations alone.")
    teacher_stride: Literal[8, 16, 32] = Field(8, description="The teacher's output stride.")
    teacher_long_sides: list[int] = Field([481, 289], min_length=1, description="Photo sizes the teacher sees, px.")
    cache: Path = Field(Path("cache"), description="Folder of the teacher's labels.")
    output: Path = Field(Path("run"), description="Folder of checkpoints, logs and sheets.")
    backbone: Backbone = Field("mobilenet", description="The network's trunk.")
    multiplier: float = Field(0.5, ge=0.25, le=1, description="Width of the trunk; BodyPix's ResNet50 has 1.")
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
        """Give the stage and the learning rate of a step."""
        start = 0
        for stage in self.stages:
            if step < start + stage.steps:
                first, last = stage.learning_rate
                rate = first + (last - first) * (step - start) / stage.steps
                return stage, rate * min(1.0, (step + 1) / max(1, self.warmup))
            start += stage.steps
        raise SettingsError(f"step {step!r} is past the run's {self.steps} steps")


def preprocessing_of(backbone: Backbone) -> Preprocessing:
    """How a picture goes into a trunk: as into BodyPix's of the same kind."""
    return load_card("bodypix-resnet50" if backbone == "resnet50" else "bodypix-mobilenet-050").preprocessing


def read_settings(path: Path) -> TrainSettings:
    """Read a run's YAML; its relative paths are relative to the file. Raises SettingsError."""
    content = read_yaml_file(path, "training configuration", SettingsError)
    try:
        settings = TrainSettings.model_validate(content)
    except ValidationError as err:
        raise SettingsError(f"The training configuration {str(path)!r} is not valid: {_sentences(err)}") from err
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
    return str(base / name) if "/" in name else name


def write_settings(settings: TrainSettings, path: Path) -> None:
    """Write what read_settings gives back, all values spelled out, relative paths made absolute."""
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def _sentences(err: ValidationError) -> str:
    """What pydantic found, a sentence per field."""
    words = {"missing": "is missing", "extra_forbidden": "is no field of a configuration; look for a typing mistake"}
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
