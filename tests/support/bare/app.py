"""A Streamlit page without any code of the studio, with the kinds of widgets that the studio's pages have.

`streamlit run tests/support/bare/app.py`: the reference of what Streamlit itself violates.
"""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

_HELP = "help"


def _inputs() -> None:
    choices = ["first", "second"]
    st.selectbox("selectbox", choices, help=_HELP)
    st.multiselect("multiselect", choices, choices, help=_HELP)
    st.segmented_control("segmented control", choices, default="first", help=_HELP)
    st.radio("radio", choices, help=_HELP)
    st.slider("slider", 0.0, 1.0, help=_HELP)
    st.select_slider("select slider", choices, help=_HELP)
    st.number_input("number", 0, 9, help=_HELP)
    st.text_input("text", help=_HELP)
    st.toggle("toggle", help=_HELP)
    st.button("button", icon=":material/casino:", help=_HELP)
    st.button("primary", type="primary", help=_HELP)
    st.button("disabled", disabled=True, help=_HELP)
    st.button("", icon=":material/close:", type="tertiary", help=_HELP)
    st.download_button("download", b"file", help=_HELP)
    st.file_uploader("file", help=_HELP)
    st.camera_input("camera", help=_HELP)
    st.audio_input("microphone", help=_HELP)


def _elements() -> None:
    st.header("header", anchor=False)
    st.markdown("**Text** with a [link](https://example.org/), `code` and a table.\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    st.caption("caption")
    st.image(np.zeros((28, 28, 3), np.uint8), alt="image")
    st.audio(np.zeros(8_000), sample_rate=8_000)
    st.plotly_chart(go.Figure(go.Scatter(x=[1, 2], y=[1, 2])))
    st.dataframe({"number": [1, 2]})
    st.code("print(1)", language="python")
    st.metric("metric", 1)
    st.progress(0.5, "progress")
    st.badge("badge")
    for box in (st.info, st.warning, st.error, st.success):
        box("box", icon=":material/info:")
    with st.expander("expander"):
        st.text("text")
    with st.popover("popover", help=_HELP):
        st.text("text")


def _home() -> None:
    st.title("Title", anchor=False)
    left, right = st.columns(2)
    with left:
        _inputs()
    with right:
        _elements()


st.set_page_config(page_title="Bare", layout="wide")
home = st.Page(_home, title="home", default=True)
other = st.Page(lambda: st.title("Other", anchor=False), title="other", url_path="other")
st.navigation({"": [home], "section": [other]}, position="top").run()
