"""The seeds page as Streamlit runs it, and what its service draws; what only a browser shows is tested there."""

from __future__ import annotations

import io
import math
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from genmodels import latent
from genmodels.errors import CapabilityError, ConfigError, GenmodelsError
from genmodels.runs import catalog
from genmodels.service import seeds
from genmodels.service.seeds import SeedsRequest
from tests.support.pages import open_page
from tests.support.runs import save_run


@pytest.fixture
def runs(only_judge: Path, own_folders: Path) -> Path:
    """Untrained runs beside the published judge alone."""
    for name, recipe, *assignments in (
        ("gan", "mnist_gan", "data.name=digits"),
        ("constant", "pattern_1010_gan"),
        ("flat", "mnist_vae_20", "data.name=digits", "model.latent_dim=2"),
        ("line", "mnist_vae_20", "data.name=digits", "model.latent_dim=1"),
    ):
        save_run(own_folders, name, recipe, *assignments)
    return own_folders


def seeds_page(**query: str) -> AppTest:
    return open_page("seeds", **query)


def tiles_of(sheet: seeds.Sheet) -> torch.Tensor:
    image = Image.open(io.BytesIO(sheet.png))
    assert image.size == (sheet.width * len(sheet.tiles), sheet.height)
    rows = torch.tensor(list(image.tobytes())).view(sheet.height, len(sheet.tiles), sheet.width)
    return rows.permute(1, 0, 2)


def decoded(model: str, z: torch.Tensor) -> torch.Tensor:
    return catalog.load(model).decode(z[None])[0, 0].detach().add(1).mul(127.5).round().long()


# --------------------------------------------------------------------- the service


def test_the_ways_start_and_end_at_the_seeds_and_only_the_straight_one_dips(runs: Path) -> None:
    study = SeedsRequest(model="gan", seeds=(12, 7, 3))
    ends = [latent.z_of_seed(seed, 100) for seed in (7, 3)]
    for kind in ("linear", "spherical"):
        sheet = seeds.interpolation(study, 1, kind)
        assert len(sheet.tiles) == 12
        pictures = tiles_of(sheet)
        for picture, z in zip((pictures[0], pictures[-1]), ends, strict=True):
            assert (picture - decoded("gan", z)).abs().max() <= 1
    straight = [tile.norm for tile in seeds.interpolation(study, 1, "linear").tiles]
    curved = [tile.norm for tile in seeds.interpolation(study, 1, "spherical").tiles]
    low, high = sorted(float(z.norm()) for z in ends)
    assert min(straight) < 0.8 * low
    assert low * 0.99 <= min(curved) <= max(curved) <= high * 1.01
    fifth = latent.lerp(*ends, 5 / 11)
    assert straight[5] == pytest.approx(float(fifth.norm()), rel=1e-5)


def test_an_equation_has_its_seeds_and_its_value(runs: Path) -> None:
    found = seeds.arithmetic(SeedsRequest(model="gan"), "s12 - s7 + 0.5*s3")
    assert found.weights == ((12, 1.0), (7, -1.0), (3, 0.5))
    z = latent.z_of_seed(12, 100) - latent.z_of_seed(7, 100) + 0.5 * latent.z_of_seed(3, 100)
    pictures = tiles_of(found.sheet)
    assert (pictures[-1] - decoded("gan", z)).abs().max() <= 1
    assert (pictures[1] - decoded("gan", latent.z_of_seed(7, 100))).abs().max() <= 1
    assert found.sheet.tiles[-1].norm == pytest.approx(float(z.norm()), rel=1e-5)


def test_renormalising_scales_to_the_root_of_d_and_leaves_zero_alone(runs: Path) -> None:
    study = SeedsRequest(model="gan", renormalise=True)
    tile = seeds.arithmetic(study, "s1 + s2").sheet.tiles[-1]
    assert tile.norm > 12
    assert tile.decoded_norm == pytest.approx(10, rel=1e-4)
    direction = latent.z_of_seed(1, 100) + latent.z_of_seed(2, 100)
    expected = decoded("gan", direction * (10 / direction.norm()))
    assert (tiles_of(seeds.arithmetic(study, "s1 + s2").sheet)[-1] - expected).abs().max() <= 1
    nothing = seeds.arithmetic(study, "s1 - s1").sheet.tiles[-1]
    assert (nothing.norm, nothing.decoded_norm) == (0, 0)


def test_the_table_is_the_book_s(runs: Path) -> None:
    study = SeedsRequest(model="gan", seeds=(5, 6, 7))
    sheet = seeds.table(study)
    a, b = (latent.z_of_seed(seed, 100) for seed in (6, 7))
    pictures = tiles_of(sheet)
    assert len(pictures) == 2 * len(seeds.COLUMNS)
    for index, z in enumerate((a, b, (a + b) / 2, a + b, a - b)):
        assert (pictures[5 + index] - decoded("gan", z)).abs().max() <= 1
    assert sheet.tiles[8].norm == pytest.approx(2 * sheet.tiles[7].norm, rel=1e-5)
    assert all(tile.prediction and tile.prediction.label.isdigit() for tile in sheet.tiles)


