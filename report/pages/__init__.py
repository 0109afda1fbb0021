"""Pages: self-contained HTML files of one look, and the page of a graded study."""
