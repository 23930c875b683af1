"""The public names of train_jobs."""

from __future__ import annotations

import train_jobs


def test_every_public_name_is_listed_once_and_can_be_imported() -> None:
    assert sorted(train_jobs.__all__) == sorted(train_jobs._EXPORTS)
    for name, module in train_jobs._EXPORTS.items():
        assert getattr(train_jobs, name).__module__ in (f"train_jobs.{module}", "genmodels.errors", "genmodels.public",
                                                        "genmodels.recipes"), name  # fmt: skip
