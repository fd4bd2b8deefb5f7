"""What the parts of a scenario are made of: checked tables, and numbers with bounds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from abm.faults import LARGEST, Fault, raise_if_any


class Part(BaseModel):
    """Base of all parts: unknown keys are errors, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def _faults(self) -> Iterable[Fault]:
        """What the keys of this part ask of each other, and do not get."""
        return ()

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        raise_if_any(self._faults())
        return self


# Strict, since true is no number and "5" is text; a whole number passes for a real one.
# Real and Whole take their bounds where they are used. The others have theirs, and would
# keep them: pydantic lets a type's bounds win over those of the field.
Real = Annotated[float, Field(strict=True)]
Number = Annotated[float, Field(strict=True, ge=-LARGEST, le=LARGEST)]
Share = Annotated[float, Field(strict=True, ge=0.0, le=1.0)]
Positive = Annotated[float, Field(strict=True, gt=0.0, le=LARGEST)]
NotNegative = Annotated[float, Field(strict=True, ge=0.0, le=LARGEST)]
Dollars = Annotated[float, Field(strict=True, ge=0.01, le=LARGEST)]
Whole = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(strict=True)]
Name = Annotated[
    str, Field(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)
]
