"""Prints the OpenAPI document, for those who make clients from it: `python -m lingoloop_gateway.description`."""

import json
import sys
from importlib.metadata import version

from lingoloop_gateway.description.document import openapi
from lingoloop_gateway.description.table import ROUTES

json.dump(openapi(ROUTES, version=version("lingoloop-gateway")), sys.stdout, indent=1)
