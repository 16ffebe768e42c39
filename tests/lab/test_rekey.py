# SPDX-License-Identifier: MIT
"""Keys are renewed under load and not one frame is lost."""
import time

from machine import wait_for
from streams import Stream


def test_no_frame_is_lost_while_keys_change(lab, a, b):
    near, far = a.host("h1"), b.host("h1")
    lab.splice(a, b, test={"rekey_after_ms": 1000, "reject_after_ms": 3000})
    assert near.ping(far.ip)
    before = a.lansplice.counter("handshakes")
    streams = [Stream(near, far, 5001, every_s=0.001, payload_bytes=200),
               Stream(far, near, 5002, every_s=0.001, payload_bytes=1400)]
    end = time.monotonic() + 8
    wait_for(lambda: time.monotonic() > end and all(s.sent > 2000 for s in streams), 30)
    for stream, to in zip(streams, (b, a)):
        lost, duplicates = stream.stop()
        late = to.lansplice.counter("queue_dropped")  # by CoDel, where others keep the machine busy
        assert len(lost) <= late, f"{len(lost)} of {stream.sent} lost: {lost[:10]}"
        assert duplicates == 0
    assert a.lansplice.counter("handshakes") - before >= 5
