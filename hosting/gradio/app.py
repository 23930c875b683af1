"""Entry of a Gradio Space: `genmodels space gradio` puts this file next to gradio_app.py."""

from __future__ import annotations

import importlib.util
import os
import sys

for _variable in ("GENMODELS_RUNS", "GENMODELS_DATA", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"):
    os.environ.setdefault(_variable, f"/tmp/{_variable.lower()}")  # noqa: S108 -- a Space has one user

if importlib.util.find_spec("spaces"):
    import spaces  # before torch

    @spaces.GPU
    def gpu_name() -> str:
        """The GPU's name. ZeroGPU starts no Space without such a function; the models compute on the CPU."""
        import torch

        return torch.cuda.get_device_name()


import gradio_app  # noqa: E402

if __name__ == "__main__":
    sys.exit(gradio_app.main(["--address", "0.0.0.0", "--port", os.environ.get("GRADIO_SERVER_PORT", "7860")]))  # noqa: S104
