"""All exceptions raised by this package.

BodysegError
├── SettingsError (ValueError)            a parameter's name, type or value
│   └── UnknownParameterError             there is no such parameter
├── PluginError                           no plugin of that name
│   └── MissingDependencyError            a package needed by a plugin is missing
├── FrameError (ValueError)               a picture that cannot be a frame
├── ResultError (ValueError)              a result lacks the requested field
├── ModelError
│   ├── ModelNotFoundError                no card, no file, no download
│   └── ModelFileError                    a damaged, hostile or unsupported model file
├── EngineError                           the network failed, or its output is invalid
├── MediaError                            a photo, video, camera or bag that cannot be read or written
└── GraphError                            the ROS 2 graph: a topic, a message, a name
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "BodysegError",
    "EngineError",
    "FrameError",
    "GraphError",
    "MediaError",
    "MissingDependencyError",
    "ModelError",
    "ModelFileError",
    "ModelNotFoundError",
    "PluginError",
    "ResultError",
    "SettingsError",
    "UnknownParameterError",
    "quote",
]


_LONGEST_QUOTE: Final = 100


def quote(value: object) -> str:
    """Quote a value in a message: its repr, cut to 100 characters, since it may be untrusted."""
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…"


class BodysegError(Exception):
    """Base of every error raised on purpose; its text is a sentence for the user."""


class SettingsError(BodysegError, ValueError):
    """A parameter's name, type or value is not allowed."""


class UnknownParameterError(SettingsError):
    """There is no such parameter. name: of the first one that is unknown, dotted."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name


class PluginError(BodysegError):
    """No plugin of that name is registered."""


class MissingDependencyError(PluginError):
    """A selected plugin needs a package that is not installed; the message has the pip line."""


class FrameError(BodysegError, ValueError):
    """An array or message cannot be a frame: wrong shape, dtype, size or encoding."""


class ResultError(BodysegError, ValueError):
    """A result lacks a field, because it was not requested or the network does not compute it."""


class ModelError(BodysegError):
    """Something about a model."""


class ModelNotFoundError(ModelError):
    """No card of that name, or its files are neither local nor downloadable."""


class ModelFileError(ModelError):
    """A model file is damaged, malicious, or not of the expected type."""


class EngineError(BodysegError):
    """The engine could not run the network, or its outputs do not fit the network."""


class MediaError(BodysegError):
    """A photo, video, camera or bag cannot be read or written."""


class GraphError(BodysegError):
    """An invalid name, type or message on the ROS 2 graph."""
