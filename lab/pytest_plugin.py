"""A pytest fixture for the tests of extensions that acquire contexts; found by pytest where this package is installed.

    def test_work(context_leaks):
        extension.do_work()         # fails where an acquisition, a token or a trampoline is left open
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.debug import LeakDetector


@pytest.fixture
def context_leaks() -> Iterator[LeakDetector]:
    """Fails the test with LeakError when it leaves open what it opened; see lab.debug.LeakDetector. It yields the detector."""
    with LeakDetector() as detector:
        yield detector
