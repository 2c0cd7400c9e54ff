"""What the tests of wrong arguments share."""

from collections.abc import Callable
from typing import Any

import pytest


def in_one_plain_sentence(match: str, function: Callable[..., Any], *arguments: Any) -> None:
    """A call is refused by a ValueError that says why in one line and ends with a full stop."""
    with pytest.raises(ValueError, match=match) as caught:
        function(*arguments)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
