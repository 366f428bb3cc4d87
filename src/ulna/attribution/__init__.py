"""What heat maps show: the examination of the built-in map, and other methods beside it."""
