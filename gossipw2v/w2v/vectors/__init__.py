"""Files of vectors: one module a format, behind the table in `formats`; `reading` reads whichever it is."""
