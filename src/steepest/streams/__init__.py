"""Data larger than memory: sources of rows, read block by block."""

from steepest.streams.parquet import ParquetRows
from steepest.streams.sources import Source, as_source

__all__ = ["ParquetRows", "Source", "as_source"]
