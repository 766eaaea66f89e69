"""Sweeps beyond one process and one machine: a durable store, a Dask cluster, and what both cost."""

from steepest.scale.cluster import Cluster, ClusterLost
from steepest.scale.reading import open_runs
from steepest.scale.store import StoreError

__all__ = ["Cluster", "ClusterLost", "StoreError", "open_runs"]
