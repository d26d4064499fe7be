# SPDX-License-Identifier: Apache-2.0
"""Networks that ONNX Runtime runs."""

import os
from pathlib import Path
from typing import Any

from facebids.core.packages import package_file


def load(graph: str, digest: str, weights: Path | None = None) -> Any:
    """Return a network of the package, ready to run on one core.

    Parameters
    ----------
    graph : str
        POSIX path of its ONNX file inside the package.
    digest : str
        SHA-256 of that file, hexadecimal.
    weights : Path, optional
        Folder of the file that holds the weights, if the graph refers to another file.

    Returns
    -------
    onnxruntime.InferenceSession

    Raises
    ------
    FacebidsError
        If the package lacks the file, or has another one.
    """
    # onnxruntime 1.32 makes an identifier of the device in HOME, and reports to its maker
    os.environ['ORT_DISABLE_TELEMETRY'] = '1'
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the same result each time
    if weights:
        options.add_session_config_entry(
            'session.model_external_initializers_file_folder_path', str(weights)
        )
    content = package_file('facebids', graph, digest).read_bytes()
    return onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
