"""The environment variables that schedulers and workers inherit: an allow list, so that no secret reaches a training.

A scheduler outlives the terminal that started it and serves later jobs; the tokens of that shell would otherwise be in
every worker and its children.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_NAMES = frozenset(
    {
        # Where programs, libraries and temporary files are, the language, the user.
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP"),
        *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
        *("VIRTUAL_ENV", "CONDA_PREFIX", "WSL_DISTRO_NAME"),
        # Compilers, for torch.compile.
        *("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH"),
        "LIBRARY_PATH",
        # Caches.
        *("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"),
        *("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_DATASETS_CACHE", "HUGGINGFACE_HUB_CACHE"),
        # Downloads of pretrained weights.
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    }
)
_PREFIXES = (
    "GENMODELS_",
    "LC_",
    "PYTHON",
    *("CUDA", "CUDNN", "CUBLAS", "NVIDIA", "NCCL_", "HIP_", "HSA_", "ROCR_", "ROCM_"),
    *("OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "BLIS_", "ONEDNN_", "DNNL_", "NUMEXPR_"),
    *("TORCH", "PYTORCH_", "TRITON_", "MALLOC_", "GLIBC_TUNABLES"),
)
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH|(^|_)KEY(S|_|$)|APIKEY")


def allowed(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of an environment that schedulers and workers inherit."""
    return {
        name: value
        for name, value in environment.items()
        if name in _NAMES or (name.startswith(_PREFIXES) and not _SECRET.search(name))
    }
