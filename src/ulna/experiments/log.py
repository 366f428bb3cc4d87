"""The logger 'ulna.experiments', for INFO messages of a step, as on the studies it uses.

`ulna` shows them on stderr; elsewhere they are silent until logging is configured for them.
"""

from __future__ import annotations

import logging

LOG = logging.getLogger("ulna.experiments")
