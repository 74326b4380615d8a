"""Look inside small self-supervised models: spectra, collapse, linear regions, classes.

Importing a module by the name it had in version 0.1 says what it is called now (``moved.announce``).
"""

from sslens import moved

__version__ = "0.2.0"

moved.announce()
