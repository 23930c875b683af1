"""Classes and splits from folder names; every file is used, or counted with its reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genmodels import data
from genmodels.data.own import packing
from genmodels.data.own.layouts import layout
from genmodels.data.spec import split_rows
from tests.support.picture_files import RED, encoded, own, plain, write_files

PNG = encoded(plain(RED))


def split(train: str, test: str, count: int = 2) -> list[str]:
    return [f"set/{part}/{kind}/{n}.png" for part in (train, test) for kind in ("cat", "dog") for n in range(count)]


# --------------------------------------------------------------------- splits


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training", "testing"), ("training_set", "test_set"), ("Training", "Testing"), ("train", "eval"),
        ("train", "dev"), ("TRAIN", "TEST"), ("trn", "tst"), ("trainset", "testset"), ("TrainingSet", "TestSet"),
        ("train-images", "val-images"), ("train_data", "validation_data"), ("train2017", "val2017"),
        ("seg_train", "seg_test"), ("Train Set", "Held-out set"), ("train", "evaluation"), ("train", "holdout"),
        ("mnist_train", "mnist_test"), ("traindata", "testdata"), ("train_imgs", "valid_imgs"),
        ("trainval", "test"), ("train_val", "test"), ("Training", "PublicTest"),
    ],
)  # fmt: skip
def test_common_names_of_splits_are_recognised(train: str, test: str) -> None:
    for names in (split(train, test), [name.replace("set/", "a/b/c/", 1) for name in split(train, test)]):
        found = layout(names)
        assert found.classes == ("cat", "dog")
        assert found.labels.tolist() == [0, 0, 1, 1] * 2
        assert found.test is not None
        assert found.test.tolist() == [False] * 4 + [True] * 4
        assert not found.left_out


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["train/1.png", "bus/1.png", "car/1.png"], ("bus", "car", "train")),
        (["contest/1.png", "trainer/1.png"], ("contest", "trainer")),
        (["set/train/1.png", "set/extra/1.png"], ("extra", "train")),
        (["trainA/1.png", "trainB/1.png", "testA/1.png", "testB/1.png"], ("testA", "testB", "trainA", "trainB")),
    ],
)
def test_classes_that_look_like_splits_stay_classes(names: list[str], classes: tuple[str, ...]) -> None:
    found = layout(names)
    assert (found.classes, found.test) == (classes, None)


def test_a_split_nested_in_itself_and_a_test_split_without_classes() -> None:
    twice = [f"{part}/{part}/{kind}/{n}.png" for part in ("training_set", "test_set") for kind in "ab" for n in "123"]
    found = layout(twice)
    assert found.classes == ("a", "b")
    assert found.test is not None
    kaggle = [f"train/{kind}/{n}.png" for kind in "ab" for n in range(5)] + [f"test/{n}.png" for n in range(30)]
    found = layout(kaggle)
    assert found.classes == ("a", "b")
    assert found.test is None, "no test image has a class, so a tenth of the training images is held out"
    assert len(found.left_out) == 30
    assert found.labels.tolist() == [0] * 5 + [1] * 5 + [-1] * 30
    prediction = split("seg_train", "seg_test", 9) + [f"set/seg_pred/{n}.png" for n in range(8)]
    found = layout(prediction)
    assert found.classes == ("cat", "dog")
    assert len(found.left_out) == 8
    assert {"training and test split" in reason for reason in found.left_out.values()} == {True}


def test_splits_inside_classes_and_folders_of_one_split_only() -> None:
    inside = [f"{kind}/{part}/{n}.png" for kind in ("cat", "dog") for part in ("train", "test") for n in range(2)]
    found = layout(inside)
    assert found.classes == ("cat", "dog")
    assert found.test is not None
    assert found.test.tolist() == [False, False, True, True] * 2
    several = layout([f"{part}/{kind}/1.png" for part in ("Training", "PublicTest", "PrivateTest") for kind in "ab"])
    assert several.classes == ("a", "b")
    assert several.test is not None
    assert several.test.tolist() == [False, False, True, True, True, True]
    only_test = layout([f"{part}/{kind}/1.png" for part in ("val", "test") for kind in ("cat", "dog")])
    assert (only_test.classes, only_test.test) == (("cat", "dog"), None)


def test_class_names_that_differ_by_case_are_one_class_across_splits_only() -> None:
    across = layout(["Train/Cat/1.png", "Train/Dog/1.png", "Test/cat/1.png", "Test/DOG/1.png"])
    assert (across.classes, across.labels.tolist()) == (("Cat", "Dog"), [0, 1, 0, 1])
    within = layout(["Cat/1.png", "cat/1.png"])
    assert within.classes == ("Cat", "cat")


def test_a_class_only_in_the_test_split_gives_a_note(tmp_path: Path) -> None:
    names = [*split("train", "test", 4), "set/test/bird/1.png"]
    root = write_files(tmp_path / "x", dict.fromkeys(names, PNG))
    done = packing.pack(packing.open_source(root), tmp_path / "x.h5", size=8)
    assert done.classes == ("bird", "cat", "dog")
    assert done.notes == ("1 class has no training image, so a model cannot learn it: 'bird' (test images: 1)",)
    assert done.notes[0] in data.get_spec(own(done.path)).notes
    assert done.notes[0] in data.get_spec(own(root, "image_folder")).notes


# --------------------------------------------------------------------- stray files


@pytest.mark.parametrize("stray", ["cover.png", "deep/cover.png"])
def test_one_stray_image_does_not_remove_the_classes(stray: str) -> None:
    names = [f"deep/{kind}/{n}.png" for kind in ("cat", "dog") for n in range(3)] + [stray]
    found = layout(names)
    assert (found.classes, found.labels.tolist()) == (("cat", "dog"), [0, 0, 0, 1, 1, 1, -1])
    assert list(found.left_out) == [6]
    splits = layout([*split("train", "test"), "set/cover.png", "logo.png"])
    assert splits.classes == ("cat", "dog")
    assert sorted(splits.left_out) == [8, 9]


def test_many_images_outside_few_folders_give_no_classes_and_a_note() -> None:
    found = layout([f"{n}.png" for n in range(20)] + ["old/1.png", "new/1.png"])
    assert (found.classes, found.left_out) == ((), {})
    assert found.labels.tolist() == [0] * 22
    assert found.notes == ("no classes: 20 files are outside the folders 'new', 'old', which hold 2",)
    splits = layout([*split("train", "test", 1), *(f"set/train/{n}.png" for n in range(6))])
    assert (splits.classes, splits.left_out) == ((), {})
    assert splits.notes == ("no classes: 6 files are outside the folders 'cat', 'dog', which hold 2",)


# --------------------------------------------------------------------- classes in the training split


def test_no_class_is_held_out_completely() -> None:
    for seed in range(20):
        labels = np.random.default_rng(seed).integers(0, 12, 40)
        train, test = (split_rows(40, part, labels=labels) for part in ("train", "test"))
        assert set(labels[train]) == set(labels)
        assert sorted([*train, *test]) == list(range(40))
        assert len(test)
    labels = np.arange(20) % 2
    assert split_rows(20, "test", labels=labels).tolist() == split_rows(20, "test").tolist(), "unchanged"
    assert len(split_rows(2, "test", labels=np.array([0, 1]))) == 1
    assert set(split_rows(3, "train", labels=np.array([0, 1, 1]))) >= {0}
