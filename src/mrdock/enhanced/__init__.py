"""Enhanced MR as labelled n-d arrays: dimensions, cells, scaling, geometry, and what they are written as."""
