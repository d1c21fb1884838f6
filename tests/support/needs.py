"""Skip a test if the kernel itself says that it lacks a feature; everywhere else it must pass."""

import pytest

from ecbpf.kernel.probe import Answer, probe_live_frames, probe_tcx, probe_xdp_frags

__all__ = ["needs_frags", "needs_live_frames", "needs_tcx"]

needs_frags = pytest.mark.skipif(
    probe_xdp_frags() is Answer.NO, reason="no multi-buffer packets before Linux 5.18"
)
needs_live_frames = pytest.mark.skipif(
    probe_live_frames() is Answer.NO, reason="no test runs with live frames before Linux 5.18"
)
needs_tcx = pytest.mark.skipif(probe_tcx() is Answer.NO, reason="no tcx before Linux 6.6")
