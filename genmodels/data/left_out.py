"""Files that a data set does not use, by reason. Every file is either used or counted here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

_EXAMPLES, _MAX_NAME, _MAX_LINES = 3, 120, 20
_SYSTEM = frozenset(
    ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "system volume information")
)
_ARCHIVES = frozenset((".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".7z", ".rar"))
_REMEDIES = {
    "HEIC, which is not read here; export JPEG (on an iPhone: Settings > Camera > Formats > Most Compatible)": (
        ".heic", ".heif", ".hif",
    ),
    "camera raw files, which are not read here; export JPEG": (
        ".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".raw",
    ),
    "vector graphics or documents without pixels; export PNG": (
        ".svg", ".pdf", ".psd", ".eps", ".ai", ".xcf", ".ps",
    ),
    "JPEG 2000 or JPEG XL, which are not read here; save as PNG or JPEG": (".jp2", ".j2k", ".jpx", ".jxl"),
    "AAC, WMA or similar audio, which is not read here; convert to WAV or FLAC": (
        ".m4a", ".aac", ".wma", ".amr", ".ape", ".ac3",
    ),
    "tables or arrays, which `python -m genmodels pack` reads if there are no image files": (
        ".csv", ".npz", ".npy", ".idx3-ubyte", ".idx1-ubyte",
    ),
    "videos; save single frames as images, or the audio as WAV": (
        ".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".wmv",
    ),
}  # fmt: skip
_BY_SUFFIX = {suffix: reason for reason, suffixes in _REMEDIES.items() for suffix in suffixes}


def is_system_file(name: str) -> bool:
    """Whether a file or a folder above it is hidden, or made by the operating system (.DS_Store, __MACOSX, ...)."""
    return any(part.startswith(".") or part.lower() in _SYSTEM for part in PurePosixPath(name).parts)


def reason_for_type(name: str) -> str:
    """Why a file of another kind is not used, by its suffix, with the remedy if there is one."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _ARCHIVES:
        return "archives inside; unpack them first"
    return _BY_SUFFIX.get(suffix, f"files of another kind ({printable(suffix) or 'no suffix'})")


def known_reason(name: str) -> str | None:
    """Why files with this suffix are not used and what to do, if that is known."""
    return _BY_SUFFIX.get(PurePosixPath(name).suffix.lower())


def printable(name: str) -> str:
    """A file name for display: bytes that are not UTF-8 and control characters are escaped."""
    try:
        text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        text = name.encode("utf-8", "backslashreplace").decode()
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class LeftOut:
    """File names by the reason why they are not used; `ignored` counts hidden and system files."""

    def __init__(self) -> None:
        self.reasons: dict[str, list[str]] = {}
        self.ignored = 0

    def add(self, name: str, reason: str) -> None:
        self.reasons.setdefault(reason, []).append(printable(name))

    def add_unless_used(self, name: str, suffixes: Iterable[str]) -> bool:
        """True if the suffix is one of these; else the file is counted with its reason."""
        if is_system_file(name):
            self.ignored += 1
        elif PurePosixPath(name).suffix.lower() in suffixes:
            return True
        else:
            self.add(name, reason_for_type(name))
        return False

    def update(self, other: LeftOut, prefix: str = "") -> None:
        """Count the files of `other` as well, named below `prefix`."""
        self.ignored += other.ignored
        for reason, names in other.reasons.items():
            self.reasons.setdefault(reason, []).extend(prefix + name for name in names)

    @property
    def count(self) -> int:
        """Files left out, without the ignored ones."""
        return sum(map(len, self.reasons.values()))

    def lines(self) -> tuple[str, ...]:
        """One line per reason: how many, why, and the first names."""
        lines = []
        frequent = sorted(self.reasons.items(), key=lambda item: -len(item[1]))
        for reason, names in frequent[:_MAX_LINES]:
            some = ", ".join(name[:_MAX_NAME] for name in names[:_EXAMPLES])
            lines.append(f"{len(names):,} left out: {reason}: {some}{', ...' if len(names) > _EXAMPLES else ''}")
        if rest := frequent[_MAX_LINES:]:
            lines.append(f"{sum(len(names) for _, names in rest):,} left out for {len(rest):,} other reasons")
        if self.ignored:
            lines.append(f"{self.ignored:,} hidden or system files ignored (such as .DS_Store, Thumbs.db, __MACOSX)")
        return tuple(lines)
