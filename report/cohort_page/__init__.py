"""The page of a cohort: what it holds, before anything is fitted."""
