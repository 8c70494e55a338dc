"""Work that comes due by itself: found through an index, applied by the same path as every job."""
