"""Subprocess that decodes untrusted files, with limited memory; it answers in JSON. `decoding_process.py` starts it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from genmodels.data.formats import audio_files
from genmodels.data.own import array_files, from_source, hdf5, packing, sources
from genmodels.data.sandbox import image_decoders, limits
from genmodels.errors import DataError, GenmodelsError

_INTERVAL = 0.1  # seconds between two progress reports
_RECORDING_CPU_SECONDS = 20.0  # a minute of audio takes less than one


def _limit(memory: int, kind: str) -> None:
    """Limit this process; the limits hold even if the server has ended."""
    limits.die_with_parent()
    if hasattr(os, "nice"):  # Windows has none
        os.nice(10)
    limits.limit(memory=memory, cpu_seconds=_RECORDING_CPU_SECONDS if kind == "recording" else None)


def _pack(request: dict[str, Any], report: Callable[[dict[str, Any]], None]) -> None:
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > _INTERVAL:
            last = time.monotonic()
            report({"done": done, "total": total})

    spool, out, title = Path(request["spool"]), Path(request["out"]), request["title"]
    if request["kind"] == "hdf5" and not hdf5.is_book(spool):
        packed = packing.repack(spool, out, title=title, licence=request["licence"], limits=sources.UPLOAD)
    else:
        source: sources.Source
        if request["kind"] == "hdf5":
            source = hdf5.Book(spool)
            source.title = title
        else:
            source = array_files.open_any(spool, sources.UPLOAD, title, image_decoders.Decoders().decode_on)
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


def _decode(request: dict[str, Any], report: Callable[[dict[str, Any]], None]) -> None:
    raw = Path(request["spool"]).read_bytes()
    samples = audio_files.decode(raw, request["sample_rate"], request["seconds"])
    with Path(request["out"]).open("wb") as out:
        out.write(samples.astype("<f4").tobytes())
    report({"count": len(samples)})


def _decode_folder(request: dict[str, Any], report: Callable[[dict[str, Any]], None]) -> None:
    """Append each file's samples to the output and report where they end; a bad file is skipped with its reason."""
    folder, names, most, rate = Path(request["folder"]), request["names"], request["most"], request["sample_rate"]
    ends, rows, skipped, count, last = [], [], [], 0, time.monotonic()
    with Path(request["out"]).open("wb") as out:
        for row, name in enumerate(names):
            begin, shown = count, name.encode("utf-8", "replace").decode()
            report({"done": row, "total": len(names), "file": shown})
            try:
                with (folder / name).open("rb") as file:
                    for block in audio_files.blocks(file, rate, request["seconds"]):
                        if count + len(block) > most:
                            raise _TooMuchError
                        out.write(np.round(block * 32_767).astype("<i2").tobytes())
                        count += len(block)
                        if time.monotonic() - last > _INTERVAL:
                            last = time.monotonic()
                            report({"done": row, "total": len(names)})
                if count - begin < rate // 50:
                    raise DataError(f"{1_000 * (count - begin) / rate:.0f} ms long; 20 ms are the least")
            except _TooMuchError:
                fitting = f", or set data.limit to at most about {row:,} files" if row > 1 else ""
                raise DataError(
                    f"{folder} holds more than {most / rate / 60:,.0f} minutes of audio, the limit at {rate:,} samples "
                    f"per second; take a subfolder or a lower data.sample_rate{fitting}"
                ) from None
            except (DataError, OSError) as error:
                reason = str(error) if isinstance(error, DataError) else f"cannot be read: {error.strerror or error}"
                skipped.append(f"{shown}: {reason}")
                out.seek(2 * begin)
                out.truncate()
                count = begin
                continue
            ends.append(count)
            rows.append(row)
    report({"count": count, "ends": ends, "rows": rows, "skipped": skipped})


class _TooMuchError(Exception):
    """More samples than the request allows."""


def main() -> None:
    """Read one request from stdin and report to stdout, in lines of JSON."""
    request = json.loads(sys.stdin.buffer.read())
    _limit(request["memory"], request["kind"])
    try:
        task = {"recording": _decode, "recordings": _decode_folder}.get(request["kind"], _pack)
        task(request, lambda message: print(json.dumps(message), flush=True))
    except GenmodelsError as error:
        print(json.dumps({"error": str(error)}), flush=True)


if __name__ == "__main__":
    main()
