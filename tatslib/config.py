"""The base of every config: frozen, strict, saved as JSON beside the weights and read back from there."""

import hashlib
import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from tatslib.errors import UserError


class Config(BaseModel):
    """A frozen table of settings that knows its own fingerprint.

    Unknown fields and impossible values are refused at construction; the message of a custom validator must hold
    the offending numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change whenever any field changes, on every machine alike."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def replace(self, **changes: Any) -> Self:
        """The same config with some fields changed, validated like any other."""
        return type(self)(**{**self.model_dump(), **changes})

    def to_json(self) -> str:
        """The config as indented JSON, the form that is stored beside weights."""
        return json.dumps(self.model_dump(mode="json"), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str | Path) -> Self:
        """Read a config back.

        Raises:
            UserError: if the text is not JSON or does not fit the fields; `source` is named in the sentence.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise UserError(f"{source} is not a valid {cls.__name__}: {explain(error)}.") from error


class LastingConfig(Config):
    """A config that may learn to tell more while files and fingerprints of it are kept.

    A field that comes later gets a default, and what has its default is left out of JSON and fingerprint: so both stay
    what they were for all that the older files told.
    """

    @model_serializer(mode="wrap")
    def _without_defaults(self, told: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        return {name: value for name, value in told(self).items() if getattr(self, name) != fields[name].default}


def explain(error: ValidationError) -> str:
    """All complaints of a pydantic error in one line, each with its field and the offending value."""
    complaints = []
    for item in error.errors():
        field = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        shown = "" if item["type"] == "value_error" else f" (got {item['input']!r})"
        complaints.append(f"{field}: {message}{shown}" if field else f"{message}{shown}")
    return "; ".join(complaints)
