"""Python imports this first: with fewer looks for garbage Airflow starts in four fifths of the time.

And one account leaves as many rows in the audit log as it likes: a person of the tests does in a minute what no user
does in an hour.
"""

import gc
import sys
import threading

_USUAL = gc.get_threshold()


def _settle() -> None:
    # Not for longer: Airflow 3.2 leaves connections to its database to the look for garbage, and its pool has fifteen.
    gc.set_threshold(*_USUAL)
    again = threading.Event()
    for _ in range(600):
        audit_log = sys.modules.get("astro_auth_plugin.runtime.audit_log")
        if hasattr(audit_log, "ROWS_A_MINUTE"):
            audit_log.ROWS_A_MINUTE = 1_000_000
            return
        again.wait(1)


later = threading.Timer(12, _settle)
later.daemon = True
later.start()
gc.set_threshold(100_000, 50, 100)
