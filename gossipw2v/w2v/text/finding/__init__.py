"""Which files a text has, and what tells one text from another; `w2v/text/files` opens them."""
