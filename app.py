"""The ASGI entry: `streamlit run app.py` or `uvicorn app:app`.

The pages live behind `pages/frame.py`. Calling `st.navigation` here instead would lose the frame on a cold deep link:
Streamlit would find `pages/train.py` beside this file and run it bare.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.components.theme import show_unexpected_error
from pages.server import middleware
from pages.server.downloads import download_threads

app = st.App(
    Path(__file__).parent / "pages" / "frame.py",
    middleware=middleware(),
    lifespan=download_threads,
    on_script_error=show_unexpected_error,
)
