"""The strategies of the field, the mathematics of each in one file: rows that changed, in; rows to apply, out."""
