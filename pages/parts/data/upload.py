"""A data set of own images: upload, settings, preview of the result, packing, and the report."""

from __future__ import annotations

from typing import cast

import streamlit as st

import train_jobs
from genmodels.data.formats import image_files
from genmodels.errors import GenmodelsError
from genmodels.service import datasets
from genmodels.service.datasets import Upload, UploadReport, UploadSettings
from pages.components import address, upload_limits
from pages.components.i18n import t
from pages.components.theme import friendly_errors, plain

_CONTAINERS = (".heic", ".heif", ".zip", ".npz", ".csv", ".gz", ".idx3-ubyte", ".idx1-ubyte", ".h5", ".hdf5", ".h5py")
_SUFFIXES = [suffix.removeprefix(".") for suffix in (*image_files.SUFFIXES, *_CONTAINERS)]
_BACKGROUNDS = {"black": 0, "grey": 128, "white": 255}
_MAX_TITLE, _MAX_LICENCE, _NAMED = 60, 500, 100


def show() -> None:
    """Show the form; after packing, the page shows the new set."""
    st.markdown(t("data.upload.intro"))
    if train_jobs.public_mode():
        st.info(t("data.upload.public"), icon=":material/lock:")
        return
    left, right = st.columns([6, 5], gap="large")
    with left:
        uploads = _uploads()
    with right:
        fields = _settings()
    if not uploads:
        st.markdown(f"**{t('data.upload.folders_title')}**")
        st.code(t("data.upload.folders_example"), language=None)
        st.caption(t("data.upload.folders"))
        return
    with friendly_errors():
        kind = datasets.kind_of(uploads)
        st.markdown(f"**{t('data.upload.plan_title')}**")
        st.markdown(_plan(kind, uploads, fields))
        st.caption(t("data.upload.plan_note"))
        if st.button(
            t("data.upload.pack"),
            key="data_pack",
            type="primary",
            icon=":material/inventory_2:",
            help=t("data.upload.pack_help"),
        ):
            _pack(uploads, fields)


def _uploads() -> list[Upload]:
    # A new key after each packing empties the uploader, which holds the files in memory.
    number = st.session_state.setdefault("data_round", 0)
    key = f"data_files_{number}"
    files = st.file_uploader(
        t("data.upload.files"),
        _SUFFIXES,
        accept_multiple_files=True,
        key=key,
        help=t("data.upload.files_help", count=f"{datasets.MAX_FILES:,}", mb=datasets.MAX_UPLOAD_BYTES >> 20),
    )
    upload_limits.accept(
        key,
        files,
        megabytes=st.get_option("server.maxUploadSize"),
        files=datasets.MAX_FILES,
        total_megabytes=datasets.MAX_UPLOAD_BYTES >> 20,
    )
    return [Upload(file.name, file, file.size) for file in files or ()]


def _settings() -> dict[str, object]:
    first, second = st.columns(2, vertical_alignment="bottom")
    third, fourth = st.columns(2, vertical_alignment="bottom")
    title = first.text_input(
        t("data.upload.name"),
        key="data_name",
        max_chars=_MAX_TITLE,
        placeholder=t("data.upload.name_empty"),
        help=t("data.upload.name_help"),
    )
    licence = second.text_input(
        t("data.upload.licence"),
        key="data_licence",
        max_chars=_MAX_LICENCE,
        placeholder=t("data.upload.licence_empty"),
        help=t("data.upload.licence_help"),
    )
    size = third.selectbox(
        t("data.upload.size"),
        datasets.SIZES,
        index=datasets.SIZES.index(64),
        format_func=lambda value: t("data.upload.size_option", size=value),
        key="data_size",
        help=t("data.upload.size_help"),
    )
    colours = fourth.segmented_control(
        t("data.upload.colours"),
        ("colour", "grey"),
        format_func=lambda value: t(f"data.upload.colour_options.{value}"),
        default="colour",
        required=True,
        key="data_colours",
        help=t("data.upload.colours_help"),
        width="stretch",
    )
    background = st.segmented_control(
        t("data.upload.background"),
        tuple(_BACKGROUNDS),
        format_func=lambda value: t(f"data.upload.background_options.{value}"),
        default="black",
        required=True,
        key="data_background",
        help=t("data.upload.background_help"),
    )
    return {
        "title": title.strip() or t("data.upload.name_empty"),
        "size": size,
        "grey": colours == "grey",
        "background": _BACKGROUNDS[str(background)],
        "licence": licence.strip(),
    }


def _plan(kind: str, uploads: list[Upload], fields: dict[str, object]) -> str:
    size, grey = cast(int, fields["size"]), bool(fields["grey"])
    megabytes = sum(upload.size for upload in uploads) / 1e6
    return t(
        f"data.upload.plan.{kind}",
        count=f"{len(uploads):,}",
        mb=f"{megabytes:.1f}",
        size=size,
        colour=t("data.upload.colour_options.grey" if grey else "data.upload.colour_options.colour"),
        packed=f"{len(uploads) * size * size * (1 if grey else 3) / 1e6:.1f}",
    )


def _pack(uploads: list[Upload], fields: dict[str, object]) -> None:
    bar = st.progress(0.0, t("data.upload.opening"))

    def progress(done: int, total: int) -> None:
        bar.progress(done / total, t("data.upload.packing", done=f"{done:,}", total=f"{total:,}"))

    try:
        result = datasets.upload(uploads, UploadSettings.parse(fields), progress)
    except GenmodelsError:
        bar.empty()
        raise
    memory = st.session_state
    memory["data_round"] += 1
    memory["data_report"] = (str(fields["title"]), result)
    memory["data_go_to"], memory["data_set"] = "browse", result.name
    address.write("data", "data", result.name)
    st.rerun()


def report(shown: str) -> None:
    """Show the report of the last upload above its data set, until another set is shown."""
    title, result = st.session_state.get("data_report", (None, None))
    if result is None:
        return
    if shown != result.name:
        st.session_state.pop("data_report")
        return
    st.success(_summary(title, result), icon=":material/check_circle:")
    for line in result.notes:
        st.warning(plain(line), icon=":material/warning:")
    if result.skipped or result.left_out:
        count = f"{len(result.skipped) + result.others:,}"
        with st.expander(t("data.upload.skipped", count=count), icon=":material/block:", key="data_skipped"):
            lines = (*result.left_out, *result.skipped[:_NAMED])
            st.markdown("\n".join(f"- {plain(line[:300])}" for line in lines))
            if len(result.skipped) > _NAMED:
                st.caption(t("data.upload.skipped_more", count=f"{len(result.skipped) - _NAMED:,}"))


def _summary(title: str, result: UploadReport) -> str:
    channels, height, width = result.shape
    parts = [
        t(
            "data.upload.done",
            title=plain(title),
            count=f"{result.count:,}",
            width=width,
            height=height,
            colour=t("data.grey" if channels == 1 else "data.colour"),
            seconds=f"{result.seconds:.1f}",
            mb=f"{result.bytes / 1e6:.1f}",
        )
    ]
    if result.classes:
        names = ", ".join(plain(name) for name in result.classes[:8]) + (", ..." if len(result.classes) > 8 else "")
        parts.append(t("data.upload.done_classes", count=len(result.classes), names=names))
    if result.others:
        parts.append(t("data.upload.ignored", count=f"{result.others:,}"))
    return " ".join(parts)