@pytest.mark.parametrize(("model", "dim"), [("flat", 2), ("line", 1)])
def test_small_latent_spaces_work_too(runs: Path, model: str, dim: int) -> None:
    study = SeedsRequest(model=model, seeds=(1, 2), renormalise=True)
    for sheet in (seeds.interpolation(study, 0, "spherical"), seeds.table(study)):
        assert all(tile.decoded_norm == pytest.approx(math.sqrt(dim), rel=1e-4) for tile in sheet.tiles)


def test_downloads_are_pictures_of_what_is_shown(runs: Path) -> None:
    study = SeedsRequest(model="gan", seeds=(1, 2, 3))
    strip = Image.open(io.BytesIO(seeds.interpolations_png(study, 0)))
    assert strip.format == "PNG"
    assert strip.width / strip.height == pytest.approx(12 / 2, rel=0.1)
    table = Image.open(io.BytesIO(seeds.table_png(study)))
    assert table.width / table.height == pytest.approx(5 / 2, rel=0.1)
    gif = Image.open(io.BytesIO(seeds.seeds_gif(study)))
    assert (gif.format, gif.n_frames) == ("GIF", 48)


def test_requests_out_of_bounds_are_refused(runs: Path) -> None:
    with pytest.raises(CapabilityError, match="generates from a constant"):
        seeds.table(SeedsRequest(model="constant"))
    with pytest.raises(GenmodelsError, match="pair 1 is not one of the 1 pairs"):
        seeds.interpolation(SeedsRequest(model="gan"), 1, "linear")
    for wrong in ((1,), tuple(range(9)), (1, 1.5), (1, "x")):
        with pytest.raises(ConfigError, match="seeds"):
            SeedsRequest.parse({"model": "gan", "seeds": wrong})


# --------------------------------------------------------------------- the page


def test_the_address_is_honoured_and_kept(runs: Path) -> None:
    app = seeds_page(model="flat", seeds="4,9,4, 11", z="s4 - s9")
    assert app.selectbox(key="seeds_model").value == "flat"
    assert app.multiselect(key="seeds_list").value == ["4", "9", "11"]
    assert app.text_input(key="seeds_expression").value == "s4 - s9"
    assert not app.error
    app.multiselect(key="seeds_list").set_value(["4", "9", "123"]).run()
    app.text_input(key="seeds_expression").set_value("s123").run()
    assert app.query_params["seeds"] == "4,9,123"
    assert app.query_params["z"] == "s123"
    assert app.button_group[0].label == "From and to"


def test_everything_is_still_there_after_a_look_at_another_page(runs: Path) -> None:
    app = seeds_page(model="flat", seeds="4,9,11", z="s4 - s9")
    app.toggle(key="seeds_renormalise").set_value(True).run()
    app.switch_page("gallery.py").run()
    for name in ("model", "seeds", "z"):  # a click in the navigation leaves the address of the page behind
        app.query_params.pop(name, None)
    app.switch_page("seeds.py").run()
    assert not app.exception
    assert app.selectbox(key="seeds_model").value == "flat"
    assert app.multiselect(key="seeds_list").value == ["4", "9", "11"]
    assert app.text_input(key="seeds_expression").value == "s4 - s9"
    assert app.toggle(key="seeds_renormalise").value is True
    assert app.query_params["z"] == "s4 - s9"


@pytest.mark.slow
@pytest.mark.parametrize("word", ["abc", "--1", "1.5", "1e6", "９", "9" * 5000, "<b>1</b>"])  # noqa: RUF001
def test_what_is_no_seed_is_refused_and_the_rest_kept(runs: Path, word: str) -> None:
    app = seeds_page(model="gan", seeds="1,2")
    app.multiselect(key="seeds_list").set_value(["1", word, "2"]).run()
    assert app.multiselect(key="seeds_list").value == ["1", "2"]
    assert "A seed is a whole number" in app.warning[0].value
    assert len(app.warning[0].value) < 400
    app.run()
    assert not app.warning, "told once"


def test_too_many_and_too_few_seeds_are_explained(runs: Path) -> None:
    app = seeds_page(model="gan", seeds=",".join(map(str, range(12))))
    assert len(app.multiselect(key="seeds_list").value) == 8
    assert "at most 8" in app.warning[0].value
    assert app.button(key="seeds_more").disabled
    app.multiselect(key="seeds_list").set_value(["1"]).run()
    assert "Interpolation needs two seeds" in app.info[0].value
    app.multiselect(key="seeds_list").set_value([]).run()
    assert "Interpolation needs two seeds" in app.info[0].value
    app.button(key="seeds_randomise").click().run()
    assert len(set(app.multiselect(key="seeds_list").value)) == 4
    assert not app.info
    assert not app.exception


