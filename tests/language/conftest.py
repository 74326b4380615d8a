"""What the tests of the language model share."""

import jaxtyping
import pytest


@pytest.fixture
def unchecked():
    """Without the shape checks of the tests, as a user runs it: only our own errors stand between input and number."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
