"""Reading Prometheus' text format."""

from __future__ import annotations

import pytest

from fixtures.exposition import ExpositionError, only, total

TEXT = """\
# HELP latency_count not a sample
# TYPE latency histogram
latency_bucket{kind="warm",template="a",le="100"} 1
latency_count{kind="warm",template="a"} 2
latency_count{kind="cold",template="a"} 1
latency_count{kind="warm",template="b \\"quoted\\", {odd}"} 4e+00
up 1
"""


def test_samples_with_the_labels_are_added_up() -> None:
    """Only samples of the name with all the labels MUST count, whatever else they carry."""
    assert total(TEXT, "latency_count", template="a") == 3
    assert total(TEXT, "latency_count", kind="warm") == 6
    assert total(TEXT, "latency_count", kind="warm", template="a") == 2
    assert total(TEXT, "latency_count", template='b "quoted", {odd}') == 4
    assert total(TEXT, "up") == 1


def test_what_was_never_counted_is_zero() -> None:
    """A counter without a sample MUST read as 0: it appears with its first event."""
    assert total(TEXT, "latency_count", kind="hot") == 0
    assert total(TEXT, "latency") == 0
    assert total("", "up") == 0


@pytest.mark.parametrize(
    "text",
    ["<html><body>401 Unauthorized</body></html>\n", "up\n", "up one\n", 'up{a="b} 1\n', "401 Unauthorized"],
)
def test_another_format_is_an_error(text: str) -> None:
    """A text in another format, such as an error page, MUST NOT read as a component that counted nothing."""
    with pytest.raises(ExpositionError, match="not in Prometheus' text format"):
        total(text, "up")


def test_a_page_can_be_cut_down_to_what_counts() -> None:
    """Whole names MUST be kept, with every sample and as it was written, and nothing else."""
    kept = only(TEXT, ("latency_count", "up", "absent"))

    assert kept.splitlines() == [
        line for line in TEXT.splitlines() if line.startswith(("latency_count", "up"))
    ]
    assert total(kept, "latency_count") == total(TEXT, "latency_count") == 7
    assert only(TEXT, ("latency",)) == ""
