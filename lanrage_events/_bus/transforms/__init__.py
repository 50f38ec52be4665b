"""Transforms, which change, split or drop events before they enter mailboxes."""

from __future__ import annotations

from .chain import Chain as Chain
from .chain import DeclaredTransform as DeclaredTransform
from .chain import Diverted as Diverted
from .chain import Events as Events
from .transforms import Transforms as Transforms
from .trial import Trial as Trial
from .trial import attempt as attempt
from .trial import explain as explain
