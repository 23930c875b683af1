"""Downloads: progress, cancelling, checksums, from a real server on this machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from genmodels.data import transfer
from genmodels.errors import DataError
from tests.support.file_server import serving

_CONTENT = bytes(range(256)) * 2_000
_MD5 = hashlib.md5(_CONTENT, usedforsecurity=False).hexdigest()


def test_a_file_arrives_whole_and_its_bytes_are_counted(tmp_path: Path) -> None:
    counts: list[int] = []
    with serving({"file": _CONTENT}) as server, transfer.watched(counts.append):
        transfer.save(server.url + "/file", tmp_path / "file", md5=_MD5)
        transfer.save(server.url + "/file", tmp_path / "file", md5=_MD5)
    assert (tmp_path / "file").read_bytes() == _CONTENT
    assert sum(counts) == len(_CONTENT), "one that is there with its checksum is not downloaded again"
    assert len(counts) > 1


def test_what_is_cancelled_or_damaged_or_too_large_leaves_nothing(tmp_path: Path) -> None:
    def cancel(received: int) -> None:
        raise transfer.DownloadCancelledError("cancelled")

    target = tmp_path / "file"
    with serving({"file": _CONTENT}) as server:
        url = server.url + "/file"
        with transfer.watched(cancel), pytest.raises(transfer.DownloadCancelledError):
            transfer.save(url, target)
        with pytest.raises(OSError, match="md5"):
            transfer.save(url, target, md5="0" * 32)
        with pytest.raises(DataError, match="more than 0 MB"):
            transfer.save(url, target, most=100_000)
        with pytest.raises(OSError, match="404"):
            transfer.save(server.url + "/other", target)
    assert not list(tmp_path.iterdir())
