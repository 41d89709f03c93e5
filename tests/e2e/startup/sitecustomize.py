"""Python imports this first: with fewer looks for garbage Airflow starts in four fifths of the time."""

import gc

gc.set_threshold(100_000, 50, 100)
