"""Predictions for many studies as one table (CSV or Parquet) that can be resumed after a kill."""
