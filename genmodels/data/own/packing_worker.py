"""Subprocess that packs an untrusted upload as a data set. `upload.py` starts it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from genmodels.data.formats.zip_files import UPLOAD
from genmodels.data.own import array_files, from_source, hdf5, packing, sources
from genmodels.data.sandbox import image_decoders, worker
from genmodels.data.sandbox.worker import Report
from genmodels.errors import DataError


def _pack(request: dict[str, Any], report: Report) -> None:
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > worker.INTERVAL:
            last = time.monotonic()
            report({"done": done, "total": total})

    spool, out, title = Path(request["spool"]), Path(request["out"]), request["title"]
    if request["kind"] == "hdf5" and not hdf5.is_book(spool):
        packed = packing.repack(spool, out, title=title, licence=request["licence"], limits=UPLOAD)
    else:
        source: sources.Source
        if request["kind"] == "hdf5":
            source = hdf5.Book(spool)
            source.title = title
        else:
            source = array_files.open_any(spool, UPLOAD, title, image_decoders.Decoders().decode_onto)
        licence = request["licence"] or from_source.UNKNOWN_LICENCE
        size, grey = request["size"], request["grey"]
        background = request["background"]
        packed = packing.pack(
            source, out, size=size, grey=grey, background=background, licence=licence, on_progress=progress
        )
    if packed.count < 2:
        raise DataError(
            f"a data set needs at least 2 pictures, one to train on and one to test with; {title!r} has {packed.count}"
            + (f" that can be used. Left out: {packed.skipped[0]}" if packed.skipped else "")
        )
    report(
        {
            "count": packed.count,
            "shape": packed.shape,
            "classes": packed.classes,
            "skipped": packed.skipped,
            "others": packed.left_out.count + packed.left_out.ignored,
            "bytes": packed.bytes,
            "seconds": packed.seconds,
            "left_out": packed.left_out.lines(),
            "notes": packed.notes,
        }
    )


if __name__ == "__main__":
    worker.serve(_pack)
