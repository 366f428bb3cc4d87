"""Convert finished rows to a Parquet file; the only use of pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from ulna.atomic_file import atomic_file
from ulna.errors import DependencyError
from ulna.runtime.table.columns import COLUMNS, Cells, Column
from ulna.runtime.table.rows_file import read_rows

# Rows per row group, all in memory; readers are slow with small groups.
_GROUP = 20_000


def require_pyarrow() -> None:
    """Raise DependencyError unless pyarrow is installed; called before a table is begun."""
    if find_spec("pyarrow") is None:
        raise DependencyError(
            "a Parquet table needs pyarrow: install Ulna's extra 'scale' "
            "(pip install 'ulna[scale]'), or name a table that ends in .csv"
        )


def write_parquet(rows: Path, out: Path) -> None:
    """Convert the rows of a CSV file to Parquet, atomically; empty cells become null.

    Types: text is string, number is double, flag is bool. Raises DependencyError.
    """
    require_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"text": pa.string(), "number": pa.float64(), "flag": pa.bool_()}
    schema = pa.schema([(c.name, types[c.kind]) for c in COLUMNS])
    source = read_rows(rows)
    # The default suffix `.partial` is that of the rows.
    with (
        atomic_file(out, durable=True, ending=".unfinished") as stream,
        pq.ParquetWriter(stream, schema) as writer,
    ):
        while group := list(islice(source, _GROUP)):
            columns = [_values(c, group) for c in COLUMNS]
            writer.write_table(pa.table(columns, schema=schema))


def _values(column: Column, rows: Sequence[Cells]) -> list[Any]:
    cells = [row[column.name] for row in rows]
    if column.kind == "number":
        return [float(c) if c else None for c in cells]
    if column.kind == "flag":
        return [c == "1" if c else None for c in cells]
    return [c or None for c in cells]
