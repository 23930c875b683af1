"""The conditional page as Streamlit runs it, what its service draws, and the class pickers of explorer and seeds."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from genmodels import latent
from genmodels.errors import CapabilityError, ConfigError
from genmodels.runs import catalog
from genmodels.seeding import MAX_PAGE_SEED
from genmodels.service import conditional
from genmodels.service.conditional import Cell, ConditionalRequest, PredictedClass, Sheet
from tests.support.pages import open_page
from tests.support.runs import SMALL_CGAN, save_run


@pytest.fixture
def runs(only_judge: Path, own_folders: Path) -> Path:
    """Untrained runs beside the published judge alone."""
    save_run(own_folders, "asked", "mnist_cgan_embedding", *SMALL_CGAN)
    save_run(own_folders, "asked_too", "mnist_cgan_onehot", *SMALL_CGAN)
    save_run(own_folders, "vae", "mnist_vae_20", "data.name=digits")
    return own_folders


def pictures_of(sheet: Sheet) -> torch.Tensor:
    """(rows, columns, height, width), as numbers from 0 to 255."""
    image = Image.open(io.BytesIO(sheet.png))
    rows = len(sheet.cells) // sheet.columns
    assert image.size == (sheet.width * sheet.columns, sheet.height * rows)
    flat = torch.tensor(list(image.tobytes())).view(rows, sheet.height, sheet.columns, sheet.width)
    return flat.permute(0, 2, 1, 3)


def decoded(seed: int, weights: dict[int, float], step: int | None = None) -> torch.Tensor:
    label = torch.zeros(1, 10)
    for number, weight in weights.items():
        label[0, number] = weight
    model = catalog.load("asked", step)
    picture = model.decode(latent.z_of_seed(seed, 8)[None], condition={"label": label})  # type: ignore[operator]
    return picture[0, 0].add(1).mul(127.5).round().long()  # type: ignore[no-any-return]


def near(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal but for rounding: in another batch the last bit of a sum may differ."""
    return int((a - b).abs().max()) <= 1


# --------------------------------------------------------------------- the service


def test_only_models_that_can_be_asked_are_offered(runs: Path) -> None:
    assert [info.name for info in conditional.checkpoints()] == ["asked", "asked_too"]
    assert conditional.checkpoints()[0].condition_names == tuple("0123456789")
    with pytest.raises(CapabilityError, match="vae is not class-conditional"):
        conditional.every_class(ConditionalRequest(model="vae"))


def test_every_class_has_a_column_a_class_and_a_row_a_seed(runs: Path) -> None:
    sheet = conditional.every_class(ConditionalRequest(model="asked", seed=30, step=0))
    pictures = pictures_of(sheet)
    assert pictures.shape[:2] == (10, 10)
    for row, column in ((0, 0), (0, 9), (9, 4)):
        cell = sheet.cells[10 * row + column]
        assert (cell.seed, cell.label) == (30 + row, column)
        assert near(pictures[row, column], decoded(30 + row, {column: 1}, step=0))
    assert not near(pictures[0, 1], pictures[0, 2]), "same seed, another class"
    assert not near(pictures[0, 1], pictures[1, 1]), "same class, another seed"


def test_one_class_is_drawn_from_twelve_seeds(runs: Path) -> None:
    sheet = conditional.one_class(ConditionalRequest(model="asked", seed=5), 7)
    pictures = pictures_of(sheet)
    assert pictures.shape[:2] == (1, 12)
    assert near(pictures[0, 11], decoded(16, {7: 1}))
    assert {cell.label for cell in sheet.cells} == {7}
    with pytest.raises(ConfigError, match=r"label = 10 is not allowed: .* 10 classes, 0 to 9"):
        conditional.one_class(ConditionalRequest(model="asked"), 10)


def test_between_two_classes_the_weight_moves_evenly_and_z_stays(runs: Path) -> None:
    sheet = conditional.between(ConditionalRequest(model="asked", seed=2), 4, 9)
    pictures = pictures_of(sheet)
    assert pictures.shape[:2] == (4, 12)
    for row, column in ((0, 0), (1, 5), (3, 11)):
        share = column / 11
        assert near(pictures[row, column], decoded(2 + row, {4: 1 - share, 9: share}))
    asked = [cell.label for cell in sheet.cells[:12]]
    assert asked == [4, *[None] * 10, 9], "between the ends no class was asked for, so none can be missed"
    same = pictures_of(conditional.between(ConditionalRequest(model="asked"), 3, 3))
    assert near(same[0, 0], same[0, 7])


