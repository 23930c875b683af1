"""The ASGI entry: `streamlit run app.py` or `uvicorn app:app`.

`pages/frame.py` calls `st.navigation`. If it were called here, the first request of a deep link would run
`pages/train.py` without the frame, because Streamlit finds it next to this file.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.components.theme import show_unexpected_error
from pages.server import middleware
from pages.server.lifespan import lifespan

app = st.App(
    Path(__file__).parent / "pages" / "frame.py",
    middleware=middleware(),
    lifespan=lifespan,
    on_script_error=show_unexpected_error,
)
