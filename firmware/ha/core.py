"""Home Assistant's own core, with no more in it than MQTT devices and automations need.

    python core.py CONFIG_FOLDER

The real thing in all it does: only the list of what is set up by default is shorter, for speed, and because the rest
(frontend, Bluetooth, cloud, speech) wants packages that have nothing to do with us.
"""

import sys

from homeassistant import bootstrap
from homeassistant.__main__ import main

bootstrap.DEFAULT_INTEGRATIONS = {"api", "auth", "automation", "config", "onboarding", "websocket_api"}
bootstrap.CRITICAL_INTEGRATIONS = set()

sys.argv = ["hass", "--config", sys.argv[1], "--skip-pip"]
sys.exit(main())
