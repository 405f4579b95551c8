"""Parameters of hiding people, with safe defaults instead of the network's own."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from ..errors import SettingsError
from ..plan import Plan
from ..settings import Settings, start_only

__all__ = ["HidingSettings", "LiveHidingSettings", "RecordingSettings", "refuse_blindness"]

#: Minimum network input with which people are hidden: 256×192.
_LEAST_INPUT_PX: Final = 49_152


class HidingSettings(Settings):
    """Shared by privacy cameras and recordings; includes the model parameters that decide how much is covered."""

    model: str = start_only("auto", "Name of a model card, or auto, as for the node bodyseg.")
    segmentation_threshold: float = start_only(
        0.3,
        "Pixels with a higher person probability are covered; above 0.9 almost nobody would be.",
        ge=0.0,
        le=0.9,
    )
    internal_resolution: Literal["low", "medium", "high", "full"] | Annotated[float, Field(ge=0.25, le=2.0)] = (
        start_only("high", "Network input size as a share of the image's sides, as for the node bodyseg.")
    )
    margin_px: int = start_only(24, "Margin around people that is covered as well.", ge=0, le=1000)
    max_gap: float = start_only(
        2.0,
        "Maximum time for which a person who is not detected any more is covered on their way, s. In a recording, or "
        "with delay_frames, the way to where they are detected again; else as if they went on.",
        ge=0.0,
        le=60.0,
    )


class LiveHidingSettings(HidingSettings):
    """The privacy camera."""

    hold_frames: int = start_only(
        10,
        "Number of frames that a pixel stays covered after a person was last detected there. The first image "
        "appears after the same number of frames.",
        ge=0,
        le=1000,
    )
    delay_frames: int = start_only(
        0,
        "Publish images so many frames late, so that where people are detected in later frames counts too, and their "
        "way between two detections is known. Each needs 8 bytes per pixel of memory.",
        ge=0,
        le=100,
    )


class RecordingSettings(HidingSettings):
    """`bodyseg anonymize`."""

    window_frames: int = start_only(
        10, "Number of frames before and after a detection in which its place is covered too.", ge=0, le=1000
    )
    jpeg_quality: int = start_only(95, "Quality of the JPEG pictures that are written.", ge=1, le=100)


def refuse_blindness(plan: Plan[Any]) -> None:
    """Raise SettingsError for parameters under which masks miss people or do not align with the image."""
    network = plan.network
    for name in ("guided_radius_px", "smoothing", "open_px", "grow_px"):
        value = getattr(plan.refine, name)
        if value < 0 or (value > 0 and name != "grow_px"):
            raise SettingsError(
                f"Parameter refine.{name} is {value!r}, but to hide people nothing may be taken off their masks; set "
                "it to 0."
            )
    input_px = getattr(network, "max_input_px", _LEAST_INPUT_PX)
    if input_px < _LEAST_INPUT_PX:
        raise SettingsError(
            f"Parameter max_input_px is {input_px}, but in fewer than {_LEAST_INPUT_PX} pixels the network sees almost "
            "nobody."
        )
    if plan.per_person is not None:
        raise SettingsError(
            f"Parameter per_person.model is {plan.per_person.card.name!r}, but a second network would leave people "
            "uncovered whom the first one does not separate; remove it."
        )
    if getattr(network, "flip_horizontal", False):
        raise SettingsError(
            "Parameter flip_horizontal is True, but to hide people masks must lie on their pictures; set it to false. "
            "A privacy camera takes the effect mirror if there is to be one."
        )
    every = getattr(network, "frame_skip", 1)
    if every > 1:
        raise SettingsError(
            f"Parameter frame_skip is {every}, but to hide people the network must see every frame, as "
            "people may enter in between; set it to 1."
        )
    kept = getattr(network, "kept_classes", ("person",))
    if "person" not in kept:
        raise SettingsError(f"Parameter kept_classes is {list(kept)!r}, but to hide people it must have 'person'.")