def test_agreement_counts_what_was_asked_for_and_read() -> None:
    cells = (
        Cell(0, 3, PredictedClass("3", 0.9)),
        Cell(0, 4, PredictedClass("9", 0.6)),
        Cell(0, None, PredictedClass("9", 0.6)),
        Cell(0, 9, PredictedClass("9", 0.6)),
    )
    assert conditional.agreement(Sheet(b"", 28, 28, 2, cells)) == (2, 3)
    assert conditional.agreement(Sheet(b"", 28, 28, 1, (Cell(0, 3, None),))) is None


def test_the_judge_s_readings_are_those_of_the_pictures(runs: Path) -> None:
    from genmodels.evaluation import reference_classifier

    sheet = conditional.every_class(ConditionalRequest(model="asked"))
    pictures = pictures_of(sheet).reshape(100, 1, 28, 28).float().div(127.5).sub(1)
    best, index = reference_classifier.probabilities(pictures).max(1)
    for cell, label, probability in zip(sheet.cells, index.tolist(), best.tolist(), strict=True):
        assert cell.prediction is not None
        if probability > 0.6:
            assert cell.prediction.label == str(label)


def test_downloads_are_pictures_of_what_is_shown(runs: Path) -> None:
    asking = ConditionalRequest(model="asked")
    for png, ratio in (
        (conditional.every_class_png(asking), 1),
        (conditional.one_class_png(asking, 7), 12),
        (conditional.between_png(asking, 4, 9), 3),
    ):
        image = Image.open(io.BytesIO(png))
        assert image.width / image.height == pytest.approx(ratio, rel=0.1)
    gif = Image.open(io.BytesIO(conditional.between_gif(asking, 4, 9, side=28)))
    assert (gif.n_frames, gif.info["loop"]) == (46, 0)
    first = gif.convert("L").tobytes()
    gif.seek(23)
    assert gif.convert("L").tobytes() != first, "at the other end stands the other class"


