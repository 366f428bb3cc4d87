"""The answers for thousands of studies as one table, CSV or Parquet, that survives a kill."""
