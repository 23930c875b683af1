"""`python -m genmodels`: listing, sampling, measuring, publishing, and the exit codes."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from genmodels.errors import CheckpointError, ConfigError, UnknownNameError
from genmodels.publishing.publish import measure_again, publish
from genmodels.runs import catalog
from genmodels.runs.files import read_json, write_json
from genmodels.runs.folder import RunFolder, runs_root
from genmodels.training import runner
from tests.conftest import small_spec
from tests.support.command_line import run
from tests.support.picture_files import packed_photos

ROOT = Path(__file__).parents[2]


@pytest.fixture
def trained() -> RunFolder:
    """A short VAE run in the runs folder."""
    folder = RunFolder.create(runs_root() / "vae-1", small_spec("vae", "train.max_steps=30", "train.keep_steps=[0,10]"))
    assert runner.train_folder(folder, device="cpu") == "finished"
    return folder


@pytest.mark.slow
def test_a_library_that_aborts_at_the_end_of_the_process_fails_no_command(tmp_path: Path) -> None:
    """As a thread of torch sometimes does; the image is complete by then."""
    (tmp_path / "sitecustomize.py").write_text("import atexit, os\natexit.register(os.abort)\n")
    command = [sys.executable, "-m", "genmodels", "sample", "pattern_1010_gan", "--out", str(tmp_path / "a.png")]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.png").is_file()


@pytest.mark.slow
def test_pack_prints_a_command_that_a_shell_reads(tmp_path: Path) -> None:
    folder = tmp_path / "my $HOME pictures; it's"
    folder.mkdir()
    for index in range(3):
        Image.new("RGB", (16, 16), (index, 0, 0)).save(folder / f"{index}.png")
    out = tmp_path / "my $HOME pictures.h5"
    done = run("pack", str(folder), str(out), "--size", "16")
    assert done.returncode == 0, done.stderr
    command = shlex.split(done.stdout.splitlines()[-1].partition("python -m train_jobs ")[2])
    assert command[-1] == f"data.path={out}"


@pytest.fixture
def own_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoints folder to write to, with the published judge in it."""
    root = tmp_path / "checkpoints"
    shutil.copytree(ROOT / "checkpoints" / "mnist_judge", root / "mnist_judge")
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(root))
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "name"), [("models", "vae"), ("checkpoints", "mnist_vae_20"), ("recipes", "mnist_gan")]
)
def test_lists_as_table_and_as_json(command: str, name: str) -> None:
    table, as_json = run(command), run(command, "--json")
    assert table.returncode == as_json.returncode == 0
    assert name in table.stdout
    assert name in [item["name"] for item in json.loads(as_json.stdout)]


def test_samples_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    files = [tmp_path / f"{index}.png" for index in range(3)]
    for path, seed in zip(files, ("0", "0", "1"), strict=True):
        result = run("sample", "mnist_vae_20", "-n", "16", "--seed", seed, "--out", str(path))
        assert result.returncode == 0, result.stderr
    with Image.open(files[0]) as image:
        assert image.width == image.height > 400
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()


def test_a_sum_of_seeds_is_decoded_to_one_image(tmp_path: Path) -> None:
    files = [tmp_path / f"{index}.png" for index in range(3)]
    for path, words in zip(
        files, (["--z", "s5"], ["-n", "1", "--seed", "5"], ["--z", "s5 - s7 + 0.5*s3"]), strict=True
    ):
        result = run("sample", "mnist_vae_20", *words, "--out", str(path))
        assert result.returncode == 0, result.stderr
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()


