"""`python model.py MODEL FOLDER`: put a model's files, checked, into a folder below FOLDER that is called like it."""

import shutil
import sys
import tempfile
from pathlib import Path

from lingoloop_transcriber.engines.models import find_model

name, target = sys.argv[1], Path(sys.argv[2])
with tempfile.TemporaryDirectory() as cache:
    # Copied, since the hub's client leaves links into its cache.
    shutil.copytree(find_model(name, Path(cache)), target / name)
