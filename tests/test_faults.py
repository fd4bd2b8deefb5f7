"""What a fault says of numbers that may be left out: the limit that is broken."""

from __future__ import annotations

import pytest
from pydantic import Field, ValidationError

from abm import faults
from abm.fields import NotNegative, Number, Part, Positive, Share


class Optional(Part):
    share: Share | None = None
    positive: Positive | None = None
    amount: NotNegative | None = None
    number: Number | None = None
    count: int | None = Field(None, gt=2, lt=9)
    either: Share | bool | None = None


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("share", 7, "must be from 0 to 1"),
        ("share", -0.1, "must be from 0 to 1"),
        ("positive", 0, "must be greater than 0"),
        ("positive", 1e300, "must be greater than 0 and at most 1e12"),
        ("amount", -1, "must be at least 0"),
        ("amount", 1e300, "must be from 0 to 1e12"),
        ("number", 1e300, "must be at most 1e12"),
        ("number", -1e300, "must be at least -1e12"),
        ("count", 2, "must be greater than 2 and less than 9"),
        ("count", 9, "must be greater than 2 and less than 9"),
        ("either", 3.5, "must be from 0 to 1"),
    ],
)
def test_an_optional_number_out_of_bounds_is_told_its_bounds(key, value, words):
    data = {key: value}
    with pytest.raises(ValidationError) as error:
        Optional.model_validate(data)
    (fault,) = faults.found(Optional, error.value, data)
    assert fault == ((key,), words, value)
