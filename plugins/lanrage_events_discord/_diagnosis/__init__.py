"""What is wrong with a message that Discord does not take: an entry, or only an optional part.

``bisection`` finds the entry that Discord rejects, ``server_errors`` the one that it answers with an
error of its own each time, and ``omissions`` leaves out parts that an answer names.
"""

from __future__ import annotations

from .bisection import Bisection, is_about_configuration, is_about_thread
from .omissions import Omissions
from .server_errors import ServerErrors
