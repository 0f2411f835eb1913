"""The lessons of the classroom; `table.LESSONS` lists them."""
