"""Subprocess that decodes untrusted recordings, one or a folder of them. `recordings.py` starts it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from genmodels.data.formats import audio_files
from genmodels.data.sandbox import limits, worker
from genmodels.data.sandbox.worker import Report
from genmodels.errors import DataError

_CPU_SECONDS = 20.0  # of one recording; a minute of audio takes less than one


def _decode(request: dict[str, Any], report: Report) -> None:
    limits.limit(cpu_seconds=_CPU_SECONDS)
    raw = Path(request["spool"]).read_bytes()
    samples = audio_files.decode(raw, request["sample_rate"], request["seconds"])
    with Path(request["out"]).open("wb") as out:
        out.write(samples.astype("<f4").tobytes())
    report({"count": len(samples)})


def _decode_folder(request: dict[str, Any], report: Report) -> None:
    """Append each file's samples to the output and report where they end; a bad file is skipped with its reason."""
    folder, names, most, rate = Path(request["folder"]), request["names"], request["most"], request["sample_rate"]
    ends, rows, skipped, count, last = [], [], [], 0, time.monotonic()
    with Path(request["out"]).open("wb") as out:
        for row, name in enumerate(names):
            begin, displayed = count, name.encode("utf-8", "replace").decode()
            report({"done": row, "total": len(names), "file": displayed})
            try:
                with (folder / name).open("rb") as file:
                    for block in audio_files.blocks(file, rate, request["seconds"]):
                        if count + len(block) > most:
                            raise _TooMuchError
                        out.write(np.round(block * 32_767).astype("<i2").tobytes())
                        count += len(block)
                        if time.monotonic() - last > worker.INTERVAL:
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
                skipped.append(f"{displayed}: {reason}")
                out.seek(2 * begin)
                out.truncate()
                count = begin
                continue
            ends.append(count)
            rows.append(row)
    report({"count": count, "ends": ends, "rows": rows, "skipped": skipped})


class _TooMuchError(Exception):
    """More samples than the request allows."""


def _decode_request(request: dict[str, Any], report: Report) -> None:
    task = _decode_folder if request["kind"] == "recordings" else _decode
    task(request, report)


if __name__ == "__main__":
    worker.serve(_decode_request)