@pytest.mark.parametrize(
    ("values", "named"), [({"seed": 1.5}, "seed"), ({"seed": "x"}, "seed"), ({"step": -1}, "step")]
)
def test_a_request_out_of_bounds_is_refused_by_name(values: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        ConditionalRequest.parse({"model": "asked", **values})


# --------------------------------------------------------------------- the page


def page(**query: str) -> AppTest:
    return open_page("conditional", **query)


def test_the_page_follows_its_address_and_keeps_it(runs: Path) -> None:
    app = page(model="asked_too")
    assert app.selectbox(key="conditional_model").value == "asked_too"
    assert not app.error
    app.selectbox(key="conditional_model").select("asked").run()
    assert app.query_params["model"] == "asked"
    app.select_slider(key="conditional_step").set_value(0).run()
    assert not app.error
    assert not app.exception
    app.selectbox(key="conditional_model").select("asked_too").run()
    assert app.select_slider(key="conditional_step").value == 10, "another model at its newest step"
    gone = page(model="vae")
    assert "vae" in gone.warning[0].value
    assert gone.query_params["model"] == "asked"


def test_the_judge_s_agreement_is_said(runs: Path) -> None:
    app = page(model="asked")
    right, count = conditional.agreement(conditional.every_class(ConditionalRequest(model="asked", step=10))) or (0, 0)
    assert count == 100
    assert f"Class agreement: {right} of 100" in " ".join(entry.value for entry in app.markdown)


def test_next_twelve_and_other_seeds_move_the_first_seed(runs: Path) -> None:
    app = page(model="asked")
    app.button(key="conditional_more").click().run()
    assert app.number_input(key="conditional_seed").value == 12
    app.number_input(key="conditional_seed").set_value(MAX_PAGE_SEED - conditional.STEPS).run()
    app.button(key="conditional_more").click().run()
    assert app.number_input(key="conditional_seed").value == MAX_PAGE_SEED - conditional.STEPS
    assert app.button(key="conditional_shuffle").label == "New seed"
    app.button(key="conditional_shuffle").click().run()
    assert app.number_input(key="conditional_seed").value < 10_000
    assert not app.error


def test_the_same_class_at_both_ends_is_explained(runs: Path) -> None:
    app = page(model="asked")
    ends = [group for group in app.button_group if group.key in ("conditional_from", "conditional_to")]
    assert [group.value for group in ends] == [4, 9]
    ends[1].set_value(4).run()
    assert "Both ends are the same class" in " ".join(entry.value for entry in app.markdown)


@pytest.mark.parametrize(("classes", "wanted"), [(2, [0, 1]), (3, [0, 2]), (5, [0, 4])])
def test_of_few_classes_the_ends_are_the_first_and_the_last(
    runs: Path, tmp_path: Path, classes: int, wanted: list[int]
) -> None:
    save_kinds(runs, tmp_path / "pictures", "few", classes)
    app = page(model="few")
    ends = [group for group in app.button_group if group.key in ("conditional_from", "conditional_to")]
    assert [group.value for group in ends] == wanted
    assert "Both ends are the same class" not in " ".join(entry.value for entry in app.markdown)


def save_kinds(runs: Path, folder: Path, name: str, classes: int) -> None:
    """An untrained network that can be asked for this many classes, and the folder of pictures it is of."""
    for number in range(classes):
        (folder / f"kind_{number:02}").mkdir(parents=True)
        for index in range(3):
            Image.new("L", (8, 8), 10 * number + index).save(folder / f"kind_{number:02}" / f"{index}.png")
    save_run(
        runs, name, "mnist_cgan_embedding", *SMALL_CGAN[1:], "data.name=image_folder", f"data.path={folder}",
        "data.size=8", "data.channels=1", "train.batch_size=4",
    )  # fmt: skip


def test_many_classes_are_chosen_from_a_list(runs: Path, tmp_path: Path) -> None:
    save_kinds(runs, tmp_path / "pictures", "many", 14)
    app = page(model="many")
    assert app.selectbox(key="conditional_class").options[13] == "kind_13"
    app.selectbox(key="conditional_class").select_index(13).run()
    assert not app.error
    text = " ".join(entry.value for entry in (*app.caption, *app.markdown))
    assert "first 12 of 14" in text
    assert "so class agreement is not shown here" in text
    app.selectbox(key="conditional_model").select("asked").run()
    assert not app.exception, "class 13 is not left standing where there are ten"


def test_an_empty_house_says_what_to_train(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(runs / "nothing"))
    assert "No class-conditional model yet" in page().info[0].value


def test_every_control_has_a_help_text(runs: Path) -> None:
    app = page(model="asked")
    for kind in ("selectbox", "select_slider", "number_input", "button", "button_group"):
        assert app.get(kind), kind
        for element in app.get(kind):
            assert element.help, f"{kind} {element.key} explains nothing"


# --------------------------------------------------------------------- the other pages


def test_the_explorer_asks_for_a_class_and_pins_it(runs: Path) -> None:
    app = open_page("latent", model="asked")
    picker = next(group for group in app.button_group if group.key == "latent_label")
    picker.set_value(7).run()
    app.button(key="latent_pin").click().run()
    assert app.session_state["latent_pins"]["asked"][0][0].label == 7
    next(group for group in app.button_group if group.key == "latent_label").set_value(2).run()
    app.button(key="latent_pin_go_0").click().run()
    assert app.session_state["latent_label"] == 7
    app.selectbox(key="latent_model").select("vae").run()
    assert not [group for group in app.button_group if group.key == "latent_label"]
    assert not app.error
    assert not app.exception


def test_the_seeds_page_asks_for_a_class(runs: Path) -> None:
    app = open_page("seeds", model="asked", seeds="1,2")
    next(group for group in app.button_group if group.key == "seeds_label").set_value(7).run()
    assert not app.error
    assert app.session_state["seeds_label"] == 7
    assert not [group for group in open_page("seeds", model="vae").button_group if group.key == "seeds_label"]


def test_the_gallery_leads_to_the_conditional_page(runs: Path) -> None:
    app = open_page("gallery")
    labels = {button.key: button.label for button in app.button}
    assert labels["gallery_open_asked"] == "Choose a class"
    assert labels["gallery_open_vae"] == "Explore its latent space"
