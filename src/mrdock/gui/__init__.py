"""The window of dcm_move: a presenter without Qt, a window without logic."""