@pytest.mark.slow
def test_info_and_evaluate(trained: RunFolder) -> None:
    card = run("info", "mnist_vae_20")
    assert "# VAE on MNIST" in card.stdout
    assert json.loads(run("info", trained.name, "--json").stdout)["steps"] == [0, 10, 30]
    figures = json.loads(run("evaluate", trained.name, "--json", "--samples", "500").stdout)
    assert set(figures["metrics"]) >= {"elbo/negative", "classes/min_fraction", "diversity/samples"}
    assert figures["missed"] == []


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["info", "mnist_vae_200"], 2, "did you mean 'mnist_vae_20'?"),
        (
            ["sample", "mnist_vae_20", "--step", "77"],
            1,
            "has no checkpoint of step 77; saved steps: 0, 100, 468, 14040",
        ),
        (["sample", "mnist_judge"], 1, "cannot sample images"),
        (["sample", "mnist_vae_20", "-n", "0"], 2, "greater than or equal to 1"),
        (["sample", "mnist_vae_20", "--out", "picture.gif"], 2, "does not end in .png"),
        (["sample", "mnist_vae_20", "--out", "no/such/folder/a.png"], 2, "cannot be written"),
        (["sample", "mnist_vae_20", "--z", "s1*s2"], 2, "Character 3: found '*' between two seeds"),
        (["sample", "pattern_1010_gan", "--z", "s1"], 1, "has no latent vector"),
        (["publish", "nothing", "x"], 2, "unknown checkpoint 'nothing'"),
        (["download", "imagenet"], 2, "unknown data set 'imagenet'"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_mistakes_are_one_clear_line(words: list[str], code: int, text: str) -> None:
    result = run(*words, COLUMNS="300", NO_COLOR="1")
    assert (result.returncode, "Traceback" in result.stderr) == (code, False)
    assert text in result.stderr


@pytest.mark.slow
def test_publish_trims_measures_and_writes_the_card(trained: RunFolder, own_checkpoints: Path) -> None:
    path = publish(trained.name, "tiny_vae", steps=[0, 30], half=True, samples=100)
    assert path == own_checkpoints / "tiny_vae"
    assert sorted(p.name for p in path.iterdir()) == [
        "README.md", "config.json", "metrics.json", "preview.png", "step-000000", "step-000030",
    ]  # fmt: skip
    assert [p.name for p in (path / "step-000030").iterdir()] == ["model.safetensors"]
    info = catalog.describe(path, published=True)
    assert info.steps == (0, 30)
    assert info.metrics["elbo/negative"] > 100
    for word in ("CC BY-SA 3.0", "elbo/negative", "float16", "## Limits", "train_jobs submit vae"):
        assert word in info.card
    facts = read_json(path / "metrics.json")
    assert len(facts["curves"]["loss/total"]) >= 2
    first, middle, last = facts["over_training"]
    assert (first["step"], middle["step"], last["step"]) == (0, 10, 30), "also of steps that are not published"
    assert last["elbo/negative"] == info.metrics["elbo/negative"] < first["elbo/negative"]
    assert first["judge/frechet"] > 0
    row = next(line for line in info.card.splitlines() if line.startswith("| 30 |"))
    assert f"| {last['elbo/negative']:.4g} |" in row

    write_json(path / "metrics.json", {**facts, "over_training": [middle]})
    measure_again("tiny_vae", samples=100)
    found = read_json(path / "metrics.json")["over_training"]
    again, *others = found
    assert others == [middle, last]
    assert again == pytest.approx({key: first[key] for key in first if key != "seconds"}, rel=1e-3), "stored as halves"
    assert "\n| 0 |  | " in (path / "README.md").read_text()
    replaced = publish(trained.name, "tiny_vae", samples=100)
    assert catalog.describe(replaced, published=True).steps == (30,), "an older one is replaced whole"
    assert not [p for p in own_checkpoints.iterdir() if p.name.startswith(".")]


@pytest.mark.slow
def test_a_published_run_does_not_reveal_the_folder_of_own_images(tmp_path: Path, own_checkpoints: Path) -> None:
    packed = packed_photos(tmp_path, title="Cats and dogs", licence="CC0", origin="our garden")
    spec = small_spec("vae", "data.name=hdf5", f"data.path={packed}", "train.max_steps=2", "train.batch_size=4")
    folder = RunFolder.create(runs_root() / "pets-1", spec)
    assert runner.train_folder(folder, device="cpu") == "finished"
    path = publish("pets-1", "pets", samples=100)
    for text in ("README.md", "config.json", "metrics.json"):
        assert str(tmp_path) not in (path / text).read_text()
    info = catalog.describe(path, published=True)
    for word in ("Cats and dogs", "our garden", "CC0", "--set data.path=photos.h5"):
        assert word in info.card
    packed.unlink()
    assert catalog.load("pets").sample(2).shape == (2, 3, 8, 8), "sampling does not need its images"


def test_publish_refuses_and_changes_nothing(trained: RunFolder, own_checkpoints: Path) -> None:
    before = sorted(own_checkpoints.iterdir())
    with pytest.raises(ConfigError, match="is not a valid checkpoint name"):
        publish(trained.name, "../escape")
    with pytest.raises(CheckpointError, match=r"no checkpoint of step \[5\]; saved steps: \[0, 10, 30\]"):
        publish(trained.name, "tiny", steps=[5])
    assert sorted(own_checkpoints.iterdir()) == before


def test_damaged_and_other_folders_are_reported(trained: RunFolder) -> None:
    config = read_json(trained.path / "config.json")
    write_json(trained.path / "config.json", {**config, "format": 99})
    with pytest.raises(CheckpointError, match=r"format version 99, this program reads 3\. Update"):
        catalog.load(trained.name)
    assert trained.name not in [info.name for info in catalog.list_checkpoints()]
    (trained.path / "config.json").write_text("{half")
    with pytest.raises(CheckpointError, match="cannot be read"):
        catalog.load(trained.name)
    write_json(trained.path / "config.json", config)
    weights = trained.step_path(30) / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="damaged; choose another step"):
        catalog.load(trained.name)
    weights.unlink()
    with pytest.raises(CheckpointError, match="missing"):
        catalog.load(trained.name)
    write_json(trained.path / "config.json", {**config, "spec": {**config["spec"], "model": {
        **config["spec"]["model"], "latent_dim": 5}}})  # fmt: skip
    with pytest.raises(CheckpointError, match="do not belong together"):
        catalog.load(trained.name, step=10)
    with pytest.raises(UnknownNameError, match="checkpoints` lists them"):
        catalog.load("nothing")


def test_a_full_disk_loses_nothing(trained: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    from genmodels.runs import checkpoint

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    model = catalog.load(trained.name)
    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(CheckpointError, match=r"No space left.*Earlier checkpoints are intact"):
        checkpoint.save(trained, 40, model)
    assert trained.steps() == [0, 10, 30]
    assert not [p for p in trained.path.iterdir() if p.name.startswith(".tmp")]


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "checkpoints").glob("[a-z]*") if p.is_dir()))
def test_every_published_checkpoint_loads_and_matches_its_card(name: str) -> None:
    info = catalog.describe(catalog.find(name), published=True)
    assert info.published
    assert info.preview is not None
    assert info.licence
    assert "## Measured" in info.card
    for step in info.steps:
        catalog.load(name, step)
    size = sum(path.stat().st_size for path in info.path.rglob("*") if path.is_file())
    assert size < 10_000_000
    text = (info.path / "config.json").read_text()
    assert str(Path.home()) not in text
