"""Reads a Dockerfile, and runs its instructions on this machine, in a root directory of its own.

A private mount namespace shows this machine's system and Python, read-only, below a new root directory. So paths such
as /app and /tmp are the Dockerfile's own, and nothing of the checkout is visible. Needs Linux and root.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc")
_MOUNT = """
root=$1; shift
while [ "$1" != -- ]; do
    mount --rbind "$1" "$root$1"
    case "$1" in /proc|/dev) ;; *) mount -o remount,bind,ro "$root$1" ;; esac
    shift
done
shift
exec chroot "$@"
"""


@dataclass(frozen=True)
class Instruction:
    """One instruction, with continued lines joined; `line` counts from 1."""

    line: int
    name: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.name} {self.text}"


def instructions(path: Path) -> Iterator[Instruction]:
    """The instructions of a Dockerfile."""
    pending, start = "", 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("#") or not (pending or line.strip()):
            continue
        start = start if pending else number
        if line.endswith("\\"):
            pending += line[:-1].strip() + " "
            continue
        name, _, text = (pending + line.strip()).partition(" ")
        pending = ""
        yield Instruction(start, name.upper(), text.strip())
    assert not pending, f"{path} ends within an instruction"


def can_rehearse() -> bool:
    """Whether this machine permits private mounts."""
    command = ["unshare", "--mount", "--propagation", "private", "true"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


@dataclass
class Image:
    """A root directory to which instructions are applied."""

    root: Path
    context: Path
    """The folder with the Dockerfile."""
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0"
    port: int | None = None
    command: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root.chmod(0o755)
        self._mounts = ["/proc", "/dev"]
        for name in _SYSTEM:
            path = Path("/", name)
            if path.is_symlink():
                (self.root / name).symlink_to(path.readlink())
            elif path.is_dir():
                self._mounts.append(str(path))
        # The interpreter and its packages; realpath, because an environment may be linked to.
        self._mounts += dict.fromkeys([sys.prefix, os.path.realpath(sys.prefix), sys.base_prefix])
        for mount in self._mounts:
            self._inside(mount).mkdir(parents=True, exist_ok=True)
        self._inside("/tmp").mkdir()
        self._inside("/tmp").chmod(0o1777)

    def apply(self, instruction: Instruction) -> str:
        """Do what the instruction says; returns what was done instead if it cannot be done here."""
        name, text = instruction.name, instruction.text
        if name == "FROM":
            return f"Python {sys.version.split()[0]} of this machine instead of {text}"
        if name == "RUN":
            return self._run(text)
        if name == "COPY":
            *sources, target = [word for word in shlex.split(text) if not word.startswith("--")]
            self._copy(sources, target)
        elif name == "ENV":
            self.environment |= dict(word.split("=", 1) for word in shlex.split(text))
        elif name == "WORKDIR":
            self.folder = os.path.join(self.folder, text)  # noqa: PTH118 -- a path of the image
            self._inside(self.folder).mkdir(parents=True, exist_ok=True)
        elif name == "USER":
            self.user = text
        elif name == "EXPOSE":
            self.port = int(text)
        elif name == "CMD":
            self.command = json.loads(text)
        else:
            raise ValueError(f"the rehearsal does not know {instruction}; add it to {__file__}")
        return ""

    def _run(self, text: str) -> str:
        if text.startswith("useradd "):
            return "no user is made: the user has neither an entry nor a home directory"
        if text.startswith("pip install "):
            count = self._check(re.findall(r"-[rc] (\S+)", text.partition("&&")[0]))
            return f"this machine's packages instead, compared with {count} requirements and constraints"
        done = self.run(["sh", "-c", text])
        if done.returncode:
            raise RuntimeError(f"RUN {text} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
        return ""

    def _check(self, files: Sequence[str]) -> int:
        """The number of requirements; raises RuntimeError if a version does not satisfy one."""
        from importlib.metadata import PackageNotFoundError, version

        from packaging.requirements import Requirement

        count = 0
        for index, name in enumerate(files):
            for line in (self._inside(self.folder) / name).read_text().splitlines():
                if not line.partition("#")[0].strip():
                    continue
                requirement, count = Requirement(line.partition("#")[0]), count + 1
                try:
                    found = version(requirement.name)
                except PackageNotFoundError:
                    if index == 0:
                        raise RuntimeError(f"{name}: {line} is not installed") from None
                    continue  # a constraint of a package that nothing needs here
                if not requirement.specifier.contains(found, prereleases=True):
                    raise RuntimeError(f"{name}: {line}, but {found} is installed")
        return count

    def _copy(self, sources: Sequence[str], target: str) -> None:
        destination = self._inside(os.path.join(self.folder, target))  # noqa: PTH118
        for pattern in sources:
            for source in sorted(glob.glob(str(self.context / pattern))):  # noqa: PTH207
                if Path(source).is_dir():
                    shutil.copytree(source, destination, dirs_exist_ok=True)
                else:
                    destination.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, destination / Path(source).name)
        for path in [destination, *destination.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)

    def _inside(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def words(self, command: Sequence[str], **environment: str) -> list[str]:
        """The command line that runs a command of the image as its user."""
        bin_ = f"{sys.prefix}/bin"
        if command[0] == "streamlit":  # its script names the place where the environment was made
            command = ["python", "-m", *command]
        variables = {"PATH": f"{bin_}:/usr/bin:/bin", "LANG": "C.UTF-8", **self.environment, **environment}
        change = f'cd {shlex.quote(self.folder)} && exec "$@"'
        return [
            *("unshare", "--mount", "--propagation", "private", "sh", "-euc", _MOUNT, "sh", str(self.root)),
            *(*self._mounts, "--", f"--userspec={self.user}:{self.user}", "--groups=", str(self.root)),
            *(
                "env",
                "-i",
                *(f"{name}={value}" for name, value in variables.items()),
                "sh",
                "-c",
                change,
                "sh",
                *command,
            ),
        ]

    def run(self, command: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the image to its end."""
        words = self.words(command, **environment)
        return subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL)


def build(context: Path, root: Path) -> tuple[Image, list[str]]:
    """Apply the Dockerfile of `context`; returns the image and a report of each instruction."""
    image, lines = Image(root, context), []
    for instruction in instructions(context / "Dockerfile"):
        note = image.apply(instruction)
        lines.append(f"{instruction}" + (f"\n    {note}" if note else ""))
    return image, lines
