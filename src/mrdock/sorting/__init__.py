"""Names and plans from headers: what dcmls, dcminfo and dcm_move show and do."""
