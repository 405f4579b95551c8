"""All settings of a harmonization network's training, read from one YAML file. Does not need Keras."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from .harmony_composites import Tints
from .photo_folders import PhotoFolder
from .train_config import read_configuration

__all__ = ["HarmonySettings", "read_harmony_settings"]


class HarmonySettings(BaseModel):
    """One run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folders: list[PhotoFolder] = Field(description="Photos of people; those without a mask are masked by `masks_by`.")
    masks_by: str = Field("auto", description="Card of the network that finds people in photos without a mask.")
    held_out: float = Field(0.1, ge=0, lt=1, description="Share of photos to measure on, by hash of the name.")
    output: Path = Field(Path("harmony"), description="Folder of the network's file and the run's log.")
    crops: int = Field(24, ge=1, description="Composites per photo.")
    side: int = Field(64, ge=16, le=256, description="Height and width of the network's input, px.")
    unchanged: float = Field(0.4, ge=0, lt=1, description="Share of samples whose people fit already.")
    tints: Tints = Field(Tints(), description="How people and surroundings are recolored.")
    steps: int = Field(1500, ge=1, description="Optimizer steps.")
    batch: int = Field(256, ge=2, description="Samples per step.")
    learning_rate: float = Field(2e-3, gt=0, description="The highest; it rises over a tenth of the steps, then falls.")
    weight_decay: float = Field(1e-2, ge=0, description="AdamW's.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of hidden values that a training step leaves out.")
    seed: int = Field(1, ge=0, description="Of weights and composites.")


def read_harmony_settings(path: Path) -> HarmonySettings:
    """Read a run's YAML; its relative paths are relative to the file. Raises SettingsError."""
    settings = read_configuration(path, HarmonySettings)
    base = path.absolute().parent
    folders = [folder.rooted(base) for folder in settings.folders]
    return settings.model_copy(update={"folders": folders, "output": base / settings.output})