def test_randomise_carries_the_expression_along_and_one_more_is_added(runs: Path) -> None:
    app = seeds_page(model="gan", seeds="1,12,3", z="s12 - s1 + 0.5*s77")
    app.button(key="seeds_randomise").click().run()
    first, second, third = app.multiselect(key="seeds_list").value
    assert {first, second, third} != {"1", "12", "3"}
    assert app.text_input(key="seeds_expression").value == f"s{second} - s{first} + 0.5*s77"
    app.button(key="seeds_more").click().run()
    assert app.multiselect(key="seeds_list").value[:3] == [first, second, third]
    assert len(set(app.multiselect(key="seeds_list").value)) == 4


def test_a_mistake_is_shown_with_its_place(runs: Path) -> None:
    app = seeds_page(model="gan", seeds="1,2", z="s1*s2")
    assert "between two seeds" in app.error[0].value
    assert app.code[0].value == "s1*s2\n  ^"
    for text in ("__import__('os')", "(" * 200, "", "1e999", "s1/0", "`s1`", "$s1$", "~~~~"):
        app.text_input(key="seeds_expression").set_value(text).run()
        assert len(app.error) == 1, text
        assert not app.exception, text
    app.button(key="seeds_try_sum").click().run()
    assert app.text_input(key="seeds_expression").value == "s1 + s2"
    assert not app.error


def test_a_long_expression_in_the_address_is_cut_and_said_so(runs: Path) -> None:
    app = seeds_page(model="gan", seeds="1,2", z="s1" + "+s1" * 1000)
    assert "longer than 200" in app.warning[0].value
    assert len(app.text_input(key="seeds_expression").value) == 200


def test_the_page_says_where_the_vector_lies(runs: Path) -> None:
    app = seeds_page(model="gan", seeds="1,2", z="s1")
    shown_text = " ".join(entry.value for entry in app.markdown)
    assert "inside the 95 % range" in shown_text
    assert "√100 = 10.0" in shown_text
    for text, verdict in (("s1 + s2", "larger than nearly all"), ("0.5*s1", "smaller than nearly all")):
        app.text_input(key="seeds_expression").set_value(text).run()
        assert verdict in " ".join(entry.value for entry in app.markdown)
    app.toggle(key="seeds_renormalise").set_value(True).run()
    assert "the norm is 10.0" in " ".join(entry.value for entry in app.markdown)


def test_a_small_space_is_not_said_to_have_a_thin_shell(runs: Path) -> None:
    shown_text = " ".join(entry.value for entry in seeds_page(model="line", seeds="1,2", z="s1").markdown)
    assert "concentrate only in many dimensions" in shown_text
    assert "nearly every z has a norm near" not in shown_text


def test_an_autoencoder_is_not_said_to_know_random_vectors(runs: Path) -> None:
    save_run(runs, "codes", "mnist_autoencoder", "data.name=digits")
    shown_text = {
        name: " ".join(entry.value for entry in seeds_page(model=name, z="s1").markdown) for name in ("gan", "codes")
    }
    assert "never trained on random z" in shown_text["codes"]
    assert "trained on z of such norms" not in shown_text["codes"]
    assert "trained on z of such norms" in shown_text["gan"]


def test_a_constant_generator_has_nothing_to_do(runs: Path) -> None:
    app = seeds_page(model="constant")
    assert "Nothing to do here" in app.info[0].value
    assert not [button for button in app.button if button.key == "seeds_table"]


def test_the_table_comes_at_one_click_and_goes_at_the_next(runs: Path) -> None:
    app = seeds_page(model="gan", seeds="1,2,3")
    for label in ("Hide the table", "Show the table"):
        app.button(key="seeds_table").click().run()
        assert app.button(key="seeds_table").label == label
        assert not app.error


def test_an_unknown_model_is_reported_and_an_empty_house_says_what_to_do(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = seeds_page(model="gone")
    assert "gone" in app.warning[0].value
    assert app.query_params["model"] != "gone"
    monkeypatch.setenv("GENMODELS_RUNS", str(runs / "nothing"))
    assert "No model with a latent space yet" in seeds_page().info[0].value


def test_every_control_has_a_help_text(runs: Path) -> None:
    app = seeds_page(model="gan", seeds="1,2,3")
    for kind in ("selectbox", "multiselect", "text_input", "toggle", "button", "button_group"):
        assert app.get(kind), kind
        for element in app.get(kind):
            assert element.help, f"{kind} {element.key} explains nothing"


def test_a_run_deleted_meanwhile_is_named_once(runs: Path) -> None:
    app = seeds_page(model="flat")
    shutil.rmtree(runs / "flat")
    app.run()
    assert "called “flat”" in app.warning[0].value
    assert app.selectbox(key="seeds_model").value != "flat"
    assert not app.run().warning
