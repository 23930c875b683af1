"""The classify page's requests, backquery itself, and the page as Streamlit runs it."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.errors import CapabilityError, ConfigError, DataError, UnknownNameError
from genmodels.evaluation import activation_maximisation
from genmodels.evaluation.activation_maximisation import Ascent, AscentSettings
from genmodels.images import drawing
from genmodels.images.drawing import EmptyDrawingError
from genmodels.runs import catalog, checkpoint
from genmodels.service import classify
from genmodels.service.classify import typical as classify_typical
from genmodels.service.classify.typical import TypicalRequest
from pages.components.model_choice import option
from pages.parts.classify import mistakes
from tests.conftest import digit_batch, small_model
from tests.support.digits import drawn_seven, to_digit
from tests.support.pages import open_page, page_text, visible
from tests.support.runs import save_run, set_training_data


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Untrained classifiers, a VAE, and no published ones."""
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))  # no MNIST: the embedded digits are used
    for name in ("mnist_mlp_baseline", "mnist_mlp_combined", "mnist_cnn"):
        save_run(tmp_path / "runs", f"my_{name}", name, "data.name=digits", steps=(10,))
    save_run(tmp_path / "runs", "my_softmax", "mnist_judge", "data.name=digits", steps=(10,))
    save_run(tmp_path / "runs", "vae", "mnist_vae_20", "data.name=digits", steps=(10,))
    return tmp_path / "runs"


NAMES = ("my_mnist_cnn", "my_mnist_mlp_baseline", "my_mnist_mlp_combined", "my_softmax")


# ------------------------------------------------------------------------------ what a model says


@pytest.mark.parametrize(
    ("family", "settings", "expected"),
    [
        ("mlp_classifier", {"loss": "mse", "output": "sigmoid"}, torch.sigmoid),
        ("mlp_classifier", {"loss": "bce", "output": "sigmoid"}, torch.sigmoid),
        (
            "mlp_classifier",
            {"loss": "mse", "output": "leaky_relu"},
            lambda logits: torch.where(logits > 0, logits, 0.02 * logits).clamp(0, 1),
        ),
        ("mlp_classifier", {"loss": "cross_entropy", "output": "none"}, lambda logits: logits.softmax(1)),
        ("cnn_classifier", {"loss": "bce"}, torch.sigmoid),
        ("cnn_classifier", {"loss": "cross_entropy"}, lambda logits: logits.softmax(1)),
    ],
)
def test_probabilities_are_what_the_loss_squashed(family: str, settings: dict[str, str], expected: object) -> None:
    model = small_model(family, **settings).eval()
    with torch.inference_mode():
        x = digit_batch()["image"]
        found = model.probabilities(x)
        assert torch.allclose(found, expected(model.classify(x)))
    assert found.min() >= 0
    assert found.max() <= 1


def test_all_classifiers_answer_in_one_request(runs: Path) -> None:
    found = classify.classify(NAMES, ink=drawn_seven())
    x = drawing.to_mnist(drawn_seven()).unsqueeze(0)
    assert [answer.name for answer in found.predictions] == list(NAMES)
    for answer in found.predictions:
        expected = catalog.load(answer.name).probabilities(x)[0]
        assert answer.probabilities == pytest.approx(expected.tolist(), abs=1e-5)
        assert answer.total == pytest.approx(sum(answer.probabilities), abs=1e-5)
        assert answer.top == int(expected.argmax())
    assert found.predictions[-1].total == pytest.approx(1.0, abs=1e-5), "a softmax"
    assert abs(found.predictions[1].total - 1) > 0.1, "ten outputs of their own"
    assert torch.equal(to_digit(found.prepared), x.add(1).mul(127.5).round().long())
    assert found.label == ""


def test_a_family_without_probabilities_answers_with_its_softmax() -> None:
    model = small_model("darknet", image_shape=(1, 28, 28)).eval()
    x = digit_batch()["image"]
    with torch.inference_mode():
        assert torch.allclose(classify.outputs(model, x), model.classify(x).softmax(1))


def test_a_test_digit_comes_with_its_class(runs: Path) -> None:
    arrays = data.load(DataConfig(), "test")
    found = classify.classify(("my_softmax",), index=5)
    assert found.label == str(int(arrays.labels[5]))
    assert np.array_equal(to_digit(found.prepared)[0, 0].numpy(), arrays.images[5, 0])
    assert classify.digit_count() == len(arrays.images)


