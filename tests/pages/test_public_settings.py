"""What GENMODELS_PUBLIC and GENMODELS_HOSTS mean."""

from __future__ import annotations

import pytest

from genmodels.errors import ConfigError
from genmodels.public import public_mode
from pages.server.hosts import named_hosts


@pytest.mark.parametrize("value", ["https://x.org", "x.org/path", "a b", "*x.org", "-"])
def test_a_name_that_is_none_is_refused_by_name(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_HOSTS", f"ok.example,{value}")
    with pytest.raises(ConfigError, match="GENMODELS_HOSTS"):
        named_hosts()


@pytest.mark.parametrize(
    ("public", "space", "expected"),
    [
        (None, None, False),
        (None, "me/studio", True),
        ("", "me/studio", True),
        *((no, space, False) for no in ("0", "false", "False", "no", "NO", "off", " Off ") for space in (None, "me/x")),
        *((yes, None, True) for yes in ("1", "true", "YES", "on", "flase", "2", "nein")),
    ],
)
def test_public_mode(public: str | None, space: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("GENMODELS_PUBLIC", public), ("SPACE_ID", space)):
        if value is not None:
            monkeypatch.setenv(name, value)
    assert public_mode() is expected
