"""Files that must not be lost: durable writes, renames that never overwrite, comparisons, locks."""
