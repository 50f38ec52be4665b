"""Receiving events: the subscriptions and streams of one bus."""

from __future__ import annotations

from .receiver import BusReceiver as BusReceiver
