"""Settings: what they mean and where they come from.

Highest priority first: the command line (see `command_line`), arguments, environment variables
``PERSISTQ_*``, the file ``.env`` in the current directory, the table ``[tool.persistq]`` of the
nearest ``pyproject.toml``, the defaults. ``python docs/settings_page.py`` prints the page that
documents them.
"""

from persistq.settings.cpus import available_cpus
from persistq.settings.loading import load_settings, options_of
from persistq.settings.project import PROJECT_FILE, TABLE
from persistq.settings.settings import PREFIX, Settings
from persistq.settings.typed import command_line
from persistq.settings.variables import ENV_FILE

__all__ = [
    "ENV_FILE",
    "PREFIX",
    "PROJECT_FILE",
    "TABLE",
    "Settings",
    "available_cpus",
    "command_line",
    "load_settings",
    "options_of",
]
