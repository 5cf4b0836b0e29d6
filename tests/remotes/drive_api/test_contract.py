"""Drive by its API keeps the contract of all remotes."""

from __future__ import annotations

import pytest
from contract_remote import RemoteContract
from drive_server.server import DriveServer
from remotes.drive_api.clients import client

from colab_resume.remotes import Remote

__all__: list[str] = []


class TestSmallRequests(RemoteContract):
    """Most contents take several requests."""

    @pytest.fixture
    def remote(self, drive_server: DriveServer) -> Remote:
        return client(drive_server)

    @pytest.fixture
    def other(self, drive_server: DriveServer) -> Remote:
        return client(drive_server)


class TestLaggingServer(TestSmallRequests):
    """Drive's index of names never catches up, and its pages are short."""

    @pytest.fixture
    def remote(self, drive_server: DriveServer) -> Remote:
        drive_server.account.name_index_lag = True
        drive_server.account.page_limit = 2
        return client(drive_server)
