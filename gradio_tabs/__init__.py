"""The tabs of the Gradio interface, one file per tab. They call `genmodels.service` only.

Importing this package sets what Gradio reads from the environment when it is imported: it sends nothing to other hosts,
and keeps its files in a private folder that is removed when the process ends.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
if not os.environ.get("GRADIO_TEMP_DIR"):
    os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="genmodels-gradio-")
    atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)
