"""The verdict at the start of Runs and Evaluate."""

from __future__ import annotations

from genmodels.runs.folder import runs_root
from genmodels.service.evaluate import stored_metrics
from tests.support.pages import open_page
from tests.support.runs import save_run


def test_a_measured_run_starts_with_a_sentence_and_another_with_none():
    folder = save_run(runs_root(), "digits", "mnist_mlp_combined", "data.name=digits", "model.hidden_sizes=[4]")
    folder.write_status(phase="finished", step=10, max_steps=10, device="cpu", error=None)
    assert not [m for m in open_page("runs", run="digits").markdown if "of 100" in m.value]
    stored_metrics.store(folder.path, 10, {"accuracy": 0.974}, 100)
    for page, query in (("runs", {"run": "digits"}), ("evaluate", {"model": "digits"})):
        texts = [m.value for m in open_page(page, **query).markdown]
        assert "**Reads 97 of 100 test digits correctly.**" in texts