def test_what_cannot_be_asked_is_refused(runs: Path) -> None:
    with pytest.raises(EmptyDrawingError):
        classify.classify(NAMES, ink=np.zeros((140, 140), np.uint8))
    with pytest.raises(DataError, match="test digit 500"):
        classify.classify(NAMES, index=500)
    with pytest.raises(CapabilityError, match="vae is not a classifier"):
        classify.classify(("vae",), index=0)
    with pytest.raises(CapabilityError, match="9 classifiers"):
        classify.classify(("my_softmax",) * 9, index=0)
    with pytest.raises(UnknownNameError, match="not paths"):
        classify.classify(("../runs/vae",), index=0)


def test_only_classifiers_of_digits_are_offered(runs: Path) -> None:
    save_run(runs, "colours", "mnist_mlp_baseline", "data.name=digits", steps=(0,))
    set_training_data(runs, "colours", "cifar10", (3, 32, 32))
    assert sorted(info.name for info in classify.classifiers()) == sorted(NAMES)
    with pytest.raises(CapabilityError, match="other pictures"):
        classify.classify(("colours",), index=0)


# ------------------------------------------------------------------------------ backquery


class Planes(torch.nn.Module):
    """A linear classifier whose best picture is known: class c likes pixel c and nothing else."""

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :10] * 5


def climb(settings: AscentSettings, start: str = "grey") -> torch.Tensor:
    mean = torch.full((1, 4, 4), 0.25)
    pictures = activation_maximisation.initial_images(start, mean, 10)
    ascent = Ascent(pictures, torch.arange(10), settings, mean, torch.full((1, 4, 4), 0.1))
    while not ascent.done:
        ascent.step(Planes())
    return ascent.images.add(1).mul(0.5)


def test_the_ascent_finds_the_picture_a_linear_classifier_likes_best() -> None:
    found = climb(AscentSettings(steps=100, lr=0.1)).flatten(1)
    own = found[torch.arange(10), torch.arange(10)]
    assert torch.all(own == 1), "the wanted class's pixel is white"
    others = found[:, :10].masked_fill(torch.eye(10, dtype=torch.bool), 0)
    assert others.max() < 0.5, "those of other classes become darker"
    assert torch.all(found[:, 10:] == 0.5), "pixels that say nothing stay as they were"


def test_regularisation_pulls_to_the_mean_and_smooths() -> None:
    free, held = climb(AscentSettings(steps=100, lr=0.1)), climb(AscentSettings(steps=100, lr=0.1, l2=40, tv=4))
    assert torch.all(activation_maximisation.total_variation(held) < activation_maximisation.total_variation(free))
    assert (held.flatten(1)[:, 10:] - 0.25).abs().max() < 0.2, "the mean, not the grey it began with"


def test_total_variation_and_blur_by_hand() -> None:
    x = torch.zeros(1, 1, 2, 3)
    x[..., 0, 0] = 1
    # one of three vertical and one of four horizontal neighbours differ by 1
    assert float(activation_maximisation.total_variation(x)) == pytest.approx(1 / 3 + 1 / 4)
    point = torch.zeros(1, 1, 9, 9)
    point[..., 4, 4] = 1
    soft = activation_maximisation.blurred(point, 1.0)
    assert float(soft.sum()) == pytest.approx(1, abs=1e-5)
    ratio = float(soft[0, 0, 4, 5] / soft[0, 0, 4, 4])
    assert ratio == pytest.approx(np.exp(-0.5), rel=1e-4)


def test_a_backquery_raises_the_wanted_output(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = classify_typical.typical(TypicalRequest(model="my_mnist_mlp_combined", start="noise"))
    assert [typical.label for typical in found.free] == [str(digit) for digit in range(10)]
    assert all(typical.own.label == typical.label for typical in found.free), "led by nothing else"
    assert all(typical.judged is None for typical in found.free), "no judge is published here"
    rough, smooth = (
        torch.cat([to_digit(typical.png) for typical in row]).float().diff(dim=3).abs().mean()
        for row in (found.free, found.smooth)
    )
    assert smooth < 0.6 * rough
    again = classify_typical.typical(TypicalRequest(model="my_mnist_mlp_combined", start="noise"))
    assert again is found, "kept once made"
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "load_model", lambda *_: pytest.fail("what is kept needs no weights"))
        assert classify_typical.typical(TypicalRequest(model="my_mnist_mlp_combined", start="noise")) is found
    other = classify_typical.typical(TypicalRequest(model="my_mnist_mlp_combined", start="grey"))
    assert other.free[0].png != found.free[0].png


