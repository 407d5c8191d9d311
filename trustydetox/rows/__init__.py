"""Files of rows: reading them with every byte accounted for, and writing them back."""

from __future__ import annotations

from trustydetox.rows.columns import Columns, by_role, choose_columns, late_column
from trustydetox.rows.formats import (
    MAX_ROW_BYTES,
    FileFormat,
    build_writer,
    format_of,
    is_table,
    open_reader,
)
from trustydetox.rows.preferences import with_one_prompt
from trustydetox.rows.tables import Reader, Row, Writer

__all__ = [
    "MAX_ROW_BYTES",
    "Columns",
    "FileFormat",
    "Reader",
    "Row",
    "Writer",
    "build_writer",
    "by_role",
    "choose_columns",
    "format_of",
    "is_table",
    "late_column",
    "open_reader",
    "with_one_prompt",
]
