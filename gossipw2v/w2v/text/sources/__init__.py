"""Where text comes from besides plain files, and what it is kept in: pipes, URLs, JSON lines, CSV, Parquet, zstd."""
