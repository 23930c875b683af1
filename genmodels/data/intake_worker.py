"""The process that decodes an upload: limited in memory, reporting in lines of JSON. Started by `intake.py` only."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from genmodels.data import array_files, from_source, hdf5, packing, process_limits, recording, sandbox, sources
from genmodels.errors import DataError, GenmodelsError

_EACH = 0.1  # seconds between two reports of progress


_RECORDING_CPU_SECONDS = 20.0  # a minute of sound takes less than one


def _limit(memory: int, kind: str) -> None:
    """As little as is needed of the machine; it holds when the server has gone."""
    process_limits.die_with_parent()
    if hasattr(os, "nice"):  # Windows has none
        os.nice(10)
    process_limits.limit(memory=memory, cpu_seconds=_RECORDING_CPU_SECONDS if kind == "recording" else None)


def _pack(request: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > _EACH:
            last = time.monotonic()
            say({"done": done, "total": total})

    spool, out, title = Path(request["spool"]), Path(request["out"]), request["title"]
    if request["kind"] == "hdf5" and not hdf5.is_book(spool):
        report = packing.repack(spool, out, title=title, licence=request["licence"], limits=sources.UPLOAD)
    else:
        source: sources.Source
        if request["kind"] == "hdf5":
            source = hdf5.Book(spool)
            source.title = title
        else:
            source = array_files.open_any(spool, sources.UPLOAD, title, sandbox.Decoders().decode_on)
        licence = request["licence"] or from_source.UNKNOWN_LICENCE
        size, grey = request["size"], request["grey"]
        background = request["background"]
        report = packing.pack(
            source, out, size=size, grey=grey, background=background, licence=licence, on_progress=progress
        )
    if report.count < 2:
        raise DataError(
            f"a data set needs at least 2 pictures, one to train on and one to test with; {title!r} has {report.count}"
            + (f" that can be used. Left out: {report.skipped[0]}" if report.skipped else "")
        )
    say(
        {
            "count": report.count,
            "shape": report.shape,
            "classes": report.classes,
            "skipped": report.skipped,
            "others": report.left_out.count + report.left_out.ignored,
            "bytes": report.bytes,
            "seconds": report.seconds,
            "left_out": report.left_out.lines(),
            "notes": report.notes,
        }
    )


def _decode(request: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    raw = Path(request["spool"]).read_bytes()
    samples = recording.decode(raw, request["sample_rate"], request["seconds"])
    with Path(request["out"]).open("wb") as out:
        out.write(samples.astype("<f4").tobytes())
    say({"count": len(samples)})


def _decode_folder(request: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    """Each file's samples behind the last one's, and where they end; a bad file leaves nothing but its reason."""
    folder, names, most, rate = Path(request["folder"]), request["names"], request["most"], request["sample_rate"]
    ends, rows, skipped, count, last = [], [], [], 0, time.monotonic()
    with Path(request["out"]).open("wb") as out:
        for row, name in enumerate(names):
            begin, shown = count, name.encode("utf-8", "replace").decode()
            say({"done": row, "total": len(names), "file": shown})
            try:
                with (folder / name).open("rb") as file:
                    for block in recording.blocks(file, rate, request["seconds"]):
                        if count + len(block) > most:
                            raise _TooMuchError
                        out.write(np.round(block * 32_767).astype("<i2").tobytes())
                        count += len(block)
                        if time.monotonic() - last > _EACH:
                            last = time.monotonic()
                            say({"done": row, "total": len(names)})
                if count - begin < rate // 50:
                    raise DataError(f"{1_000 * (count - begin) / rate:.0f} ms long; 20 ms are the least")
            except _TooMuchError:
                fitting = f", or set data.limit to at most about {row:,} files" if row > 1 else ""
                raise DataError(
                    f"{folder} holds more than {most / rate / 60:,.0f} minutes of sound, the limit at {rate:,} samples "
                    f"a second; take a subfolder or a lower data.sample_rate{fitting}"
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
    say({"count": count, "ends": ends, "rows": rows, "skipped": skipped})


class _TooMuchError(Exception):
    """More samples than asked for at most."""


def main() -> None:
    """Read one request from stdin, report to stdout: a line of JSON each."""
    request = json.loads(sys.stdin.buffer.read())
    _limit(request["memory"], request["kind"])
    try:
        task = {"recording": _decode, "recordings": _decode_folder}.get(request["kind"], _pack)
        task(request, lambda message: print(json.dumps(message), flush=True))
    except GenmodelsError as error:
        print(json.dumps({"error": str(error)}), flush=True)


if __name__ == "__main__":
    main()
