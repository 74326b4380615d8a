"""What must hold on a CUDA device; each test body also runs on the CPU, rehearsed in the arithmetic of a GPU.

A machine with a GPU often has torch and little else. Only folders of images need Pillow and psutil, and no test here
reads one: where they are not installed, stand-ins let the library be imported.
"""

import sys
from importlib.util import find_spec
from unittest.mock import MagicMock

REPLACED = {
    "PIL": "folders of images are left out",
    "psutil": "folders of images are left out",
    "sklearn": "the digits are drawn at random instead of read",
}
MISSING = {name: instead for name, instead in REPLACED.items() if find_spec(name) is None}
sys.modules |= {name: MagicMock() for name in ("PIL", "psutil") if name in MISSING}
