"""Labels that are most likely wrong, by answers of experts that have not seen them."""
