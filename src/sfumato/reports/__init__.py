"""Grids, figures, tables, pages and documents. Takes arrays and words; knows no model."""
