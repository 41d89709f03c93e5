"""Protected tags: which Dag files may carry them, checked where Dags are parsed and stored."""
