"""Python imports this first: with fewer looks for garbage Airflow starts in four fifths of the time."""

import gc
import threading

# Not for longer: Airflow 3.2 leaves connections to its database to the look for garbage, and its pool has fifteen.
usual = threading.Timer(12, gc.set_threshold, gc.get_threshold())
usual.daemon = True
usual.start()
gc.set_threshold(100_000, 50, 100)
