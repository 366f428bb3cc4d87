"""What a step remarks as it goes, as which studies it takes: INFO of the logger 'ulna.experiments'.

`ulna` shows these lines on stderr; elsewhere they are silent until logging is set up for them.
"""

from __future__ import annotations

import logging

LOG = logging.getLogger("ulna.experiments")