def test_a_backquery_out_of_bounds_is_refused(runs: Path) -> None:
    with pytest.raises(ConfigError, match="start"):
        TypicalRequest.parse({"model": "x", "start": "black"})
    with pytest.raises(CapabilityError, match="vae is not a classifier"):
        classify_typical.typical(TypicalRequest(model="vae"))


# ------------------------------------------------------------------------------ mistakes


def test_the_confusion_matrix_counts_every_test_digit(runs: Path) -> None:
    arrays = data.load(DataConfig(), "test")
    with torch.inference_mode():
        values = catalog.load("my_mnist_cnn").probabilities(to_float(torch.from_numpy(arrays.images.copy())))
    read = values.argmax(1).numpy()
    found = classify.confusion("my_mnist_cnn")
    for true in range(10):
        for guess in range(10):
            assert found.counts[true][guess] == int(((arrays.labels == true) & (read == guess)).sum())
    assert found.total == len(arrays.labels)
    assert found.accuracy == pytest.approx(float((read == arrays.labels).mean()))
    surest = np.sort(values.max(1).values.numpy()[read != arrays.labels])[::-1][:12]
    assert [mistake.predicted.probability for mistake in found.worst] == pytest.approx(surest.tolist(), abs=1e-5)
    for mistake in found.worst:
        assert mistake.label == str(int(arrays.labels[mistake.index])) != mistake.predicted.label
        assert np.array_equal(to_digit(mistake.png)[0, 0].numpy(), arrays.images[mistake.index, 0])


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2.1 defines it."""
    shares = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("theme", "page"), [("light", (252, 250, 247)), ("dark", (19, 24, 28))])
def test_counts_can_be_read_on_the_strongest_cell(runs: Path, theme: str, page: tuple[int, int, int]) -> None:
    matrix = mistakes.figure(classify.confusion("my_mnist_cnn"), theme)
    wrong = [count for row in classify.confusion("my_mnist_cnn").counts for count in row if count]
    assert len(matrix.layout.annotations) == len(wrong)
    red, green, blue, alpha = (float(one) for one in matrix.data[0].colorscale[1][1][5:-1].split(","))
    cell = "#" + "".join(
        f"{round(alpha * ink + (1 - alpha) * paper):02x}"
        for ink, paper in zip((red, green, blue), page, strict=True)
    )  # fmt: skip
    for text in matrix.layout.annotations:
        for under in (cell, "#" + "".join(f"{one:02x}" for one in page)):
            low, high = sorted((luminance(text.font.color), luminance(under)))
            assert (high + 0.05) / (low + 0.05) > 4.5


# ------------------------------------------------------------------------------ the page


def test_without_a_classifier_the_page_says_what_to_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENMODELS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    assert "No classifier of digits yet" in open_page("classify").info[0].value


@pytest.mark.parametrize("part", ["ask", "typical", "mistakes"])
def test_every_part_opens_from_its_address(runs: Path, part: str) -> None:
    app = open_page("classify", part=part)
    assert not app.error
    assert app.segmented_control(key="classify_part").value == part
    for kind in ("selectbox", "multiselect", "segmented_control", "number_input", "button"):
        for element in getattr(app, kind):
            assert element.help, f"{kind} {element.key} explains nothing"


def test_a_test_digit_is_put_to_all_and_the_count_of_right_ones_told(runs: Path) -> None:
    app = open_page("classify")
    app.segmented_control(key="classify_source").set_value("example").run()
    app.number_input(key="classify_index").set_value(7).run()
    answers = classify.classify(NAMES, index=7)
    right = sum(str(answer.top) == answers.label for answer in answers.predictions)
    assert f"It is a **{answers.label}**: {right} of 4 are right." in page_text(app)
    app.button(key="classify_another").click().run()
    assert not app.exception


def test_the_page_opens_with_a_digit_that_a_stroke_or_clearing_replaces(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    app = open_page("classify")
    assert "All 8 read **3**" in page_text(app)
    assert not app.info
    app.session_state["classify_canvas_kept"] = {"ink": ""}
    assert "Nothing is drawn yet" in app.run().info[0].value, "cleared"
    seven = base64.b64encode(drawn_seven().tobytes()).decode()
    app.session_state["classify_canvas_kept"] = {"ink": seven}
    assert "read **7**" in page_text(app.run())


def test_disagreement_is_said(runs: Path) -> None:
    def tops(sent: str) -> list[int]:
        return [answer.top for answer in classify.classify(NAMES, ink=drawing.from_canvas(sent)).predictions]

    # Four classifiers that have learned nothing: of fifty digits they read one differently.
    drawn = (_sent(classify.classify(NAMES, index=index).prepared) for index in range(50))
    sent = next(sent for sent in drawn if len({*tops(sent)}) > 1)
    app = open_page("classify")
    app.session_state["classify_canvas_kept"] = {"ink": sent}
    app.run()
    assert "They disagree" in page_text(app)
    assert "All 4 read" not in page_text(app)


def _sent(png: bytes) -> str:
    """A picture as the canvas would report it."""
    side = drawing.CANVAS_SIDE
    grey = np.asarray(Image.open(io.BytesIO(png)).resize((side, side)))
    return base64.b64encode(np.ascontiguousarray(grey).tobytes()).decode()


def test_nobody_chosen_and_an_upload_that_is_no_picture(runs: Path) -> None:
    app = open_page("classify")
    app.segmented_control(key="classify_source").set_value("upload").run()
    app.file_uploader(key="classify_upload").upload("digit.png", b"text renamed", "image/png").run()
    assert not app.exception
    refusal = (
        "this picture cannot be read: not a PNG, JPEG, WEBP, BMP, GIF, TIFF or AVIF picture; save it as one of these"
    )
    assert [refusal in visible(error.value) for error in app.error] == [True]
    assert not app.info, "the picture is not missing, it was refused"
    app.multiselect(key="classify_models").set_value([]).run()
    assert not app.exception
    assert "No classifier selected" in page_text(app)


def test_an_uploaded_digit_is_read(runs: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(255 - drawn_seven()).save(buffer, "PNG")
    app = open_page("classify")
    app.segmented_control(key="classify_source").set_value("upload").run()
    app.file_uploader(key="classify_upload").upload("digit.png", buffer.getvalue(), "image/png").run()
    assert not app.error
    same = len(
        {answer.top for answer in classify.classify(NAMES, ink=drawing.from_file(buffer.getvalue())).predictions}
    )
    assert ("All 4 read" if same == 1 else "They disagree") in page_text(app)


def test_the_address_names_the_classifier(runs: Path) -> None:
    app = open_page("classify", part="mistakes", model="my_mnist_cnn")
    assert app.selectbox(key="classify_model").value == "my_mnist_cnn"
    accuracy = f"{100 * classify.confusion('my_mnist_cnn').accuracy:.1f} %"
    assert accuracy in page_text(app)
    gone = open_page("classify", part="mistakes", model="gone")
    assert "gone" in gone.warning[0].value


def test_who_has_met_the_digits_is_not_said_to_be_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GENMODELS_DATA", str(tmp_path / "data"))
    save_run(tmp_path / "runs", "held_out", "mnist_cnn", "data.name=digits", steps=(10,))
    assert (classify.is_unseen("mnist_cnn"), classify.is_unseen("held_out")) == (False, True)
    app = open_page("classify", part="mistakes", model="mnist_cnn")
    assert "was trained on these digits" in app.warning[0].value
    assert "it was trained on are read correctly" in page_text(app)
    card = next(info for info in classify.classifiers() if info.name == "mnist_cnn").metrics["accuracy"]
    assert f"it read **{100 * card:.1f} %** correctly when it was published" in page_text(app)
    own = open_page("classify", part="mistakes", model="held_out")
    assert not own.warning
    assert "test split." in page_text(own)


def test_a_run_is_marked_as_ones_own(runs: Path) -> None:
    assert all("your run" in option(info) for info in classify.classifiers())
