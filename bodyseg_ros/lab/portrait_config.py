"""All settings of a run that trains a portrait network, read from one YAML file. Does not need Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import SettingsError
from ..yaml_reader import read_yaml_file
from .photo_folders import PhotoFolder
from .train_config import read_configuration

PortraitNetwork = Literal["mobile_unet", "prisma_net", "portrait_net", "slim_net"]
Encoder = Literal["mobilenet_v2", "mobilenet_v3"]
Decoder = Literal["transposed", "bilinear"]
WITH_ENCODER: Final[tuple[PortraitNetwork, ...]] = ("mobile_unet", "portrait_net")
"""Networks with a MobileNet as encoder, which can be frozen."""
LARGEST_STRIDE: Final = 32


class PortraitLosses(BaseModel):
    """How much each loss counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mask: float = Field(1.0, gt=0, description="Binary cross-entropy of the mask, mean over pixels.")
    boundary: float = Field(
        0.0, ge=0, description="Focal loss of a second head that sees the mask's border; 0: no such head."
    )
    consistency: float = Field(
        0.0, ge=0, description="Divergence between the masks of a picture and of its copy with another texture."
    )


class PortraitAugmentation(BaseModel):
    """How training frames differ from photos."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zoom: tuple[float, float] = Field((0.8, 1.6), description="Photo's size relative to the frame, log-uniform.")
    shift: float = Field(0.15, ge=0, le=1, description="Largest shift, a share of the frame.")
    turn_degrees: float = Field(10, ge=0, le=180, description="Largest rotation.")
    mirror: float = Field(0.5, ge=0, le=1, description="Probability of a left-right flip.")
    texture: bool = Field(False, description="Add a copy of each frame with other light, color, sharpness and noise.")


class Priors(BaseModel):
    """What the fourth channel, the mask of the frame before, holds in training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    empty: float = Field(0.3, ge=0, le=1, description="Probability of an empty mask, as in a first frame.")
    move: float = Field(0.08, ge=0, le=1, description="Largest shift of the true mask, a share of the frame.")
    turn_degrees: float = Field(8, ge=0, le=180, description="Largest rotation of the true mask.")
    zoom: float = Field(0.1, ge=0, le=0.5, description="Largest change of its size.")


class Plateau(BaseModel):
    """The learning rate falls where validations bring no gain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patience: int = Field(3, ge=1, description="Validations without a gain before the rate falls.")
    factor: float = Field(0.5, gt=0, lt=1, description="What it is multiplied by.")
    least: float = Field(1e-5, gt=0, description="It never falls below this.")


class PortraitStage(BaseModel):
    """One stage of a run, with an optimizer of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(ge=1, description="Optimizer steps.")
    batch: int = Field(16, ge=1, description="Frames per step, without their copies.")
    learning_rate: float = Field(2e-3, gt=0, description="Adam's, until the plateau.")
    train: Literal["all", "decoder"] = Field("all", description="decoder: the encoder is frozen.")
    quantize: bool = Field(
        False, description="Fold the batch norms, and round weights and activations to 8 bits in training."
    )


class PortraitRun(BaseModel):
    """One run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: PortraitNetwork = Field(description="What is trained.")
    encoder: Encoder = Field("mobilenet_v2", description="Encoder of mobile_unet and portrait_net.")
    decoder: Decoder = Field("bilinear", description="How mobile_unet enlarges: transposed convolutions or bilinear.")
    size: int = Field(128, ge=32, le=1024, description="Side of the square input, px; a multiple of 32.")
    width: float = Field(0.5, gt=0, le=2, description="Channels relative to the published network.")
    folders: list[PhotoFolder] = Field(description="Photos and their masks.")
    held_out: float = Field(0.1, ge=0, lt=1, description="Share of photos to validate on, by hash of the name.")
    start: str = Field("", description="Run's folder or checkpoint whose weights the run begins with; '' for random.")
    output: Path = Field(Path("run"), description="Folder of checkpoint, log and sheet.")
    stages: list[PortraitStage] = Field(min_length=1, description="The run, stage by stage.")
    losses: PortraitLosses = Field(PortraitLosses(), description="How much each loss counts.")
    augmentation: PortraitAugmentation = Field(PortraitAugmentation(), description="How frames differ from photos.")
    previous_mask: Priors | None = Field(None, description="The mask before as a fourth channel; null: three channels.")
    plateau: Plateau | None = Field(None, description="When the learning rate falls; null: never.")
    validate_every: int = Field(100, ge=1, description="Steps between validations and log lines.")
    checkpoint_every: int = Field(100, ge=1, description="Steps between checkpoints.")
    seed: int = Field(1, ge=0, description="Of weights and frames.")

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def copies(self) -> bool:
        """Whether each frame comes with its texture-changed copy."""
        return self.augmentation.texture or self.losses.consistency > 0

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return 3 if self.previous_mask is None else 4

    def at(self, step: int) -> PortraitStage:
        """Return the stage of a step, counted from 0."""
        left = step
        for stage in self.stages:
            if left < stage.steps:
                return stage
            left -= stage.steps
        raise SettingsError(f"step {step!r} is past the run's {self.steps} steps")

    @model_validator(mode="after")
    def _fits_together(self) -> PortraitRun:
        if self.size % LARGEST_STRIDE:
            raise ValueError(f"size is {self.size!r}, but it must be a multiple of {LARGEST_STRIDE}, such as 128")
        given = self.model_fields_set
        if "encoder" in given and self.network not in WITH_ENCODER:
            raise ValueError(f"encoder is {self.encoder!r}, but only {' and '.join(WITH_ENCODER)} have one: remove it")
        if "decoder" in given and self.network != "mobile_unet":
            raise ValueError(f"decoder is {self.decoder!r}, but only mobile_unet has the choice: remove it")
        quantized = False
        for number, stage in enumerate(self.stages, 1):
            if stage.train == "decoder" and self.network not in WITH_ENCODER:
                raise ValueError(f"stage {number} freezes the encoder, but {self.network} has none: set train: all")
            if quantized and not stage.quantize:
                raise ValueError(f"stage {number} follows a quantized one, whose batch norms are gone: set quantize")
            quantized = stage.quantize
        return self


def is_portrait_run(path: Path) -> bool:
    """Whether a configuration trains a portrait network: it names one. Raises SettingsError for no YAML."""
    content = read_yaml_file(path, "training configuration", SettingsError)
    return isinstance(content, dict) and "network" in content


def read_portrait_run(path: Path) -> PortraitRun:
    """Read a run's YAML; its relative paths are relative to the file. Raises SettingsError."""
    run = read_configuration(path, PortraitRun)
    base = path.absolute().parent
    rooted = {"folders": [folder.rooted(base) for folder in run.folders], "output": base / run.output}
    return run.model_copy(update=rooted | {"start": str((base / run.start).resolve()) if run.start else ""})


def write_portrait_run(run: PortraitRun, path: Path) -> None:
    """Write what read_portrait_run gives back, without the choices that the network does not have."""
    values = run.model_dump(mode="json")
    if run.network not in WITH_ENCODER:
        del values["encoder"]
    if run.network != "mobile_unet":
        del values["decoder"]
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
