"""SHA-256 of what has come of each upload, carried on from request to request, so that no upload need be read again."""

from collections import OrderedDict
from uuid import UUID

from lingoloop_common.running_sum import RunningSum

LIMIT = 1_000
"""Uploads whose sums are carried on; of others, what came before is read once more."""


class RunningSums:
    """Those of this gateway, the ones used last."""

    def __init__(self) -> None:
        self._sums: OrderedDict[UUID, RunningSum] = OrderedDict()

    def take(self, upload_id: UUID, *, most: int) -> RunningSum:
        """Take out an upload's sum; a fresh one if there is none, or it is of more than `most` bytes."""
        found = self._sums.pop(upload_id, None)
        return found if found is not None and found.size <= most else RunningSum()

    def keep(self, upload_id: UUID, running: RunningSum) -> None:
        """Put a sum back, for the next request."""
        self._sums[upload_id] = running
        if len(self._sums) > LIMIT:
            self._sums.popitem(last=False)
