"""Whether what is held at some passes of a call grows without end."""

from __future__ import annotations

import pytest

from graphlint.runtime.lookout import Growth


@pytest.mark.parametrize(
    ("looks", "leak"),
    [
        ([(3, 3), (6, 6)], True),  # every pass
        ([(3, 2), (6, 3)], False),  # one look says little of some passes
        ([(3, 2), (6, 3), (9, 5)], True),  # every second pass
        ([(3, 1), (6, 1), (9, 1)], False),  # the last alone
        ([(3, 3), (6, 6), (9, 2), (12, 5)], False),  # emptied at every seventh pass
        ([(3, 3), (6, 6), (9, 9), (12, 9)], False),  # a window that is full
        ([(20, 20), (40, 40), (60, 60), (90, 10), (120, 40)], True),  # emptied with each epoch
    ],
)
def test_growth_is_told_from_windows(looks: list[tuple[int, int]], leak: bool) -> None:
    growth = Growth(0, 0)
    growth.begin(*looks[0])
    assert [growth.note(*look) for look in looks[1:]][-1] is leak


def test_what_appears_between_two_looks_has_grown_since_the_first() -> None:
    growth = Growth(passes=3, graphs=0)
    growth.begin(6, 2)
    assert growth.note(9, 4)
