"""How often tests draw what happens: as they usually do, or as the command line says."""

from __future__ import annotations

from tests.unit.conformance.conftest import Project

DRAWING = '''
    from hypothesis import strategies as st

    @claims(1)
    def test_drawn(draws, falsify):
        """It MUST hold however often."""
        tried = []

        def complain(case):
            tried.append(case)
            return ""

        falsify(st.integers(), complain, tries=3, shrinks=1)
        assert len(tried) == draws(3) == {expected}
'''


def test_tests_draw_as_often_as_they_usually_do(project: Project) -> None:
    """Without an option a test MUST draw as often as it says."""
    project.write(DRAWING.format(expected=3))

    assert project.run().code == 0
    assert project.outcomes() == {"AS-C01": "PASSED"}


def test_tests_draw_as_often_as_asked(project: Project) -> None:
    """With --draws everything that is drawn MUST be drawn so often."""
    project.write(DRAWING.format(expected=7))

    assert project.run("--draws", "7").code == 0
    assert project.outcomes() == {"AS-C01": "PASSED"}
