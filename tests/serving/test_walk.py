"""The whole way, once: from toxic rows to a served model and a watched prompt."""

from __future__ import annotations

import pytest

from tests.serving.walk import WATCHED, Walked, walk

pytestmark = [
    pytest.mark.needs("moto"),
    pytest.mark.needs("kserve_storage"),
    pytest.mark.needs("openai"),
]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Walked:
    return walk(tmp_path_factory.mktemp("walk"))


def test_kserve_fetched_what_was_converted(walked: Walked) -> None:
    assert walked.fetched == walked.files
    assert {"hf/model.safetensors", "caikit/config.yml", "caikit/artifacts/config.json"} <= set(
        walked.fetched
    )


def test_the_served_model_completes_the_prompt(walked: Walked) -> None:
    assert walked.completion.strip("\n")


def test_the_detector_finds_the_insult_by_code_points_after_an_emoji(walked: Walked) -> None:
    (found,) = walked.detections
    assert (found["start"], found["end"]) == (13, 18)
    assert WATCHED[13:18] == found["text"] == "idiot"
